-- KEYS = the storages, the aliases; ARGV = "ranking/popular@2", its descriptor, "ranking/popular", 2.
-- Answers the descriptor that exists. The alias moves only when a version is created, and never back.
local storages, aliases = KEYS[1], KEYS[2]
local found = redis.call('HGET', storages, ARGV[1])
if found then return found end
local current = redis.call('HGET', aliases, ARGV[3])
redis.call('HSET', storages, ARGV[1], ARGV[2])
if not current or tonumber(current) < tonumber(ARGV[4]) then redis.call('HSET', aliases, ARGV[3], ARGV[4]) end
return ARGV[2]
