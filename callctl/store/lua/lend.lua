-- KEYS[6]: the answer of this request. ARGV: request, lease, seat key, assisted, loan ttl in ms, answer ttl in ms.
-- Answers {'lent', assisted, token, lent at in ms} or {'outdated' | 'ended' | 'other' | 'taken', ...}.
if not leads(ARGV[2]) then
  return {'outdated'}
end
sweep()
local answered = redis.call('HMGET', KEYS[6], 'seat', 'assisted', 'token', 'at')
if answered[1] then
  if answered[1] ~= ARGV[3] or answered[2] ~= ARGV[4] then
    return {'other', answered[1], answered[2]}
  end
  local loan = redis.call('HGET', LOANS, ARGV[3])
  if loan ~= answered[2] .. ' ' .. answered[3] .. ' ' .. answered[4] then
    return {'ended', answered[3]}
  end
  return {'lent', answered[2], answered[3], answered[4]}
end
local loan = redis.call('HGET', LOANS, ARGV[3])
if loan then
  return {'taken', loan}
end
local token, at = plain(next_token()), plain(NOW)
redis.call('HSET', LOANS, ARGV[3], ARGV[4] .. ' ' .. token .. ' ' .. at)
redis.call('ZADD', ENDS, plain(NOW + ARGV[5]), ARGV[3])
redis.call('HSET', KEYS[6], 'seat', ARGV[3], 'assisted', ARGV[4], 'token', token, 'at', at)
redis.call('PEXPIRE', KEYS[6], ARGV[6])
tell('lent', ARGV[3] .. ' ' .. ARGV[4] .. ' ' .. token .. ' ' .. ARGV[1])
return {'lent', ARGV[4], token, at}
