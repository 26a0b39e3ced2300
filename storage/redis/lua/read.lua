-- ARGV[4] = a list of {hash, fields}; answers the fields' values, list by list.
local refused = refusal()
if refused then return refused end
local found = {}
for number, part in ipairs(cmsgpack.unpack(ARGV[4])) do
  found[number] = redis.call('HMGET', part[1], unpack(part[2]))
end
return {'OK', found}
