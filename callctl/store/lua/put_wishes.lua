-- KEYS[6]: wishes. ARGV: seen version, new version, JSON. Writes only if nobody wrote since the version seen.
-- The same write again (its answer was lost) is answered like the first one: same version, same text.
local held = redis.call('HMGET', KEYS[6], 'version', 'json')
if held[1] == ARGV[2] and held[2] == ARGV[3] then
  return {'done'}
end
if (held[1] or '0') ~= ARGV[1] then
  return {'changed', held[1] or '0'}
end
redis.call('HSET', KEYS[6], 'version', ARGV[2], 'json', ARGV[3])
tell('wishes', ARGV[2])
return {'done'}
