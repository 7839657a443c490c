-- callctl: a lent seat's phone was answered (seat.lua). From now on whatever ends the trunk's leg, but seat.lua itself, is a
-- lost leg (41) and no hang-up: this switch being stopped, somebody's uuid_kill, the home city's voice that stopped. The home
-- city brings its citizen back to the front.
local cc = dofile(freeswitch.getGlobalVariable("conf_dir") .. "/scripts/common.lua")
cc.tell("lent-answered", { Call = session:getVariable("cc_callid"), Home = session:getVariable("cc_home"), Seat = argv[1] })
session:setVariable("sip_reason", "Q.850;cause=41")
