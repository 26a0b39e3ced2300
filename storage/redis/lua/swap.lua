-- KEYS = hashes; ARGV = fours of a hash's number, a field, what it must hold ('' = nothing) and what it is to hold
-- ('' = nothing). All of it changes, or none: answers 1 or 0.
-- What is there is removed before it is written anew: a full Redis refuses a script's first write if it may need room,
-- and none after one that needs none. So a version can be marked and forgotten there; a new one cannot be declared.
for place = 1, #ARGV, 4 do
  local found = redis.call('HGET', KEYS[tonumber(ARGV[place])], ARGV[place + 1])
  if (found or '') ~= ARGV[place + 2] then return 0 end
end
for place = 1, #ARGV, 4 do
  local key, field, value = KEYS[tonumber(ARGV[place])], ARGV[place + 1], ARGV[place + 3]
  if ARGV[place + 2] ~= '' then redis.call('HDEL', key, field) end
  if value ~= '' then redis.call('HSET', key, field, value) end
end
return 1
