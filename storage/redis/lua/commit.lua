-- ARGV[4] = the new position, ARGV[5] = the watermark or '', ARGV[6] = the numbers of the writes as MessagePack, from
-- ARGV[7] on their texts; both as writes.py lays them out.
-- In a shard of several KEYS[2] = the hash of the generation, KEYS[3] = the unit's list of what other shards are to write;
-- before the texts come three more: the positions of the other shards and what they are to write, or '' where this is
-- none of the state's business, and how many of that list are kept; 'look' = write nothing, only look.
--
-- Redis never rolls back, so all that could fail is looked at before the first write. If a write fails all the same,
-- the unit keeps its mark 'suspect', which is set first and taken away last.
--
-- All of Redis waits for this script, and a call costs more than what it does. So a row is read by one call and written
-- by one, texts go from ARGV into a call as they are, and what is prepared for all rows is one list.
local new, watermark, sharded = ARGV[4], ARGV[5], KEYS[2] ~= nil
local TEXTS = sharded and 10 or 7
local refused = refusal(new)
if refused then return refused end

local EXACT, NEAR, NEAR_SCORE = 2 ^ 53, 2 ^ 52, 1e307
local call, pcall, format = redis.call, redis.pcall, string.format
local writes = cmsgpack.unpack(ARGV[6])
local amounts = writes.amounts
local prepared, done, text, problem, near = {}, 0, TEXTS, nil, false

local function suspect(key, what)
  problem = problem or {'SUSPECT', key .. ' ' .. what}
end

local function refuse(key, item)
  problem = problem or {'REFUSED', key, item}
end

-- Visits rows in the order of ARGV. A row is the number of its storage and how many items follow its key in ARGV.
local function each(rows, texts_of_item, visit)
  for place = 1, #rows, 2 do
    local key, first = ARGV[text], text + 1
    text = first + texts_of_item * rows[place + 1]
    visit(key, first, text - 1, rows[place])
  end
end

local function must_be(kind)
  return function(key)
    local found = call('TYPE', key).ok
    if found ~= kind and found ~= 'none' then suspect(key, 'is a ' .. found .. ', not a ' .. kind) end
  end
end

-- The present values of a row's items. What a cluster has moved away meanwhile ends the script: nothing is written yet.
local function present(command, key, first, last)
  local found = pcall(command, key, unpack(ARGV, first, last))
  if found.err then
    if not string.find(found.err, 'WRONGTYPE', 1, true) then error(found.err) end
    suspect(key, 'is of another type')
  end
  return found
end

-- Redis writes numbers as it likes, 1.8e+12: integers are to be read back as such.
local function integer(number)
  return format('%.0f', number)
end

-- What is added is written as the sum, because one command takes many sums, but none takes many increments.
local function add_integers(key, first, last)
  local found = present('HMGET', key, first, last)
  for i = 1, #found do
    local item, by, old = ARGV[first + i - 1], amounts[done + i], tonumber(found[i] or 0)
    if not old then return suspect(key, 'holds no number at ' .. item) end
    local sum = old + by
    if sum > NEAR or sum < -NEAR or old > NEAR or old < -NEAR then
      near = true
      if old > EXACT or old < -EXACT or old > EXACT - by or old < -EXACT - by then return refuse(key, item) end
    end
    local at = 2 * (done + i)
    prepared[at - 1], prepared[at] = item, integer(sum)
  end
  done = done + #found
end

-- Scores are kept negated: see keys.py.
local function add_scores(key, first, last)
  local found = present('ZMSCORE', key, first, last)
  for i = 1, #found do
    local item, sum = ARGV[first + i - 1], (found[i] or 0) - amounts[done + i]
    if not (sum < NEAR_SCORE and sum > -NEAR_SCORE) then
      near = true
      local finite = sum - sum == 0
      if not finite then return refuse(key, item) end
    end
    local at = 2 * (done + i)
    prepared[at - 1], prepared[at] = sum, item
  end
  done = done + #found
end

-- Rows of one item each, which is the same for all: one text for a row, and calls of few arguments, which cost less.
local function each_count(visit)
  local counts = writes.counts or {}
  for place = 1, #counts, 2 do
    visit(counts[place], text, text + counts[place + 1] - 1)
    text = text + counts[place + 1]
  end
end

local counted = {}

local function add_counts(_, first, last)
  local texts, field = ARGV, writes.field
  for i = first, last do
    done = done + 1
    local key, by = texts[i], amounts[done]
    local found = pcall('HGET', key, field)
    if type(found) == 'table' then
      if not string.find(found.err, 'WRONGTYPE', 1, true) then error(found.err) end
      suspect(key, 'is of another type')
      found = nil
    end
    local old = tonumber(found or 0)
    if not old then return suspect(key, 'holds no number at ' .. field) end
    local sum = old + by
    if sum > NEAR or sum < -NEAR or old > NEAR or old < -NEAR then
      near = true
      if old > EXACT or old < -EXACT or old > EXACT - by or old < -EXACT - by then return refuse(key, field) end
    end
    counted[#counted + 1] = integer(sum)
  end
end

each(writes.puts, 2, must_be('hash'))
each(writes.ranks, 2, must_be('zset'))
each(writes.sums, 1, add_integers)
each(writes.scores, 1, add_scores)
each_count(add_counts)
local added = {[0] = 0}  -- records are of storage 0: their hash knows how many there are
for number, storage in ipairs(writes.storages) do
  must_be('hash')(storage.key)
  added[number] = 0
end
if problem then
  if problem[1] == 'SUSPECT' then call('HSET', unit, 'suspect', problem[2]) end
  return problem
end

if ARGV[9] == 'look' and sharded then return {'OK'} end

local function write(command)
  return function(key, first, last, storage)
    added[storage] = added[storage] + call(command, key, unpack(ARGV, first, last))
  end
end

local function write_prepared(command)
  return function(key, first, last, storage)
    local before = done
    done = done + 2 * (last - first + 1)
    added[storage] = added[storage] + call(command, key, unpack(prepared, before + 1, done))
  end
end

local function write_counts(storage, first, last)
  local texts, field, fresh = ARGV, writes.field, 0
  for i = first, last do
    done = done + 1
    fresh = fresh + call('HSET', texts[i], field, counted[done])
  end
  added[storage] = added[storage] + fresh
end

local function lift(key, field, value)
  local old = call('HGET', key, field)
  if not old or tonumber(old) < value then call('HSET', key, field, integer(value)) end
end

call('HSET', unit, 'suspect', 'a commit of ' .. unit .. ' to ' .. new .. ' was left half applied')
done, text = 0, TEXTS
each(writes.puts, 2, write('HSET'))
each(writes.ranks, 2, write('ZADD'))
each(writes.sums, 1, write_prepared('HSET'))
each(writes.scores, 1, write_prepared('ZADD'))
done = 0
each_count(write_counts)
for number, storage in ipairs(writes.storages) do
  if storage.bucket then lift(storage.key, 'bucket', storage.bucket) end
  if storage.at_ms then lift(storage.key, 'at', storage.at_ms) end
  call('HINCRBY', storage.key, 'rows', integer(added[number]))
end
if sharded and ARGV[7] ~= '' then
  local before = call('HMGET', unit, 'next', 'watermark')
  call('HSET', unit, 'positions', ARGV[7], 'before', before[1] or '', 'before_watermark', before[2] or '')
  call('RPUSH', KEYS[3], ARGV[8])
  call('LTRIM', KEYS[3], -ARGV[9], -1)
end
if watermark ~= '' then lift(unit, 'watermark', tonumber(watermark)) end
if sharded and near then call('HSET', KEYS[2], 'near', 1) end
local now = call('TIME')
call('HSET', unit, 'next', new, 'committed', integer(now[1] * 1000 + math.floor(now[2] / 1000)))
call('HDEL', unit, 'suspect')
return {'OK', sharded and call('HGET', KEYS[2], 'near')}
