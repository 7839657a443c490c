-- KEYS[6]: presses. ARGV: seat key, press. Another press of the seat, made meanwhile, stays.
if redis.call('HGET', KEYS[6], ARGV[1]) == ARGV[2] then
  redis.call('HDEL', KEYS[6], ARGV[1])
end
return ''
