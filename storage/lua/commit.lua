-- ARGV[4] = the new position, ARGV[5] = the watermark or '', ARGV[6] = the writes as redis_writes.py packs them, from
-- ARGV[7] on the records.
--
-- Redis never rolls back, so all that could fail is looked at before the first write. If a write fails all the same,
-- the unit keeps its mark 'suspect', which is set first and taken away last.
local new, watermark, RECORDS = ARGV[4], ARGV[5], 7
local refused = refusal(new)
if refused then return refused end

local STORAGE, KEY, ITEMS, VALUES = 1, 2, 3, 4
local BUCKET, AT = 3, 4
local EXACT = 2 ^ 53
local writes = cmsgpack.unpack(ARGV[6])
local problem

local function suspect(row, what)
  problem = problem or {'SUSPECT', row[KEY] .. ' ' .. what}
end

local function refuse(row, item)
  problem = problem or {'REFUSED', row[KEY], item}
end

local function check(rows, kind)
  for _, row in ipairs(rows) do
    local found = redis.call('TYPE', row[KEY]).ok
    if found ~= kind and found ~= 'none' then suspect(row, 'is a ' .. found .. ', not a ' .. kind) end
  end
end

-- Redis writes numbers as it likes, 1.8e+12: integers are to be read back as such.
local function integer(number)
  return string.format('%.0f', number)
end

-- The present values of a row's items.
local function present(command, row)
  local found = redis.pcall(command, row[KEY], unpack(row[ITEMS]))
  if found.err then suspect(row, 'is of another type') end
  return found
end

-- What a command is to write, for each row: its arguments after the key.
-- What is added is written as the sum, because one command takes many sums, but none takes many increments.
-- Scores are kept negated: see redis_keys.py.
local function put(row)
  local arguments = {}
  for i, item in ipairs(row[ITEMS]) do
    arguments[2 * i - 1], arguments[2 * i] = item, ARGV[RECORDS + row[VALUES][i]]
  end
  return arguments
end

local function rank(row)
  local arguments = {}
  for i, item in ipairs(row[ITEMS]) do
    arguments[2 * i - 1], arguments[2 * i] = -row[VALUES][i], item
  end
  return arguments
end

local function add_integers(row)
  local found, arguments = present('HMGET', row), {}
  for i, item in ipairs(row[ITEMS]) do
    local old = tonumber(found[i] or '0')
    if not old then return suspect(row, 'holds no number at ' .. item) end
    local amount = row[VALUES][i]
    if math.abs(old) > EXACT or old > EXACT - amount or old < -EXACT - amount then return refuse(row, item) end
    arguments[2 * i - 1], arguments[2 * i] = item, integer(old + amount)
  end
  return arguments
end

local function add_scores(row)
  local found, arguments = present('ZMSCORE', row), {}
  for i, item in ipairs(row[ITEMS]) do
    local sum = tonumber(found[i] or '0') - row[VALUES][i]
    local finite = sum - sum == 0
    if not finite then return refuse(row, item) end
    arguments[2 * i - 1], arguments[2 * i] = sum, item
  end
  return arguments
end

local function prepare(rows, arguments_of)
  for _, row in ipairs(rows) do row.arguments = arguments_of(row) end
end

local added = {}

local function write(command, rows)
  for _, row in ipairs(rows) do
    local new_items = redis.call(command, row[KEY], unpack(row.arguments))
    added[row[STORAGE]] = (added[row[STORAGE]] or 0) + new_items
  end
end

local function lift(key, field, value)
  local old = redis.call('HGET', key, field)
  if not old or tonumber(old) < value then redis.call('HSET', key, field, integer(value)) end
end

check(writes.storages, 'hash')
check(writes.puts, 'hash')
check(writes.ranks, 'zset')
prepare(writes.puts, put)
prepare(writes.ranks, rank)
prepare(writes.sums, add_integers)
prepare(writes.scores, add_scores)
if problem then
  if problem[1] == 'SUSPECT' then redis.call('HSET', unit, 'suspect', problem[2]) end
  return problem
end

redis.call('HSET', unit, 'suspect', 'a commit of ' .. unit .. ' to ' .. new .. ' was left half applied')
write('HSET', writes.puts)
write('HSET', writes.sums)
write('ZADD', writes.scores)
write('ZADD', writes.ranks)
for number, storage in ipairs(writes.storages) do
  if storage[BUCKET] then lift(storage[KEY], 'bucket', storage[BUCKET]) end
  if storage[AT] then lift(storage[KEY], 'at', storage[AT]) end
  redis.call('HINCRBY', storage[KEY], 'rows', integer(added[number] or 0))
end
if watermark ~= '' then lift(unit, 'watermark', tonumber(watermark)) end
local now = redis.call('TIME')
redis.call('HSET', unit, 'next', new, 'committed', integer(now[1] * 1000 + math.floor(now[2] / 1000)))
redis.call('HDEL', unit, 'suspect')
return {'OK'}
