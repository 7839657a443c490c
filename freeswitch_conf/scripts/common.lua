-- callctl: what the other scripts use.  local cc = dofile(freeswitch.getGlobalVariable("conf_dir") .. "/scripts/common.lua")
local cc = {}
local api = freeswitch.API()

-- A figure of vars.xml; 0 where it is not set.
function cc.figure(name)
  return tonumber(freeswitch.getGlobalVariable(name) or "") or 0
end

function cc.ask(command)
  return api:executeString(command) or ""
end

-- Dead man's switch: whether callctl's last heartbeat, on this switch's own clock, is young enough.
function cc.alive()
  local age = os.time() - cc.figure("callctl_heartbeat")
  return math.abs(age) < cc.figure("heartbeat_stale_s")
end

-- A slot that cannot be used rings no more until callctl opens it again.
function cc.rest(slot)
  if slot:match("^%l+%-%d+$") then cc.ask("callcenter_config agent set status " .. slot .. " 'On Break'") end
end

-- The rows of a mod_callcenter list ("name|…|…", one a line, the first line names the columns), as tables by column.
function cc.rows(command)
  local names, rows = nil, {}
  for line in cc.ask("callcenter_config " .. command):gmatch("[^\r\n]+") do
    local fields = {}
    for field in (line .. "|"):gmatch("(.-)|") do fields[#fields + 1] = field end
    if line:sub(1, 3) == "+OK" or line:sub(1, 4) == "-ERR" then
      break
    elseif not names then
      names = fields
    else
      local row = {}
      for column, name in ipairs(names) do row[name] = fields[column] or "" end
      rows[#rows + 1] = row
    end
  end
  return rows
end

-- Citizens who wait in the home queue and talk to nobody.
function cc.waiting()
  local waiting = 0
  for _, member in ipairs(cc.rows("queue list members " .. freeswitch.getGlobalVariable("queue"))) do
    if member.state == "Waiting" or member.state == "Trying" then waiting = waiting + 1 end
  end
  return waiting
end

-- Whether mod_callcenter would ring this agent now: ready, on no call, rested.
function cc.free(agent)
  local now = os.time()
  return agent.status == "Available" and agent.state == "Waiting"
    and (tonumber(agent.ready_time) or 0) <= now
    and (tonumber(agent.last_bridge_end) or 0) + (tonumber(agent.wrap_up_time) or 0) < now
end

-- Tell callctl something that mod_callcenter does not say, and the log too. Values come from our own variables, cleaned before.
function cc.tell(action, headers)
  local event, words = freeswitch.Event("CUSTOM", "callctl::info"), {}
  event:addHeader("Callctl-Action", action)
  for name, value in pairs(headers) do
    event:addHeader("Callctl-" .. name, tostring(value))
    words[#words + 1] = name .. "=" .. tostring(value)
  end
  event:fire()
  table.sort(words)
  freeswitch.consoleLog("notice", "callctl " .. action .. " " .. table.concat(words, " ") .. "\n")
end

-- The sound file of a prompt, or the tone where the city has not recorded it. `name` is below sounds/, without ".wav".
function cc.sound(name, tone)
  local path = name:sub(1, 1) == "/" and name or freeswitch.getGlobalVariable("sounds_dir") .. "/" .. name
  local file = io.open(path .. ".wav", "rb")
  if file then
    file:close()
    return path .. ".wav"
  end
  return "tone_stream://" .. tone
end

return cc
