-- Put in front of every script. All keys share the hash tag {callctl}; KEYS are always
-- 1 lease, 2 token, 3 loans, 4 ends, 5 stream. Redis 7.0 commands only.
local LEASE, TOKEN, LOANS, ENDS, STREAM = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]

-- The server's own clock, in ms for leases (which must not depend on whose clock is right), in microseconds for tokens.
local TIME = redis.call('TIME')
local NOW = TIME[1] * 1000 + math.floor(TIME[2] / 1000)
local NOW_US = TIME[1] * 1000000 + TIME[2]

-- A number as Redis keeps it: tokens have 16 digits, Lua's tostring would write 1.7954204805571e+15.
local function plain(number)
  return string.format('%.0f', number)
end

-- Fencing tokens: one counter for leases and loans, never behind the server's clock in microseconds, so that tokens
-- rise also after the memory was lost: no two scripts run within one. Exact in Lua's doubles until the year 2255.
-- (adopt raises the counter above what the PBXs show, should the server's clock have gone back.)
local function next_token()
  local last = tonumber(redis.call('GET', TOKEN) or '0')
  local token = math.max(last + 1, NOW_US)
  redis.call('SET', TOKEN, plain(token))
  return token
end

-- Loans whose lease ran out are nobody's any more.
local function sweep()
  local gone = redis.call('ZRANGEBYSCORE', ENDS, '-inf', plain(NOW))
  for _, seat in ipairs(gone) do
    redis.call('HDEL', LOANS, seat)
    redis.call('ZREM', ENDS, seat)
  end
end

-- Whether this is the token of the controller that leads now.
local function leads(lease)
  local held = redis.call('HMGET', LEASE, 'token', 'until')
  return held[1] == lease and tonumber(held[2]) > NOW
end

local function tell(kind, text)
  redis.call('XADD', STREAM, 'MAXLEN', '~', '1000', '*', 'kind', kind, 'text', text)
end

-- Who sat at a seat when: "<ms> <account>" again and again, '-' for nobody, the last 20 changes; in the hash `key`.
-- "0 ?" in front: there were more. Who comes back to a seat that was empty since is no change, so that nobody alone
-- can make the seat forget the others by signing in and out.
local function remember_sitter(key, seat, at, account)
  local text = redis.call('HGET', key, seat) or ''
  local before, last = string.match(text, '^(.* (%S+)) %S+ %-$')
  if before and last == account then
    redis.call('HSET', key, seat, before)
    return
  end
  local kept, forgot = string.gsub(text, '^ 0 %?', '')
  kept = kept .. ' ' .. at .. ' ' .. account
  local _, changes = string.gsub(kept, '%S+ %S+', '')
  for _ = 21, changes do
    kept = string.gsub(kept, '^%s*%S+ %S+', '', 1)
    forgot = 1
  end
  redis.call('HSET', key, seat, (forgot > 0 and ' 0 ?' or '') .. kept)
end
