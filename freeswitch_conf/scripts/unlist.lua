-- callctl: strike off a caller whom mod_callcenter lists though the call is gone. callctl's link asks for it by
--   expand lua ${conf_dir}/scripts/unlist.lua <session>
-- mod_callcenter has no command for that, and would list him, and ring for him, until it is loaded anew. Nothing happens to
-- a call that is still there.
local cc = dofile(freeswitch.getGlobalVariable("conf_dir") .. "/scripts/common.lua")
local gone = argv[1] or ""
if not gone:match("^%x+%-%x+%-%x+%-%x+%-%x+$") or cc.ask("uuid_exists " .. gone):match("true") then
  stream:write("-ERR that call is there\n")
  return
end
local books = freeswitch.Dbh("callcenter")  -- mod_callcenter's own database, by its default name.
if not books:connected() then
  stream:write("-ERR no database\n")
  return
end
books:query("DELETE FROM members WHERE session_uuid = '" .. gone .. "'")
stream:write(books:affected_rows() > 0 and "+OK\n" or "-ERR nobody listed\n")
books:release()
