-- Put before the scripts that a unit's owner runs.
-- KEYS[1] = the unit's hash; ARGV[1], ARGV[2] = epoch and owner of the claim; ARGV[3] = the expected position, '' = none.
local unit = KEYS[1]

-- Why the caller must not go on; nil when it may.
local function refusal(new)
  local epoch, owner, position, suspect = unpack(redis.call('HMGET', unit, 'epoch', 'owner', 'next', 'suspect'))
  if epoch ~= ARGV[1] or owner ~= ARGV[2] then return {'FENCED'} end
  if suspect then return {'SUSPECT', suspect} end
  if new and position == new then return {'ALREADY'} end
  if (position or '') ~= ARGV[3] then return {'GAP'} end
end

