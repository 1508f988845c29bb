/**
 * The windows against an exact log. Each decision is judged by the exact count of what was really admitted before it: admitted although
 * a window was full is over-admitted, refused although both had room is wrongly refused. Both are judged, the window of the process
 * and the script that Redis runs; the script gets its time from the caller, in place of Redis' clock, and nothing else is changed.
 */
import type { Redis } from 'ioredis'
import { ADMIT_SCRIPT } from '../../plugins/lib/sliding-window.lua.ts'
import { HOUR_MS, MINUTE_MS, SlidingWindow, type WindowLimits } from '../../plugins/lib/sliding-window.ts'
import { PATTERNS } from './traces.ts'

export const LIMITS: WindowLimits = { perMinute: 60, perHour: 1000 }
const CLOCK_OF_REDIS = "redis.call('TIME')"
const CLOCK_OF_CALLER = '{ARGV[8], ARGV[9]}'
const START_MS = Date.UTC(2026, 0, 1, 0, 7, 11)
const PIPELINE = 1000

export interface Accuracy {
  readonly pattern: string
  /** `process` or `Redis`. */
  readonly where: string
  readonly requests: number
  readonly admitted: number
  readonly overAdmitted: number
  readonly wronglyRefused: number
  /** The most that was admitted in any true 60 s and in any true 3600 s. */
  readonly worstMinute: number
  readonly worstHour: number
}

/** Every pattern, over `hours` each, in this process. */
export function judgeProcess (hours: number, seed: number): Accuracy[] {
  return PATTERNS.map(({ name, arrivals }) => {
    const window = new SlidingWindow(LIMITS)
    const times = arrivals(START_MS, hours, seed)
    return judge(name, 'process', times, times.map((at) => window.admit(at).outcome === 'admitted'))
  })
}

/** Every pattern, over `hours` each, by the script in Redis. Keys stand under `prefix`; they are removed. */
export async function judgeScript (redis: Redis, prefix: string, hours: number, seed: number): Promise<Accuracy[]> {
  const sha = await redis.script('LOAD', withCallersClock(ADMIT_SCRIPT)) as string
  const rows: Accuracy[] = []
  for (const { name, arrivals } of PATTERNS) {
    const times = arrivals(START_MS, hours, seed)
    const keys = [`${prefix}:{judged}:e`, `${prefix}:{judged}:w`, `${prefix}:{judged}:r:`]
    await redis.del(...keys)
    await redis.set(keys[0] ?? '', 'epoch')
    rows.push(judge(name, 'Redis', times, await decisions(redis, sha, keys, times)))
    await redis.del(...keys)
  }
  return rows
}

/** Throws when the script no longer asks for the time in the one place that is replaced. */
function withCallersClock (script: string): string {
  const parts = script.split(CLOCK_OF_REDIS)
  if (parts.length !== 2) throw new Error(`the admission script asks for ${CLOCK_OF_REDIS} ${parts.length - 1} times, not once: its clock cannot be replaced`)
  return parts.join(CLOCK_OF_CALLER)
}

async function decisions (redis: Redis, sha: string, keys: readonly string[], times: readonly number[]): Promise<boolean[]> {
  const verdicts: boolean[] = []
  for (let from = 0; from < times.length; from += PIPELINE) {
    const pipeline = redis.pipeline()
    for (const at of times.slice(from, from + PIPELINE)) {
      pipeline.evalsha(sha, 3, ...keys, 'epoch', 'other', LIMITS.perMinute, LIMITS.perHour, 0, 'admit', '', Math.floor(at / 1000), at % 1000 * 1000)
    }
    for (const [err, reply] of await pipeline.exec() ?? []) {
      if (err !== null) throw err
      const [outcome]: unknown[] = Array.isArray(reply) ? reply : []
      if (typeof outcome !== 'number' && outcome !== 'refused') throw new Error(`the script answered ${String(outcome)}, not admitted or refused`)
      verdicts.push(outcome !== 'refused')
    }
  }
  return verdicts
}

/** What the decisions were worth, by the exact log of what they admitted. `times` never fall. */
export function judge (pattern: string, where: string, times: readonly number[], admitted: readonly boolean[]): Accuracy {
  const log: number[] = []
  let [minuteFrom, hourFrom, overAdmitted, wronglyRefused, worstMinute, worstHour] = [0, 0, 0, 0, 0, 0]
  times.forEach((at, n) => {
    while (at - (log[minuteFrom] ?? at) >= MINUTE_MS) minuteFrom++
    while (at - (log[hourFrom] ?? at) >= HOUR_MS) hourFrom++
    const hasRoom = log.length - minuteFrom < LIMITS.perMinute && log.length - hourFrom < LIMITS.perHour
    if (admitted[n] === true) {
      if (!hasRoom) overAdmitted++
      log.push(at)
      worstMinute = Math.max(worstMinute, log.length - minuteFrom)
      worstHour = Math.max(worstHour, log.length - hourFrom)
    } else if (hasRoom) {
      wronglyRefused++
    }
  })
  return { pattern, where, requests: times.length, admitted: log.length, overAdmitted, wronglyRefused, worstMinute, worstHour }
}
