-- KEYS[6]: sitting, KEYS[7]: who sat where when. ARGV: seat key, account, agent, at in ms.
-- One account sits at one seat, at a seat sits one account.
local held = redis.call('HGET', KEYS[6], ARGV[1])
local by = held and string.match(held, '^(%S+) ')
if by and by ~= ARGV[2] then
  return {'taken', held}
end
if held and string.match(held, '^(%S+ %S+) ') == ARGV[2] .. ' ' .. ARGV[3] then
  return {'sits', held}
end
local all = redis.call('HGETALL', KEYS[6])
local left = {}
for i = 1, #all, 2 do
  if all[i] ~= ARGV[1] and string.match(all[i + 1], '^(%S+) ') == ARGV[2] then
    redis.call('HDEL', KEYS[6], all[i])
    remember_sitter(KEYS[7], all[i], ARGV[4], '-')
    left[#left + 1] = all[i]
  end
end
redis.call('HSET', KEYS[6], ARGV[1], ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. ARGV[4])
if not by then
  remember_sitter(KEYS[7], ARGV[1], ARGV[4], ARGV[2])
end
return {'done', unpack(left)}
