-- Put in front of every script. All keys share the hash tag {callctl}; KEYS are always
-- 1 lease, 2 token, 3 loans, 4 ends, 5 stream. Redis 7.0 commands only.
local LEASE, TOKEN, LOANS, ENDS, STREAM = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]

-- The server's own clock, in ms: leases must not depend on whose clock is right.
local function server_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
local NOW = server_ms()

-- A number as Redis keeps it: tokens have 13 digits, Lua's tostring would write 1.79e+12.
local function plain(number)
  return string.format('%.0f', number)
end

-- Fencing tokens: one counter for leases and loans, never behind the server's clock in ms, so that tokens rise
-- also after the memory was lost. (adopt raises it above what the PBXs show, should the clock have gone back.)
local function next_token()
  local last = tonumber(redis.call('GET', TOKEN) or '0')
  local token = math.max(last + 1, NOW)
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
