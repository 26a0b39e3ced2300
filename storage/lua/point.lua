-- KEYS[1] = the aliases; ARGV = pairs of "ranking/popular", 2. A name never goes back to an older version.
for place = 1, #ARGV, 2 do
  local current = redis.call('HGET', KEYS[1], ARGV[place])
  if not current or tonumber(current) < tonumber(ARGV[place + 1]) then
    redis.call('HSET', KEYS[1], ARGV[place], ARGV[place + 1])
  end
end
return 'OK'
