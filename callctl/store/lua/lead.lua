-- ARGV: holder, ttl in ms, and for a holder that was refused before: how many ms ago it asked, else ''.
-- Answers the lease's token, or '' while another holder has it.
local held = redis.call('HMGET', LEASE, 'holder', 'token', 'until')
local ends = tonumber(held[3] or '0')
local refused = tonumber(ARGV[3])
-- Who was refused knows that somebody led then. Where we do not, we came back empty or with an older copy, and whoever
-- led may do so still: it has one ttl to say so, in which the lease is nobody's ('').
-- (A second is granted for the way of the two questions; what was lost is seconds or everything.) A lease that runs is
-- never taken, whatever a clock that was set back makes of `refused`.
local running = ends > NOW
if refused and not running and ends < NOW - refused - 1000 then
  redis.call('DEL', LEASE)
  redis.call('HSET', LEASE, 'holder', '', 'until', plain(NOW + ARGV[2]))
  return ''
end
if running and held[1] ~= ARGV[1] and (held[1] ~= '' or refused) then
  return ''
end
-- A lease that ran out gets a new token, also for its old holder: orders in flight from before are then outdated.
local token = running and held[2] or plain(next_token())
redis.call('HSET', LEASE, 'holder', ARGV[1], 'token', token, 'until', plain(NOW + ARGV[2]))
return token
