-- KEYS = the hash of a generation, the set of its units; ARGV[1] = into how many shards it goes if it is new.
-- One that has units, and does not say, was made when there was only one.
local generation, units = KEYS[1], KEYS[2]
local shards = redis.call('HGET', generation, 'shards')
if not shards then
  shards = redis.call('SCARD', units) > 0 and '1' or ARGV[1]
  redis.call('HSET', generation, 'shards', shards)
end
return shards
