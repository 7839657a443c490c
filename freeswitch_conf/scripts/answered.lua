-- callctl: a lent seat's phone was answered (seat.lua).
local cc = dofile(freeswitch.getGlobalVariable("conf_dir") .. "/scripts/common.lua")
cc.tell("lent-answered", { Call = session:getVariable("cc_callid"), Home = session:getVariable("cc_home"), Seat = argv[1] })
