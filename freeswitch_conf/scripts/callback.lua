-- callctl: the citizen asked to be called back: let a loopback call wait in his stead, with his number, id and place.
-- cc_stand_in tells the dialplan whether it does: without it he must not be let go.
local names = { "cc_callid", "cc_num", "cc_since", "cc_home", "cc_front", "cc_lost", "presence_data",
  "sip_h_X-CC-CallId", "sip_h_X-CC-Home", "sip_h_X-CC-Caller", "sip_h_X-CC-T0" }
local vars = { "loopback_bowout=false", "loopback_bowout_on_execute=false", "ignore_early_media=true" }
for _, name in ipairs(names) do vars[#vars + 1] = name .. "=" .. (session:getVariable(name) or "") end
-- The variables of the half that is originated are copied to the other half, where the queue is.
vars[#vars + 1] = "loopback_export='" .. table.concat(names, ",") .. "'"
-- `callback-waits` answers first of all, so this is back at once.
local said = freeswitch.API():executeString(
  "originate {" .. table.concat(vars, ",") .. ",originate_timeout=5}loopback/callback-waits/hotline/XML &park()") or ""
session:setVariable("cc_stand_in", said:sub(1, 3) == "+OK" and "waits" or "none")
