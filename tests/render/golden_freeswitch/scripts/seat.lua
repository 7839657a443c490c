-- callctl: another city rang `support` (dialplan/30_cities.xml). Ring a seat lent to it, or refuse at once.
--   486  nobody lent is free, or callctl is silent (dead man's switch): the slot there rests and stays open
--   480  rang, nobody picked up       503  more calls than the trunk is meant to carry       403  we do not help that city
-- mod_callcenter itself cannot do this: it answers a caller before it looks for an agent, and the caller must not leave
-- the home queue before one has answered.
local cc = dofile(freeswitch.getGlobalVariable("conf_dir") .. "/scripts/common.lua")
local home, call = session:getVariable("cc_home"), session:getVariable("cc_callid")
local support, own = "support-" .. home, freeswitch.getGlobalVariable("queue")
-- An answered leg that ended so was lost, not hung up.
local LOST = { MEDIA_TIMEOUT = true, NORMAL_TEMPORARY_FAILURE = true, NETWORK_OUT_OF_ORDER = true,
  DESTINATION_OUT_OF_ORDER = true, RECOVERY_ON_TIMER_EXPIRE = true, REQUESTED_CHAN_UNAVAIL = true,
  SYSTEM_SHUTDOWN = true, MANAGER_REQUEST = true }
local tried = {}
local held  -- The seat this script has reserved.

-- The seat's state in mod_callcenter is the lock: only `Waiting` can become `Reserved`, in one step of its database, and
-- the home queue takes its agents the same way. So a phone is never rung twice, whoever wants it.
local function reserve(agent)
  if cc.ask("callcenter_config agent set state_if_waiting " .. agent.name .. " Reserved"):sub(1, 3) ~= "+OK" then return false end
  held = agent.name
  return true
end

local function set(seat, key, value)
  cc.ask(string.format("callcenter_config agent set %s %s '%s'", key, seat, value))
end

local function release()
  if held then set(held, "state", "Waiting") end
  held = nil
end

-- The free lent seat that was not tried for this call: dedicated ones first, for callctl opens a slot for them also while the
-- shared ones cannot be spared; of alike ones who has rested longest; a shared one only while no own citizen waits.
local function choose()
  local own_seats, free = {}, {}
  for _, tier in ipairs(cc.rows("queue list tiers " .. own)) do own_seats[tier.agent] = true end
  local needed_here = cc.waiting() > 0
  -- The slot was open for the dedicated seat that was tried: callctl could perhaps not spare the shared ones.
  for seat in pairs(tried) do needed_here = needed_here or not own_seats[seat] end
  for _, agent in ipairs(cc.rows("queue list agents " .. support)) do
    local wanted = not (needed_here and own_seats[agent.name]) and not tried[agent.name]
    if wanted and cc.free(agent) then free[#free + 1] = agent end
  end
  local function since(agent) return math.max(tonumber(agent.last_bridge_end) or 0, tonumber(agent.ready_time) or 0) end
  table.sort(free, function(one, other)
    local shared, also = own_seats[one.name] or false, own_seats[other.name] or false
    if shared ~= also then return also end
    return since(one) < since(other)
  end)
  for _, agent in ipairs(free) do
    if reserve(agent) then
      -- An own citizen may have come while we chose; once reserved, the own queue would pass this seat over.
      if not (own_seats[agent.name] and cc.waiting() > 0) then return agent.name end
      release()
    end
  end
end

-- Ring one reserved seat; talk if it answers. Returns how the ring or the talk ended, and whether there was a talk.
local function ring(seat)
  local conf = freeswitch.getGlobalVariable("conf_dir")
  session:setVariable("execute_on_answer_1", "set cc_answered=${strepoch()}")
  session:setVariable("execute_on_answer_2", string.format("lua %s/scripts/answered.lua %s", conf, seat))
  cc.tell("lent-ringing", { Call = call, Home = home, Seat = seat })
  session:execute("bridge", string.format("[leg_timeout=%d,sip_h_X-CC-Waited=%d]user/%s@%s",
    cc.figure("support_ring_s"), os.time() - (tonumber(session:getVariable("cc_since")) or os.time()), seat,
    freeswitch.getGlobalVariable("domain")))
  if session:answered() then  -- Still true when the talk is over.
    -- Whichever leg went first: where it was the trunk's, the phone's says NORMAL_CLEARING whatever the reason.
    return session:ready() and session:getVariable("last_bridge_hangup_cause") or session:hangupCause(), true
  end
  return session:getVariable("originate_disposition") or "ORIGINATOR_CANCEL", false
end

-- Returns how our side of the leg shall end.
local function serve()
  if not cc.alive() then return "USER_BUSY" end
  if not cc.ask("callcenter_config queue list"):find("\n" .. support .. "|", 1, true) then return "403" end
  session:execute("limit", string.format("hash trunk %s %d !NORMAL_CIRCUIT_CONGESTION", home, cc.figure("channels_" .. home)))
  local rung_until, ended = os.time() + cc.figure("support_ring_s"), "USER_BUSY"
  while session:ready() and os.time() < rung_until do
    local seat = choose()
    if not seat then return ended end
    tried[seat] = true
    local cause, talked = ring(seat)
    if talked then set(seat, "ready_time", os.time() + cc.figure("wrapup_s")) end
    release()
    if talked then
      local since = tonumber(session:getVariable("cc_answered") or "") or os.time()
      cc.tell("lent-ended", { Call = call, Home = home, Seat = seat, Cause = cause, Talked = os.time() - since })
      -- A trunk's leg that is gone already keeps what answered.lua said: not the agent hung up.
      if session:ready() then session:setVariable("sip_reason", LOST[cause] and "Q.850;cause=44" or "Q.850;cause=16") end
      return LOST[cause] and "REQUESTED_CHAN_UNAVAIL" or "NORMAL_CLEARING"
    end
    -- Rejecting counts as not answering: callctl leaves the seat in peace for a while, else it would be rung again and again.
    local told = cause == "ORIGINATOR_CANCEL" and cause or "NO_ANSWER"
    cc.tell("lent-failed", { Call = call, Home = home, Seat = seat, Cause = told })
    if cause == "NO_ANSWER" then ended = "NO_ANSWER" end
  end
  return ended
end

local done, cause = pcall(serve)
release()  -- Whatever went wrong: a seat that stays reserved is rung by nobody.
if not done then
  freeswitch.consoleLog("err", "callctl seat.lua: " .. tostring(cause) .. "\n")
  cause = "NORMAL_TEMPORARY_FAILURE"
end
if cause == "403" then
  session:execute("respond", "403 Forbidden")
else
  session:hangup(cause)
end
