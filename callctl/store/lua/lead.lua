-- ARGV: holder, ttl in ms. Answers the lease's token, or '' while another holder has it.
local held = redis.call('HMGET', LEASE, 'holder', 'token', 'until')
local running = held[3] and tonumber(held[3]) > NOW
if running and held[1] ~= ARGV[1] then
  return ''
end
-- A lease that ran out gets a new token, also for its old holder: orders in flight from before are then outdated.
local token = running and held[2] or plain(next_token())
redis.call('HSET', LEASE, 'holder', ARGV[1], 'token', token, 'until', plain(NOW + ARGV[2]))
return token
