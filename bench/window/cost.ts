/**
 * What a call of the admission script costs Redis, by Redis' own count of microseconds, beside a script that does nothing and beside a log in a
 * sorted set, which is just as exact; and what a full key costs in memory. Rounds are interleaved, medians are told.
 */
import type { Redis } from 'ioredis'
import { ADMIT_SCRIPT, RING_HEADER_BYTES } from '../../plugins/lib/sliding-window.lua.ts'
import { HOUR_MS } from '../../plugins/lib/sliding-window.ts'
import { median, shuffled } from '../load/statistics.ts'
import { LIMITS } from './accuracy.ts'

const KEYS = 50
const CALLS_PER_KEY = 10
const STATES = { 'near empty': 5, 'near full': 940, refused: LIMITS.perHour } as const
/** Seeded times reach back this far: the oldest is still in the hour when the round ends. */
const SPREAD_MS = HOUR_MS * 0.95

export type State = keyof typeof STATES

export interface Cost { readonly script: string, readonly state: State, readonly microsPerCall: number, readonly timesTrivial: number }

interface Candidate {
  readonly name: string
  readonly text: string
  /** Puts a key of the name into a state: admitted at these times, unix milliseconds, oldest first. */
  readonly seed: (pipeline: ReturnType<Redis['pipeline']>, key: string, times: readonly number[]) => void
  /** What a key must have before its first request. */
  readonly prepare: (pipeline: ReturnType<Redis['pipeline']>, key: string) => void
  readonly args: (key: string, nth: number) => Array<string | number>
  /** What a full key keeps. */
  readonly parts: (key: string) => string[]
}

/** As long as a real one. */
const EPOCH = '00000000-0000-4000-8000-000000000000.zz'
const TRIVIAL_SCRIPT = 'return 1'

/** KEYS[1] sorted set of admitted times. ARGV: limit of the minute, limit of the hour, a member that no other request has. 1 or 0. */
const LOG_SCRIPT = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 3600000)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
if redis.call('ZCOUNT', KEYS[1], '(' .. (now - 60000), '+inf') >= tonumber(ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], now, now .. ':' .. ARGV[3])
redis.call('PEXPIRE', KEYS[1], 3600000)
return 1
`

const RING: Candidate = {
  name: 'admission script',
  text: ADMIT_SCRIPT,
  prepare (pipeline, key) { pipeline.set(`${key}:e`, EPOCH) },
  seed (pipeline, key, times) {
    pipeline.set(`${key}:e`, EPOCH)
    pipeline.set(`${key}:w`, ringOf(times), 'EX', 7200)
  },
  args: (key) => [2, `${key}:e`, `${key}:w`, EPOCH, 'another epoch', LIMITS.perMinute, LIMITS.perHour],
  parts: (key) => [`${key}:w`, `${key}:e`]
}
const CANDIDATES: readonly Candidate[] = [
  { name: 'script that does nothing', text: TRIVIAL_SCRIPT, prepare () {}, seed () {}, args: (key) => [1, key], parts: () => [] },
  RING,
  {
    ...RING,
    name: 'admission script, remembering a POST',
    args: (key, nth) => [3, `${key}:e`, `${key}:w`, `${key}:r:${nth}`, EPOCH, 'another epoch', LIMITS.perMinute, LIMITS.perHour, 600],
    parts: () => []
  },
  {
    name: 'log in a sorted set',
    text: LOG_SCRIPT,
    prepare () {},
    seed (pipeline, key, times) { pipeline.zadd(key, ...times.flatMap((at, n) => [at, `${at}:${n.toString(16).padStart(8, '0')}`])) },
    args: (key, nth) => [1, key, LIMITS.perMinute, LIMITS.perHour, nth.toString(16).padStart(8, '0')],
    parts: (key) => [key]
  }
]

/** Costs in every state. Resets the server's command statistics: it must be a server of the caller's own. */
export async function measureCosts (redis: Redis, prefix: string, rounds: number, random: () => number, say: (line: string) => void): Promise<Cost[]> {
  const plans = CANDIDATES.flatMap((candidate) => (Object.keys(STATES) as State[]).map((state) => ({ candidate, state, seen: [] as number[] })))
  for (let round = 0; round < rounds; round++) {
    say(`cost: round ${round + 1} of ${rounds}`)
    for (const { candidate, state, seen } of shuffled(plans, random)) seen.push(await measureOnce(redis, `${prefix}:${round}`, candidate, state))
  }
  const costs = plans.map(({ candidate, state, seen }) => ({ script: candidate.name, state, microsPerCall: median(seen) }))
  const trivial = median(costs.filter(({ script }) => script === CANDIDATES[0]?.name).map(({ microsPerCall }) => microsPerCall))
  return costs.map((cost) => ({ ...cost, timesTrivial: cost.microsPerCall / trivial }))
}

async function measureOnce (redis: Redis, prefix: string, candidate: Candidate, state: State): Promise<number> {
  const keys = Array.from({ length: KEYS }, (_, n) => `${prefix}:{${n}}`)
  const sha = await redis.script('LOAD', candidate.text) as string
  const seeding = redis.pipeline()
  for (const key of keys) candidate.seed(seeding, key, spread(STATES[state]))
  await exec(seeding)
  await redis.config('RESETSTAT')
  const calls = redis.pipeline()
  for (let nth = 0; nth < CALLS_PER_KEY; nth++) for (const key of keys) calls.evalsha(sha, ...candidate.args(key, nth) as [number, ...string[]])
  await exec(calls)
  const micros = Number(/^cmdstat_evalsha:.*usec_per_call=([\d.]+)/m.exec(await redis.info('commandstats'))?.[1])
  await removeAll(redis, prefix)
  return micros
}

/** Bytes of a key whose hour is full, filled by the script itself, one request after the other: everything that Redis keeps of it. */
export async function bytesPerFullKey (redis: Redis, prefix: string): Promise<Array<{ script: string, bytes: number }>> {
  const found: Array<{ script: string, bytes: number }> = []
  for (const candidate of CANDIDATES) {
    const key = `${prefix}:{full}`
    const parts = candidate.parts(key)
    if (parts.length === 0) continue
    const sha = await redis.script('LOAD', candidate.text) as string
    const seeding = redis.pipeline()
    candidate.prepare(seeding, key)
    await exec(seeding)
    const filling = redis.pipeline()
    for (let nth = 0; nth < LIMITS.perHour; nth++) filling.evalsha(sha, ...candidate.args(key, nth).map((value) => value === LIMITS.perMinute ? LIMITS.perHour : value) as [number, ...string[]])
    await exec(filling)
    const sizes = await Promise.all(parts.map((part) => redis.memory('USAGE', part, 'SAMPLES', 0)))
    found.push({ script: candidate.name, bytes: sizes.reduce<number>((sum, size) => sum + Number(size ?? 0), 0) })
    await removeAll(redis, prefix)
  }
  return found
}

function ringOf (times: readonly number[]): Buffer {
  const ring = Buffer.alloc(RING_HEADER_BYTES + 4 * times.length)
  const header = [LIMITS.perHour, times.length % LIMITS.perHour, times.length, Math.floor(Date.now() / 1000)]
  ;[...header, ...times.map((at) => at % 2 ** 32)].forEach((value, at) => ring.writeUInt32BE(value, 4 * at))
  return ring
}

/** Times over the last hour, evenly, so that the minute has room. */
function spread (count: number): number[] {
  const nowMs = Date.now()
  return Array.from({ length: count }, (_, n) => Math.floor(nowMs - SPREAD_MS * (count - n) / count))
}

async function exec (pipeline: ReturnType<Redis['pipeline']>): Promise<void> {
  for (const [err] of await pipeline.exec() ?? []) if (err !== null) throw err
}

async function removeAll (redis: Redis, prefix: string): Promise<void> {
  for await (const keys of redis.scanStream({ match: `${prefix}:*`, count: 1000 })) if (keys.length > 0) await redis.unlink(...keys as string[])
}
