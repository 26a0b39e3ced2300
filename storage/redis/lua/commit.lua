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
-- by one, texts go from ARGV into a call as they are, and what is prepared for all rows is one list. A count is not even
-- read: it is added to, what came out is looked at, and all counts are taken back if one of them may not be so.
local new, watermark, sharded = ARGV[4], ARGV[5], KEYS[2] ~= nil
local TEXTS = sharded and 10 or 7
local refused = refusal(new)
if refused then return refused end

local EXACT, NEAR, NEAR_SCORE = 2 ^ 53, 2 ^ 52, 1e307
local call, pcall, format = redis.call, redis.pcall, string.format
local writes = cmsgpack.unpack(ARGV[6])
local amounts = writes.amounts
local prepared, done, text, problem, near = {}, 0, TEXTS, nil, false
local summed, falls = {}, {}  -- by storage: whether integers are added to it, and whether one of them is not above 0

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
local function add_integers(key, first, last, storage)
  summed[storage] = true
  local found = present('HMGET', key, first, last)
  for i = 1, #found do
    local item, by, old = ARGV[first + i - 1], amounts[done + i], tonumber(found[i] or 0)
    if by <= 0 then falls[storage] = true end
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

each(writes.puts, 2, must_be('hash'))
each(writes.ranks, 2, must_be('zset'))
each(writes.sums, 1, add_integers)
each(writes.scores, 1, add_scores)
local before_counts, counts_at = done, text
each_count(function(storage, first, last)
  summed[storage] = true
  for i = done + 1, done + last - first + 1 do
    if amounts[i] <= 0 then falls[storage] = true end
  end
  done = done + last - first + 1
end)
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

local function lift(key, field, value)
  local old = call('HGET', key, field)
  if not old or tonumber(old) < value then call('HSET', key, field, integer(value)) end
end

-- Whether every sum of a storage is above 0: then one that is what was just added was not there before.
local rising, rises = {}, {}
for number, storage in ipairs(writes.storages) do
  if summed[number] then
    local rows, known = unpack(call('HMGET', storage.key, 'rows', 'rising'))
    rises[number] = not falls[number] and not rows
    rising[number] = not falls[number] and known or rises[number]
  end
end

local told, new_counts = {}, {}

local function count(storage, first, last)
  local texts, field, at_once, fresh = ARGV, writes.field, rising[storage], 0
  for i = first, last do
    local key, by = texts[i], amounts[done + 1]
    local by_text = told[by]
    if not by_text then
      by_text = integer(by)
      told[by] = by_text
    end
    local tells = at_once and by < NEAR  -- what is larger may be rounded
    local there = not tells and pcall('HEXISTS', key, field)
    local sum = type(there) == 'table' and there or pcall('HINCRBY', key, field, by_text)
    if type(sum) == 'table' then
      if string.find(sum.err, 'WRONGTYPE', 1, true) then return suspect(key, 'is of another type') end
      if string.find(sum.err, 'not an integer', 1, true) then return suspect(key, 'holds no number at ' .. field) end
      if string.find(sum.err, 'overflow', 1, true) then return refuse(key, field) end
      problem = sum
      return
    end
    done = done + 1
    if there == 0 or (tells and sum == by) then
      fresh = fresh + 1
      new_counts[done] = true
    end
    if sum > NEAR or sum < -NEAR or sum - by > NEAR or sum - by < -NEAR then
      near = true
      local text = call('HGET', key, field)  -- as a number 2^53 + 1 would be 2^53
      if sum > EXACT or sum < -EXACT or integer(sum) ~= text or sum - by > EXACT or sum - by < -EXACT then
        return refuse(key, field)
      end
    end
  end
  added[storage] = added[storage] + fresh
end

-- A count that was not there is none again.
local function take_counts_back()
  local last = done
  done, text = before_counts, counts_at
  each_count(function(_, first, to)
    for i = first, to do
      if done == last then return end
      done = done + 1
      if new_counts[done] then call('HDEL', ARGV[i], writes.field)
      else call('HINCRBY', ARGV[i], writes.field, integer(0 - amounts[done])) end
    end
  end)
end

call('HSET', unit, 'suspect', 'a commit of ' .. unit .. ' to ' .. new .. ' was left half applied')
done, text = before_counts, counts_at
each_count(function(...)
  if not problem then count(...) end
end)
if problem then
  take_counts_back()
  call('HDEL', unit, 'suspect')
  if problem.err then error(problem.err) end
  if problem[1] == 'SUSPECT' then call('HSET', unit, 'suspect', problem[2]) end
  return problem
end
done, text = 0, TEXTS
each(writes.puts, 2, write('HSET'))
each(writes.ranks, 2, write('ZADD'))
each(writes.sums, 1, write_prepared('HSET'))
each(writes.scores, 1, write_prepared('ZADD'))
for number, storage in ipairs(writes.storages) do
  if storage.bucket then lift(storage.key, 'bucket', storage.bucket) end
  if storage.at_ms then lift(storage.key, 'at', storage.at_ms) end
  call('HINCRBY', storage.key, 'rows', integer(added[number]))
  if rises[number] then call('HSET', storage.key, 'rising', 1) end
  if falls[number] then call('HDEL', storage.key, 'rising') end
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
