-- callctl: how a slot rings its city for the caller at the head of the queue, or why it cannot. The contact of every slot:
--   ${lua(${conf_dir}/scripts/slot.lua <city> ${cc_home} ${cc_since})}
-- What it writes is a dial string. mod_callcenter makes of a failure:
--   USER_BUSY, NORMAL_CIRCUIT_CONGESTION   nobody free there (486), trunk full: rest busy_delay_time, stay open
--   CALL_REJECTED                          403: rest reject_delay_time
--   anything else                          not usable: On Break after max_no_answer = 1 rings; callctl opens it again
local cc = dofile(freeswitch.getGlobalVariable("conf_dir") .. "/scripts/common.lua")
local city, home, since = argv[1] or "", argv[2] or "", tonumber(argv[3] or "") or os.time()
local channels = cc.figure("channels_" .. city)

local function refuse(cause) stream:write("error/" .. cause) end

if home ~= freeswitch.getGlobalVariable("city") then
  refuse("FACILITY_REJECTED")                  -- Hop guard: a call of another city never travels on.
elseif not cc.alive() then
  refuse("FACILITY_REJECTED")                  -- Dead man's switch.
elseif channels == 0 then
  refuse("DESTINATION_OUT_OF_ORDER")           -- No trunk there.
elseif (tonumber(cc.ask("limit_usage hash trunk " .. city)) or 0) >= channels then
  refuse("NORMAL_CIRCUIT_CONGESTION")
else
  stream:write(string.format(
    -- The look above is cheap; the leg's own `limit` is the one that counts.
    "[leg_timeout=%d,leg_progress_timeout=%d,media_timeout=%d,outbound_redirect_fatal=true,sip_h_X-CC-Waited=%d,"
      .. "limit_ignore_transfer=true,execute_on_originate='limit hash trunk %s %d !NORMAL_CIRCUIT_CONGESTION']sofia/gateway/trunk-%s/support",
    cc.figure("slot_ring_s"), cc.figure("slot_silence_s"), cc.figure("trunk_silence_ms"), os.time() - since,
    city, channels, city))
end
