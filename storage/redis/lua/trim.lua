-- KEYS = a row of scores, what is known of its storage. Removes the row, and counts its members no more; answers how
-- many they were. A commit adds members and counts them in one step too, so that none is counted twice or never.
local members = redis.call('ZCARD', KEYS[1])
if members == 0 then return 0 end
redis.call('UNLINK', KEYS[1])
if redis.call('HGET', KEYS[2], 'rows') then redis.call('HINCRBY', KEYS[2], 'rows', -members) end
return members
