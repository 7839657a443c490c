-- ARGV: lease, ttl in ms.
if not leads(ARGV[1]) then
  return {'outdated'}
end
sweep()
for _, seat in ipairs(redis.call('ZRANGE', ENDS, 0, -1)) do
  redis.call('ZADD', ENDS, plain(NOW + ARGV[2]), seat)
end
return {'done'}
