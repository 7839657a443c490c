-- callctl: say.lua <prompt> <tone>: play a recorded prompt, or the tone where the city has not recorded it.
local cc = dofile(freeswitch.getGlobalVariable("conf_dir") .. "/scripts/common.lua")
session:streamFile(cc.sound(argv[1], argv[2]))
