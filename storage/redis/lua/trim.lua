-- KEYS = a row of sums or scores, what is known of its storage. Removes the row, and counts its items no more; answers
-- how many they were. A commit adds items and counts them in one step too, so that none is counted twice or never.
local count = redis.call('TYPE', KEYS[1]).ok == 'hash' and 'HLEN' or 'ZCARD'
local items = redis.call(count, KEYS[1])
if items == 0 then return 0 end
redis.call('UNLINK', KEYS[1])
if redis.call('HGET', KEYS[2], 'rows') then redis.call('HINCRBY', KEYS[2], 'rows', -items) end
return items
