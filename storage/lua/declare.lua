-- KEYS = the storages, the aliases; ARGV = "ranking/popular@2", its descriptor, "ranking/popular", 2.
-- Answers the descriptor that exists. A name that points nowhere points to it from now on.
local storages, aliases = KEYS[1], KEYS[2]
local found = redis.call('HGET', storages, ARGV[1])
if found then return found end
redis.call('HSET', storages, ARGV[1], ARGV[2])
redis.call('HSETNX', aliases, ARGV[3], ARGV[4])
return ARGV[2]
