/** The single use of result tokens in Redis. States of a record: absent → issued ⇄ used → absent (its life ends). */

export const TAKE_SCRIPT = `--[[
take: uses a token. Exactly one of any number of concurrent callers is told 'taken'.
KEYS[1] record of the token; string 'issued' or 'used:' and who used it; its remaining life is kept
ARGV[1] who takes it: a random text of this one attempt
Returns 'taken' (was issued, is used now), 'used' (was used), 'unknown' (never issued, expired or lost)
]]
local state = redis.call('GET', KEYS[1])
if not state then return 'unknown' end
if state ~= 'issued' then return 'used' end
redis.call('SET', KEYS[1], 'used:' .. ARGV[1], 'KEEPTTL')
return 'taken'
`

export const GIVE_BACK_SCRIPT = `--[[
giveBack: undoes a take. Never makes a record that is not there.
KEYS[1] record of the token; string 'issued' or 'used:' and who used it; its remaining life is kept
ARGV[1] whose take is undone; '' for whoever it was
Returns 1 when a use was given back, else 0
]]
local state = redis.call('GET', KEYS[1])
if not state or state:sub(1, 4) ~= 'used' then return 0 end
if ARGV[1] ~= '' and state ~= 'used:' .. ARGV[1] then return 0 end
redis.call('SET', KEYS[1], 'issued', 'KEEPTTL')
return 1
`
