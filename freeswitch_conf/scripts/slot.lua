-- callctl: how a slot rings its city for the caller at the head of the queue, or why it cannot. The contact of every slot:
--   ${lua(${conf_dir}/scripts/slot.lua <city> <nn> ${cc_home} ${cc_since})}
-- What it writes is a dial string. A refusal ends in one of two ways:
--   busy, nobody picked up, trunk full   the city is fine but has nobody now: mod_callcenter rests the slot for two seconds
--   anything else                        the city is not usable: the slot goes On Break, here or in slot_ended.lua. One attempt
--                                        a slot, no storm, also when callctl is dead; callctl opens it again
local cc = dofile(freeswitch.getGlobalVariable("conf_dir") .. "/scripts/common.lua")
local city, number, home, since = argv[1] or "", argv[2] or "", argv[3] or "", tonumber(argv[4] or "") or os.time()
local slot, channels = city .. "-" .. number, cc.figure("channels_" .. city)

local function unusable(cause)
  cc.rest(slot)
  stream:write("error/" .. cause)
end

if home ~= freeswitch.getGlobalVariable("city") then
  unusable("FACILITY_REJECTED")                -- Hop guard: a call of another city never travels on.
elseif not cc.alive() then
  unusable("FACILITY_REJECTED")                -- Dead man's switch.
elseif channels == 0 then
  unusable("DESTINATION_OUT_OF_ORDER")         -- No trunk there.
elseif cc.ask("sofia status gateway trunk-" .. city):match("Status%s+DOWN") then
  unusable("GATEWAY_DOWN")
elseif (tonumber(cc.ask("limit_usage hash trunk " .. city)) or 0) >= channels then
  stream:write("error/NORMAL_CIRCUIT_CONGESTION")
else
  stream:write(string.format(
    "[leg_timeout=%d,leg_progress_timeout=%d,media_timeout=%d,bridge_generate_comfort_noise=-1,"
      .. "outbound_redirect_fatal=true,sip_h_X-CC-Waited=%d,"
      .. "session_in_hangup_hook=true,api_hangup_hook='lua %s/scripts/slot_ended.lua %s',"
      -- The look above is cheap; the leg's own `limit` is the one that counts.
      .. "limit_ignore_transfer=true,execute_on_originate='limit hash trunk %s %d !NORMAL_CIRCUIT_CONGESTION']"
      .. "sofia/gateway/trunk-%s/support",
    cc.figure("slot_ring_s"), cc.figure("slot_silence_s"), cc.figure("trunk_silence_ms"), os.time() - since,
    freeswitch.getGlobalVariable("conf_dir"), slot, city, channels, city))
end
