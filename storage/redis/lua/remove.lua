-- KEYS[1] = the unit's hash; ARGV[1], ARGV[2] = epoch and owner of the claim, '' = rows of a load, which nobody writes;
-- ARGV[3] = a list of {key, hash of the rows that were put, row of sums or scores, what is known of its storage, items},
-- as MessagePack; without items the whole row goes. A commit counts what it adds, and so is counted what goes.
if ARGV[1] ~= '' then
  local epoch, owner = unpack(redis.call('HMGET', KEYS[1], 'epoch', 'owner'))
  if epoch ~= ARGV[1] or owner ~= ARGV[2] then return {'FENCED'} end
end
for _, part in ipairs(cmsgpack.unpack(ARGV[3])) do
  local key, records, row, storage, items = part[1], part[2], part[3], part[4], part[5]
  local hash, went = redis.call('TYPE', row).ok == 'hash', 0
  if #items == 0 then
    if redis.call('TYPE', records).ok == 'hash' then redis.call('HDEL', records, key) end
    went = redis.call('EXISTS', row) == 1 and redis.call(hash and 'HLEN' or 'ZCARD', row) or 0
    redis.call('UNLINK', row)
  end
  for _, item in ipairs(items) do
    if redis.call('EXISTS', row) == 1 then went = went + redis.call(hash and 'HDEL' or 'ZREM', row, item) end
  end
  if went > 0 and redis.call('HGET', storage, 'rows') then redis.call('HINCRBY', storage, 'rows', -went) end
end
return {'OK'}
