/** The kill switch in Redis: its state, the events that PostgreSQL has not got yet, and the instances that were heard of. */

/** How long an instance that is not heard of any more is remembered, milliseconds. */
export const INSTANCE_REMEMBERED_MS = 3_600_000

export const READ_KILL_SCRIPT = `--[[
readKill: the whole state at one time of one clock.
KEYS[1] state; hash of target to its newest event as JSON; field '#complete' once everything that PostgreSQL knew was written here
KEYS[2] deferred; hash of event id to event as JSON, for events that PostgreSQL has not got yet
Returns { now in Unix milliseconds, state as field, value, …, deferred as field, value, … }
]]
local time = redis.call('TIME')
return { time[1] * 1000 + math.floor(time[2] / 1000), redis.call('HGETALL', KEYS[1]), redis.call('HGETALL', KEYS[2]) }
`

export const ADOPT_KILL_SCRIPT = `--[[
adoptKill: takes events into the state, newest per target; of two with one version the one that is on.
KEYS[1] state, as in readKill
ARGV[1] '1' when these events, with what is here, are everything that PostgreSQL knows; else '0'
ARGV[2…] target, version, 'on' or 'off', event as JSON; four for each event
Returns how many were taken
]]
local taken = 0
for i = 2, #ARGV, 4 do
  local before = redis.call('HGET', KEYS[1], ARGV[i])
  local isNewer = true
  if before then
    local known = cjson.decode(before)
    local version = tonumber(ARGV[i + 1])
    isNewer = version > known.version or (version == known.version and ARGV[i + 2] == 'on' and known.kind ~= 'on')
  end
  if isNewer then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 3])
    taken = taken + 1
  end
end
if ARGV[1] == '1' then redis.call('HSET', KEYS[1], '#complete', '1') end
return taken
`

export const BEAT_SCRIPT = `--[[
beat: keeps that an instance was heard of, by the clock of this server, and forgets those that were not for long.
KEYS[1] instances; hash of instance to { seenMs, report } as JSON
ARGV[1] instance
ARGV[2] its report as JSON
ARGV[3] how long an instance is remembered, milliseconds
Returns 1
]]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local heard = redis.call('HGETALL', KEYS[1])
for i = 1, #heard, 2 do
  if now - cjson.decode(heard[i + 1]).seenMs > tonumber(ARGV[3]) then redis.call('HDEL', KEYS[1], heard[i]) end
end
redis.call('HSET', KEYS[1], ARGV[1], '{"seenMs":' .. string.format('%.0f', now) .. ',"report":' .. ARGV[2] .. '}')
return 1
`

export const INSTANCES_SCRIPT = `--[[
instances: who was heard of, and the clock to judge it by.
KEYS[1] instances, as in beat
Returns { now in Unix milliseconds, field, value, … }
]]
local time = redis.call('TIME')
local answer = redis.call('HGETALL', KEYS[1])
table.insert(answer, 1, time[1] * 1000 + math.floor(time[2] / 1000))
return answer
`
