/** The Redis twin of `sliding-window.ts`, with the key's epoch and the replay guard: one script, one round trip. */
import { HOUR_MS, MINUTE_MS } from './sliding-window.ts'

/** A ring outlives its hour window; its life is renewed when half of it is spent, so that most calls save the EXPIRE. */
export const RING_TTL_SECONDS = 7200
/** Losing an epoch costs one reload of the key record, because the next one is random. */
export const EPOCH_TTL_SECONDS = 30 * 86_400
/** Bytes before the first time: capacity, write position, count, second of the last EXPIRE; each u32, big-endian. */
export const RING_HEADER_BYTES = 16
/** Rings up to this many slots are read whole: one GET costs less than a GETRANGE per slot. */
const WHOLE_READ_SLOTS_MAX = 4096

export const ADMIT_SCRIPT = `--[[
admit: judges one request of one API key and spends it when it is admitted. Atomic. Uses the server's clock.

KEYS[1] epoch of the key's record; string; ${EPOCH_TTL_SECONDS} s, renewed with the ring
KEYS[2] ring of admitted times; string: header of ${RING_HEADER_BYTES} bytes (capacity, position, count, second of the last EXPIRE), then one
        u32 of unix ms modulo 2^32 per slot; ${RING_TTL_SECONDS} s, renewed when half is spent
KEYS[3] replay record of this request; string '1'; read and written only when ARGV[5] is there and not 0
ARGV[1] epoch under which the caller read the record; '' when it does not know
ARGV[2] random epoch, taken when the key has none
ARGV[3] limit of the minute window   ARGV[4] limit of the hour window
ARGV[5] seconds to remember the request; 0 or left out for one that may repeat
ARGV[6] 'read' to look at the windows only: the epoch and the replay record are then neither read nor written; else 'admit' or left out
ARGV[7] requests that the caller admitted alone, while this store was away: the age of each, u32 milliseconds, oldest first; '' or left
        out for none. They are counted before the request is judged, unless the answer is 'stale' or 'replayed'

Returns one of
{remaining, resetMs}                                  admitted: spent, and remembered when ARGV[5] is there and not 0
{'stale', epoch}                                      nothing spent, nothing remembered
{'replayed'}                                          nothing spent
{'refused', remaining, resetMs, retryAfterMs, window} nothing spent, nothing remembered; window is 'minute' or 'hour'
{'read', remaining, resetMs}                          nothing spent, nothing remembered
The usual answer is numbers alone, which its reader has as soon as they are parsed.

A changed limit keeps the ring's times, so it never hands out a fresh window. A larger one re-packs the ring; the ring never
shrinks while it lives, so that a limit lowered and raised again has forgotten nothing.
]]
local onlyRead = ARGV[6] == 'read'
local epoch = onlyRead and ARGV[1] or redis.call('GET', KEYS[1])
if not epoch then
  epoch = ARGV[2]
  redis.call('SET', KEYS[1], epoch, 'EX', ${EPOCH_TTL_SECONDS})
end
if epoch ~= ARGV[1] then return {'stale', epoch} end

local replayTtl = tonumber(ARGV[5] or 0)
if replayTtl > 0 and redis.call('EXISTS', KEYS[3]) == 1 then return {'replayed'} end

local perMinute, perHour = tonumber(ARGV[3]), tonumber(ARGV[4])
local capacity = math.max(perMinute, perHour)
local whole = capacity <= ${WHOLE_READ_SLOTS_MAX}
local time = redis.call('TIME')
local second = tonumber(time[1])
local clock = second * 1000 + math.floor(tonumber(time[2]) / 1000)
local now = clock % 4294967296

local ring
if whole then ring = redis.call('GET', KEYS[2]) or '' else ring = redis.call('GETRANGE', KEYS[2], 0, ${RING_HEADER_BYTES - 1}) end
local position, count, renewed = 0, 0, 0
if #ring >= ${RING_HEADER_BYTES} then
  local packed
  packed, position, count, renewed = struct.unpack('>I4I4I4I4', ring)
  if packed < capacity then
    local times = redis.call('GETRANGE', KEYS[2], ${RING_HEADER_BYTES}, -1)
    if count == packed then times = times:sub(position * 4 + 1) .. times:sub(1, position * 4) end
    position = count
    ring = struct.pack('>I4I4I4I4', capacity, position, count, renewed) .. times
    redis.call('SET', KEYS[2], ring, 'KEEPTTL')
  else
    capacity = packed
  end
end

local carried = ARGV[7] or ''
if #carried > 0 then
  local times = redis.call('GETRANGE', KEYS[2], ${RING_HEADER_BYTES}, -1)
  if count == capacity then times = times:sub(position * 4 + 1) .. times:sub(1, position * 4) else times = times:sub(1, count * 4) end
  local newest = count > 0 and struct.unpack('>I4', times, #times - 3) or nil
  local parts = {times}
  for at = 1, #carried, 4 do
    local came = (now - struct.unpack('>I4', carried, at)) % 4294967296
    -- Ages never fall along the ring: what came before its newest counts as being as young.
    if newest and (came - newest) % 4294967296 >= 2147483648 then came = newest end
    newest = came
    parts[#parts + 1] = struct.pack('>I4', came)
  end
  times = table.concat(parts):sub(-capacity * 4)
  count = #times / 4
  position, renewed = count % capacity, second
  ring = struct.pack('>I4I4I4I4', capacity, position, count, renewed) .. times
  redis.call('SET', KEYS[2], ring, 'EX', ${RING_TTL_SECONDS})
end

local function nthNewest (nth)
  local at = ${RING_HEADER_BYTES} + ((position - nth) % capacity) * 4
  if whole then return (struct.unpack('>I4', ring, at + 1)) end
  return (struct.unpack('>I4', redis.call('GETRANGE', KEYS[2], at, at + 3)))
end

-- A clock behind the newest time stands at it: a step back must not open the window.
local newestAge = ${MINUTE_MS}
if count > 0 then
  newestAge = (now - nthNewest(1)) % 4294967296
  if newestAge >= 2147483648 then
    clock = clock + 4294967296 - newestAge
    now = nthNewest(1)
    newestAge = 0
  end
end
local behind = clock - second * 1000 - math.floor(tonumber(time[2]) / 1000)

local function wait (limit, window)
  if count < limit then return 0 end
  return math.max(0, window - (now - nthNewest(limit)) % 4294967296)
end

local function left (limit, window)
  local low, high = 0, math.min(count, limit)
  while low < high do
    local middle = math.floor((low + high + 1) / 2)
    if (now - nthNewest(middle)) % 4294967296 < window then low = middle else high = middle - 1 end
  end
  return limit - low
end

local remaining = left(perMinute, ${MINUTE_MS})
-- All times of the ring are at most so many of the hour; unless that leaves less than the minute does, the hour need not be searched.
if perHour - count < remaining then remaining = math.min(remaining, left(perHour, ${HOUR_MS})) end
local reset = clock + math.max(0, ${MINUTE_MS} - newestAge)
if onlyRead then return {'read', remaining, reset} end
local minuteWait, hourWait = wait(perMinute, ${MINUTE_MS}), wait(perHour, ${HOUR_MS})
if minuteWait > 0 or hourWait > 0 then
  return {'refused', remaining, reset, math.max(minuteWait, hourWait) + behind, hourWait > minuteWait and 'hour' or 'minute'}
end

local renew = count == 0 or second < renewed or second - renewed >= ${RING_TTL_SECONDS / 2}
if renew then renewed = second end
-- The header first: SETRANGE would fill a gap with zeros, and zeros are times.
redis.call('SETRANGE', KEYS[2], 0, struct.pack('>I4I4I4I4', capacity, (position + 1) % capacity, math.min(count + 1, capacity), renewed))
redis.call('SETRANGE', KEYS[2], ${RING_HEADER_BYTES} + position * 4, struct.pack('>I4', now))
-- A string that grew has room to grow; one that is full will not, and is laid down anew, once, in the size it has.
if count + 1 == capacity then redis.call('SET', KEYS[2], redis.call('GET', KEYS[2]), 'KEEPTTL') end
if renew then
  redis.call('EXPIRE', KEYS[2], ${RING_TTL_SECONDS})
  redis.call('EXPIRE', KEYS[1], ${EPOCH_TTL_SECONDS})
end
if replayTtl > 0 then redis.call('SET', KEYS[3], '1', 'EX', replayTtl, 'NX') end
return {remaining - 1, clock + ${MINUTE_MS}}
`
