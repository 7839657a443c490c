-- ARGV: request, lease, seat key, token. Safe to run twice: a token is never given to another loan.
if not leads(ARGV[2]) then
  return {'outdated'}
end
sweep()
local loan = redis.call('HGET', LOANS, ARGV[3])
if loan and string.match(loan, '^%S+ (%d+) ') == ARGV[4] then
  redis.call('HDEL', LOANS, ARGV[3])
  redis.call('ZREM', ENDS, ARGV[3])
  tell('recalled', ARGV[3] .. ' ' .. ARGV[4] .. ' ' .. ARGV[1])
end
return {'done'}
