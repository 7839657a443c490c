-- callctl: a seat whose phone is not registered is Logged Out, and Available again when the phone is back. Called by lua.conf.xml.
local cc = dofile(freeswitch.getGlobalVariable("conf_dir") .. "/scripts/common.lua")
local domain = freeswitch.getGlobalVariable("domain")

local function set(seat, status)
  cc.ask(string.format("callcenter_config agent set status %s '%s'", seat, status))
end

local function look(agent)
  local there = not cc.ask("sofia_contact city/" .. agent.name .. "@" .. domain):match("^error/")
  if there and agent.status == "Logged Out" then set(agent.name, "Available") end
  if not there and agent.status == "Available" then set(agent.name, "Logged Out") end
end

local user = event:getHeader("from-user") or event:getHeader("user") or ""
if event:getHeader("Event-Name") == "HEARTBEAT" then
  for _, agent in ipairs(cc.rows("agent list")) do
    if agent.name:match("^%d+$") then look(agent) end
  end
elseif user:match("^%d+$") then
  for _, agent in ipairs(cc.rows("agent list " .. user)) do
    if event:getHeader("Event-Subclass") == "sofia::register" then
      look(agent)
    elseif agent.status == "Available" then
      set(agent.name, "Logged Out")  -- It is still listed while it goes.
    end
  end
end
