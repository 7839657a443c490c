-- ARGV: holder. That there was a lease is kept, for whoever was refused while it ran (lead).
if redis.call('HGET', LEASE, 'holder') == ARGV[1] then
  redis.call('HSET', LEASE, 'until', plain(NOW))
end
return ''
