-- KEYS[6]: sitting, KEYS[7]: who sat where when. ARGV: seat key, at in ms, '=' and the agent who must be the one who sits
-- there ('=' alone: nobody), '' for whoever it is. Answers {'done' | 'other'}.
local held = redis.call('HGET', KEYS[6], ARGV[1])
local agent = held and string.match(held, '^%S+ (%S*) ') or ''
if ARGV[3] ~= '' and ARGV[3] ~= '=' .. agent then
  return {'other'}
end
if redis.call('HDEL', KEYS[6], ARGV[1]) == 1 then
  remember_sitter(KEYS[7], ARGV[1], ARGV[2], '-')
end
return {'done'}
