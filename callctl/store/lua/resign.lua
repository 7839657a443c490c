-- ARGV: holder.
if redis.call('HGET', LEASE, 'holder') == ARGV[1] then
  redis.call('DEL', LEASE)
end
return ''
