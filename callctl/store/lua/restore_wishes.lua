-- KEYS[6]: wishes. ARGV: version, JSON. What is at least as new stays.
local held = redis.call('HGET', KEYS[6], 'version')
if not held or tonumber(held) < tonumber(ARGV[1]) then
  redis.call('HSET', KEYS[6], 'version', ARGV[1], 'json', ARGV[2])
  tell('wishes', ARGV[1])
end
return {'done'}
