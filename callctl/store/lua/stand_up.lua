-- KEYS[6]: sitting, KEYS[7]: who sat where when. ARGV: seat key, at in ms.
if redis.call('HDEL', KEYS[6], ARGV[1]) == 1 then
  remember_sitter(KEYS[7], ARGV[1], ARGV[2], '-')
end
return ''
