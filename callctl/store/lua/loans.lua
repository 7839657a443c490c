-- Every loan that has not run out: {seat key, 'assisted token at', ...}. Reads only.
local found = {}
for _, seat in ipairs(redis.call('ZRANGEBYSCORE', ENDS, '(' .. plain(NOW), '+inf')) do
  local loan = redis.call('HGET', LOANS, seat)
  if loan then
    found[#found + 1] = seat
    found[#found + 1] = loan
  end
end
return found
