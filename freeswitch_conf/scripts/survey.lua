-- callctl: the citizen scores the call, 1 (bad) to 5 (good). Another key is no score: asked once more, then let go.
local cc = dofile(freeswitch.getGlobalVariable("conf_dir") .. "/scripts/common.lua")
local question = cc.sound("callctl/survey", "%(400,0,440)")
for _ = 1, 2 do
  local key = session:playAndGetDigits(1, 1, 1, 8000, "", question, "", "\\d|\\*|#")
  if key == "" then return end
  if key:match("^[1-5]$") then
    cc.tell("survey", { Call = session:getVariable("cc_callid"), Score = key })
    session:streamFile(cc.sound("callctl/thanks", "%(200,0,440)"))
    return
  end
end
