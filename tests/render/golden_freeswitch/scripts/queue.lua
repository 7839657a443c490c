-- callctl: where a caller who just arrived goes. Asked by the dialplan: ${lua(queue.lua room)} or ${lua(queue.lua offer)}.
--   room    "full" where max_waiting citizens wait already, else "notice"
--   offer   "queue" where an own agent is free, else "offer": a call-back is offered only to those who will wait
local cc = dofile(freeswitch.getGlobalVariable("conf_dir") .. "/scripts/common.lua")

if argv[1] == "room" then
  local most = cc.figure("max_waiting")
  stream:write(most > 0 and cc.waiting() >= most and "full" or "notice")
else
  local answer = "offer"
  for _, agent in ipairs(cc.rows("queue list agents " .. freeswitch.getGlobalVariable("queue"))) do
    if agent.name:match("^%d+$") and cc.free(agent) then answer = "queue" end
  end
  stream:write(answer)
end
