/**
 * Redis adapters of the shared ports. A store that cannot answer rejects at once, and the layer that asked decides what that means.
 * What a connection said before it ended is not relied on afterwards: the server that answers next may be another one, or hold
 * an older copy.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import type { AdmissionStore, AdmissionVerdict, SingleUseStore } from '../context.ts'
import { assertLimits } from '../lib/sliding-window.ts'
import { EPOCH_TTL_SECONDS } from '../lib/sliding-window.lua.ts'
import { CircuitOpenError } from './circuit.ts'
import { onConnectionEnd, type RedisClient } from './redis-connection.ts'
import { defineScripts, runAdmitScript } from './redis-scripts.ts'
import { undoLater } from './redis-undo.ts'

/** Older than both windows, and far from where a u32 clock would take it for a step back. */
const AGE_MS_MAX = 2 ** 30

export { closeRedis, connectRedis, whenReady, type RedisClient, type RedisLogger } from './redis-connection.ts'
export { redisHealth, type RedisHealth } from './redis-health.ts'

/** Does work that concerns a key, or refuses to: a circuit. */
export type Guard = <T> (key: string, work: () => Promise<T>) => Promise<T>

export interface StoreOptions {
  /** First part of every key. Default `fb`. */
  readonly prefix?: string
  /** Stands before every command. Default none: a command that fails has had its deadline. */
  readonly guard?: Guard
}

/** An epoch is never one that was there before: this process's own random text, and a number. */
const PROCESS_EPOCH = `${randomUUID()}.`
let epochsMade = 0

function newEpoch (): string {
  return PROCESS_EPOCH + String(epochsMade++)
}

const NONE: readonly number[] = []

const unguarded: Guard = (_key, work) => work()

/**
 * Windows, replay records and epochs in Redis. All keys of one API key share a hash tag, so that a cluster keeps them together.
 * An epoch that is handed out carries the number of the connection that told it: a failover may take the last change of an epoch back,
 * so every record that was read under an earlier connection is stale.
 */
export function redisAdmissionStore (redis: RedisClient, options: StoreOptions = {}): AdmissionStore {
  const { prefix = 'fb', guard = unguarded } = options
  const open = `${prefix}:{`
  const epochKeyOf = (keyId: string) => `${open}${keyId}}:e`
  const windowKeyOf = (keyId: string) => `${open}${keyId}}:w`
  let connections = 0
  /** Stands before every epoch that this connection told. */
  let stamp = '0.'
  onConnectionEnd(redis, () => { stamp = `${++connections}.` })
  const unstamped = (epoch: string) => epoch.startsWith(stamp) ? epoch.slice(stamp.length) : ''
  return {
    admit (request) {
      try {
        assertLimits(request)
      } catch (err) {
        return Promise.reject(err)
      }
      const { keyId, replayId, perMinute, perHour, admittedAloneMs = NONE } = request
      const askedOn = stamp
      const epochKey = epochKeyOf(keyId)
      const keys = [epochKey, windowKeyOf(keyId)]
      const args = [unstamped(request.epoch), newEpoch(), String(perMinute), String(perHour)]
      // What is left out need not be written, sent and read.
      if (replayId !== null) {
        keys.push(`${open}${keyId}}:r:${replayId}`)
        args.push(String(Math.max(1, Math.ceil(request.replayTtlSeconds))))
      }
      let ages: Buffer | undefined
      if (admittedAloneMs.length > 0) {
        args.push(...replayId === null ? ['0', 'admit'] : ['admit'])
        ages = agesOf(admittedAloneMs)
      }
      return guard(epochKey, () => runAdmitScript(redis, keys, args, ages)).then((reply) => {
        const verdict = readVerdict(reply, perMinute)
        return verdict.outcome === 'stale' ? { outcome: 'stale', epoch: askedOn + verdict.epoch } : verdict
      })
    },
    async readWindow ({ keyId, perMinute, perHour }) {
      assertLimits({ perMinute, perHour })
      const epochKey = epochKeyOf(keyId)
      const reply = await guard(epochKey, () => runAdmitScript(redis, [epochKey, windowKeyOf(keyId)], ['', '', String(perMinute), String(perHour), '0', 'read']))
      const [outcome, remaining, resetAtMs]: unknown[] = Array.isArray(reply) ? reply : []
      if (outcome !== 'read' || typeof remaining !== 'number' || typeof resetAtMs !== 'number') throw new Error('Redis answered the window script with something else than a window')
      return { limit: perMinute, remaining, resetAtMs }
    },
    async readEpoch (keyId) {
      const proposed = newEpoch()
      const askedOn = stamp
      const epochKey = epochKeyOf(keyId)
      const epoch = await guard(epochKey, () => redis.set(epochKey, proposed, 'EX', EPOCH_TTL_SECONDS, 'NX', 'GET')) ?? proposed
      return askedOn + epoch
    },
    async bumpEpoch (keyId) {
      const epochKey = epochKeyOf(keyId)
      await guard(epochKey, () => redis.set(epochKey, newEpoch(), 'EX', EPOCH_TTL_SECONDS))
    }
  }
}

/**
 * Single use of tokens in Redis. An id that was issued once is never made fresh again by a second `issue`. A take whose answer did
 * not come may have been done, or be done once the server is heard again; it is undone in the background, for that one attempt only.
 */
export function redisSingleUseStore (redis: RedisClient, options: StoreOptions = {}): SingleUseStore {
  const { prefix = 'fb', guard = unguarded } = options
  const keyOf = (id: string) => `${prefix}:t:${id}`
  defineScripts(redis)
  const undoer = undoLater((key, taker) => redis.fbGiveBack(key, taker))
  // This listener's commands stand in the new connection before any other's.
  redis.on('ready', () => undoer.flush())
  return {
    async issue (id, ttlSeconds) {
      await guard(keyOf(id), () => redis.set(keyOf(id), 'issued', 'EX', Math.max(1, Math.ceil(ttlSeconds)), 'NX'))
    },
    async take (id) {
      const key = keyOf(id)
      const taker = randomBytes(8).toString('hex')
      let state: unknown
      try {
        state = await guard(key, () => redis.fbTake(key, taker))
      } catch (err) {
        if (mayHaveBeenDone(err)) undoer.add(key, taker)
        throw err
      }
      if (state === 'taken' || state === 'used' || state === 'unknown') return state
      throw new Error('Redis answered the take script with something else than a state')
    },
    async giveBack (id) {
      await guard(keyOf(id), () => redis.fbGiveBack(keyOf(id), ''))
    }
  }
}

/** The ages of these times, u32 milliseconds, big-endian: the server has a clock of its own. */
function agesOf (timesMs: readonly number[]): Buffer {
  const nowMs = Date.now()
  const bytes = Buffer.alloc(4 * timesMs.length)
  timesMs.forEach((atMs, at) => bytes.writeUInt32BE(Math.min(Math.max(0, nowMs - atMs), AGE_MS_MAX), 4 * at))
  return bytes
}

/** False when nothing was sent, or the server itself said no. */
function mayHaveBeenDone (err: unknown): boolean {
  return !(err instanceof CircuitOpenError) && !(err instanceof Error && err.name === 'ReplyError')
}

function readVerdict (reply: unknown, limit: number): AdmissionVerdict {
  // By their places: taking an array apart walks it by its iterator, which costs as much as the rest of this.
  const parts: readonly unknown[] = Array.isArray(reply) ? reply : []
  const outcome = parts[0]
  const first = parts[1]
  const resetMs = parts[2]
  const retryAfterMs = parts[3]
  if (typeof outcome === 'number' && typeof first === 'number') return { outcome: 'admitted', window: { limit, remaining: outcome, resetAtMs: first } }
  if (outcome === 'replayed') return { outcome }
  if (outcome === 'stale' && typeof first === 'string') return { outcome, epoch: first }
  if (outcome === 'refused' && typeof first === 'number' && typeof resetMs === 'number' && typeof retryAfterMs === 'number') {
    return { outcome, blocked: parts[4] === 'hour' ? 'hour' : 'minute', retryAfterMs, window: { limit, remaining: first, resetAtMs: resetMs } }
  }
  throw new Error('Redis answered the admission script with something else than a verdict')
}
