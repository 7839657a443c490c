-- callctl: a slot's leg has ended (slot.lua). Unanswered, and not because nobody was free or picked up: the slot goes On Break.
local cc = dofile(freeswitch.getGlobalVariable("conf_dir") .. "/scripts/common.lua")
local FINE = { USER_BUSY = true, NO_ANSWER = true, NO_USER_RESPONSE = true, NORMAL_CIRCUIT_CONGESTION = true,
  ORIGINATOR_CANCEL = true, LOSE_RACE = true, NORMAL_CLEARING = true }
local answered = session:getVariable("endpoint_disposition") == "ANSWER"
if not answered and not FINE[session:getVariable("hangup_cause") or ""] then cc.rest(argv[1]) end
