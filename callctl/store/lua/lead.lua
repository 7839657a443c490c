-- ARGV: holder, ttl in ms; how many ms ago another one led or may have, as far as the holder knows, else ''; the newest
-- token the PBXs show to a holder that knows of nobody, else 0.
-- Answers the lease's token, or '' while another holder has it.
local held = redis.call('HMGET', LEASE, 'holder', 'token', 'until')
local ends = tonumber(held[3] or '0')
local rival = tonumber(ARGV[3])
-- Who was refused knows that somebody led then, and a token on a PBX was given by somebody. Where we do not know it, we
-- came back empty or with an older copy, and whoever led may do so still: it has one ttl to say so, in which the lease is
-- nobody's (''). (A second is granted for the way of the two questions; what was lost is seconds or everything.) A lease
-- that runs is never taken, whatever a clock that was set back makes of `rival`.
local running = ends > NOW
local forgot = rival and ends < NOW - rival - 1000 or tonumber(ARGV[4]) > tonumber(redis.call('GET', TOKEN) or '0')
if not running and forgot then
  redis.call('DEL', LEASE)
  redis.call('HSET', LEASE, 'holder', '', 'until', plain(NOW + ARGV[2]))
  return ''
end
if running and held[1] ~= ARGV[1] and (held[1] ~= '' or rival) then
  return ''
end
-- A lease that ran out gets a new token, also for its old holder: orders in flight from before are then outdated.
local token = running and held[2] or plain(next_token())
redis.call('HSET', LEASE, 'holder', ARGV[1], 'token', token, 'until', plain(NOW + ARGV[2]))
return token
