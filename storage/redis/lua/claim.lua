-- KEYS = the unit's hash, the set of the generation's units, and in a shard of several its hash of the generation;
-- ARGV = the new owner, the unit's name in that set. Answers the epoch, the position, and whether a sum is near its limit.
local unit, units = KEYS[1], KEYS[2]
local position, suspect = unpack(redis.call('HMGET', unit, 'next', 'suspect'))
if suspect then return {'SUSPECT', suspect} end
redis.call('SADD', units, ARGV[2])
local epoch = redis.call('HINCRBY', unit, 'epoch', 1)
redis.call('HSET', unit, 'owner', ARGV[1])
return {'OK', epoch, position, KEYS[3] and redis.call('HGET', KEYS[3], 'near')}
