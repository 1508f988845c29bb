/**
 * The kill switch's second store: Redis, which every instance polls beside PostgreSQL and which takes a switch while PostgreSQL
 * is away. All keys share one hash tag, so that a cluster keeps them together; one script is one round trip and one clock.
 */
import { parseKillEvent } from '../lib/kill-state.ts'
import { ADOPT_KILL_SCRIPT, BEAT_SCRIPT, INSTANCE_REMEMBERED_MS, INSTANCES_SCRIPT, READ_KILL_SCRIPT } from '../lib/kill-switch.lua.ts'
import { instanceKey, parseInstanceReport, type DeferringKillStore, type InstanceSeen } from './kill-store.ts'
import type { RedisClient } from './redis.ts'

const COMPLETE = '#complete'

/** Rejects when the server is away, like every adapter of Redis. */
export function redisKillStore (redis: RedisClient, options: { prefix?: string } = {}): DeferringKillStore {
  const keyOf = (part: string): string => `${options.prefix ?? 'fb'}:{kill}:${part}`
  return {
    name: 'Redis',
    async read () {
      const [nowMs, state, deferred] = listOf(await redis.eval(READ_KILL_SCRIPT, 2, keyOf('state'), keyOf('deferred')))
      const fields = pairsOf(state)
      return {
        nowMs: Number(nowMs),
        isComplete: fields.some(([field]) => field === COMPLETE),
        events: fields.filter(([field]) => field !== COMPLETE).map(([, json]) => parseKillEvent(JSON.parse(json))),
        deferred: pairsOf(deferred).map(([, json]) => parseKillEvent(JSON.parse(json)))
      }
    },
    async adopt (events, { isComplete = false } = {}) {
      const changes = events.filter(({ kind }) => kind !== 'drill')
      if (changes.length === 0 && !isComplete) return
      await redis.eval(ADOPT_KILL_SCRIPT, 1, keyOf('state'), isComplete ? '1' : '0', ...changes.flatMap((event) => [event.target, event.version, event.kind, JSON.stringify(event)]))
    },
    async defer (events) {
      await redis.hset(keyOf('deferred'), ...events.flatMap((event) => [event.id, JSON.stringify(event)]))
    },
    async settle (ids) {
      await redis.hdel(keyOf('deferred'), ...ids)
    },
    async beat (report) {
      await redis.eval(BEAT_SCRIPT, 1, keyOf('instances'), instanceKey(report), JSON.stringify(report), INSTANCE_REMEMBERED_MS)
    },
    async leave (report) {
      await redis.hdel(keyOf('instances'), instanceKey(report))
    },
    async instances () {
      const [nowMs, ...heard] = listOf(await redis.eval(INSTANCES_SCRIPT, 1, keyOf('instances')))
      return pairsOf(heard).map(([, json]): InstanceSeen => {
        const { seenMs, report } = JSON.parse(json) as { seenMs: number, report: unknown }
        return { ...parseInstanceReport(report), silentMs: Math.max(0, Number(nowMs) - seenMs) }
      })
    }
  }
}

function listOf (reply: unknown): unknown[] {
  if (!Array.isArray(reply)) throw new Error('Redis answered a kill switch script with something else than a list')
  return reply
}

function pairsOf (reply: unknown): Array<[string, string]> {
  const list = listOf(reply)
  const pairs: Array<[string, string]> = []
  for (let at = 0; at < list.length; at += 2) pairs.push([String(list[at]), String(list[at + 1])])
  return pairs
}
