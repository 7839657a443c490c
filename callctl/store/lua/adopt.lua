-- ARGV: lease, loan ttl in ms, then for each loan: seat key, assisted, token, lent at in ms.
-- Of two loans of a seat the higher token is the later one and stays.
if not leads(ARGV[1]) then
  return {'outdated'}
end
sweep()
local highest = tonumber(redis.call('GET', TOKEN) or '0')
for i = 3, #ARGV, 4 do
  local seat, token = ARGV[i], tonumber(ARGV[i + 2])
  highest = math.max(highest, token)
  local loan = redis.call('HGET', LOANS, seat)
  if not loan or tonumber(string.match(loan, '^%S+ (%d+) ')) < token then
    redis.call('HSET', LOANS, seat, ARGV[i + 1] .. ' ' .. plain(token) .. ' ' .. ARGV[i + 3])
    redis.call('ZADD', ENDS, plain(NOW + ARGV[2]), seat)
  end
end
redis.call('SET', TOKEN, plain(highest))
return {'done'}
