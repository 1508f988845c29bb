/**
 * Redis adapters of the shared ports, and the connection they use. Every command has a deadline and nothing is queued
 * while the server is away: a store that cannot answer rejects at once, and the layer that asked decides what that means.
 * No command is ever sent twice by the client, because an admission that was sent may have been spent.
 */
import { randomUUID } from 'node:crypto'
import { Redis, type Result } from 'ioredis'
import type { AdmissionRequest, AdmissionStore, AdmissionVerdict, SingleUseStore } from '../context.ts'
import { assertLimits } from '../lib/sliding-window.ts'
import { ADMIT_SCRIPT, EPOCH_TTL_SECONDS } from '../lib/sliding-window.lua.ts'
import { GIVE_BACK_SCRIPT, TAKE_SCRIPT } from '../lib/single-use-token.lua.ts'

const COMMAND_TIMEOUT_MS = 250
const CONNECT_TIMEOUT_MS = 1000
const RECONNECT_DELAY_MAX_MS = 2000
const CLOSE_TIMEOUT_MS = 1000

declare module 'ioredis' {
  interface RedisCommander<Context> {
    fbAdmit (epochKey: string, ringKey: string, replayKey: string, epoch: string, proposedEpoch: string, perMinute: number, perHour: number, replayTtlSeconds: number, mode: 'admit' | 'read'): Result<unknown, Context>
    fbTake (key: string): Result<unknown, Context>
    fbGiveBack (key: string): Result<unknown, Context>
  }
}

export interface RedisLogger {
  warn (fields: object, message: string): void
  info? (fields: object, message: string): void
}

export interface StoreOptions {
  /** First part of every key. Default `fb`. */
  readonly prefix?: string
}

/** Opens a connection that reconnects by itself. Losing and regaining the server are logged once each. */
export function connectRedis (url: string, options: { logger?: RedisLogger } = {}): Redis {
  const redis = new Redis(url, {
    enableAutoPipelining: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    commandTimeout: COMMAND_TIMEOUT_MS,
    connectTimeout: CONNECT_TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: (attempt) => Math.min(attempt * 100, RECONNECT_DELAY_MAX_MS) * (0.5 + Math.random() / 2),
    // After a failover the old primary answers READONLY; reconnecting finds the new one.
    reconnectOnError: (err) => err.message.startsWith('READONLY')
  })
  let isAway = false
  redis.on('error', (err: NodeJS.ErrnoException) => {
    if (isAway) return
    isAway = true
    options.logger?.warn({ code: err.code ?? err.name, reason: err.message }, 'Redis is away')
  })
  redis.on('ready', () => {
    if (isAway) options.logger?.info?.({}, 'Redis is back')
    isAway = false
  })
  defineScripts(redis)
  return redis
}

/** Resolves to whether the connection became ready within the deadline. Commands sent earlier are rejected, not queued. */
export async function whenReady (redis: Redis, deadlineMs = CONNECT_TIMEOUT_MS): Promise<boolean> {
  if (redis.status === 'ready') return true
  return await new Promise((resolve) => {
    const settle = (isReady: boolean) => {
      clearTimeout(timer)
      redis.off('ready', onReady)
      redis.off('end', onEnd)
      resolve(isReady)
    }
    const onReady = () => settle(true)
    const onEnd = () => settle(false)
    const timer = setTimeout(onEnd, deadlineMs)
    redis.once('ready', onReady)
    redis.once('end', onEnd)
  })
}

/** Lets sent commands finish, then closes; a server that does not answer is left after a second. */
export async function closeRedis (redis: Redis): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<void>((resolve) => { timer = setTimeout(resolve, CLOSE_TIMEOUT_MS) })
  // A refused QUIT means that there is nothing left to say goodbye to.
  await Promise.race([redis.quit().then(() => undefined, () => undefined), deadline])
  clearTimeout(timer)
  redis.disconnect()
}

export interface RedisHealth {
  readonly pingMs: number
  /** What the server does when its memory is full; `unknown` where it does not say. Anything but `noeviction` loses windows and tokens. */
  readonly memoryPolicy: string
  /** False when records may be evicted. True for `unknown`. */
  readonly isSafe: boolean
}

/** Asks the server how it is. Rejects when it is away. INFO, unlike CONFIG, is open on managed services. */
export async function redisHealth (redis: Redis): Promise<RedisHealth> {
  const startedMs = performance.now()
  await redis.ping()
  const pingMs = performance.now() - startedMs
  const report = await redis.info('memory').catch(() => '')
  const memoryPolicy = /^maxmemory_policy:(\S+)/m.exec(report)?.[1] ?? 'unknown'
  return { pingMs, memoryPolicy, isSafe: memoryPolicy === 'noeviction' || memoryPolicy === 'unknown' }
}

/** Windows, replay records and epochs in Redis. All keys of one API key share a hash tag, so that a cluster keeps them together. */
export function redisAdmissionStore (redis: Redis, options: StoreOptions = {}): AdmissionStore {
  const prefix = options.prefix ?? 'fb'
  const keyOf = (keyId: string, part: string) => `${prefix}:{${keyId}}:${part}`
  defineScripts(redis)
  return {
    async admit (request) {
      assertLimits(request)
      const replayTtlSeconds = request.replayId === null ? 0 : Math.max(1, Math.ceil(request.replayTtlSeconds))
      const reply = await redis.fbAdmit(
        keyOf(request.keyId, 'e'), keyOf(request.keyId, 'w'), keyOf(request.keyId, `r:${request.replayId ?? ''}`),
        request.epoch, randomUUID(), request.perMinute, request.perHour, replayTtlSeconds, 'admit'
      )
      return readVerdict(reply, request)
    },
    async readWindow ({ keyId, perMinute, perHour }) {
      assertLimits({ perMinute, perHour })
      const reply = await redis.fbAdmit(keyOf(keyId, 'e'), keyOf(keyId, 'w'), keyOf(keyId, 'r:'), '', '', perMinute, perHour, 0, 'read')
      const [outcome, remaining, resetAtMs]: unknown[] = Array.isArray(reply) ? reply : []
      if (outcome !== 'read' || typeof remaining !== 'number' || typeof resetAtMs !== 'number') throw new Error('Redis answered the window script with something else than a window')
      return { limit: perMinute, remaining, resetAtMs }
    },
    async readEpoch (keyId) {
      const proposed = randomUUID()
      return await redis.set(keyOf(keyId, 'e'), proposed, 'EX', EPOCH_TTL_SECONDS, 'NX', 'GET') ?? proposed
    },
    async bumpEpoch (keyId) {
      await redis.set(keyOf(keyId, 'e'), randomUUID(), 'EX', EPOCH_TTL_SECONDS)
    }
  }
}

/** Single use of tokens in Redis. An id that was issued once is never made fresh again by a second `issue`. */
export function redisSingleUseStore (redis: Redis, options: StoreOptions = {}): SingleUseStore {
  const prefix = options.prefix ?? 'fb'
  const keyOf = (id: string) => `${prefix}:t:${id}`
  defineScripts(redis)
  return {
    async issue (id, ttlSeconds) {
      await redis.set(keyOf(id), 'issued', 'EX', Math.max(1, Math.ceil(ttlSeconds)), 'NX')
    },
    async take (id) {
      const state = await redis.fbTake(keyOf(id))
      if (state === 'taken' || state === 'used' || state === 'unknown') return state
      throw new Error('Redis answered the take script with something else than a state')
    },
    async giveBack (id) {
      await redis.fbGiveBack(keyOf(id))
    }
  }
}

const scripted = new WeakSet<Redis>()

/** Once per connection; ioredis sends EVALSHA and loads the script again when the server has lost it. */
function defineScripts (redis: Redis): void {
  if (scripted.has(redis)) return
  scripted.add(redis)
  redis.defineCommand('fbAdmit', { lua: ADMIT_SCRIPT, numberOfKeys: 3 })
  redis.defineCommand('fbTake', { lua: TAKE_SCRIPT, numberOfKeys: 1 })
  redis.defineCommand('fbGiveBack', { lua: GIVE_BACK_SCRIPT, numberOfKeys: 1 })
}

function readVerdict (reply: unknown, request: AdmissionRequest): AdmissionVerdict {
  const [outcome, first, resetMs, retryAfterMs, blocked]: unknown[] = Array.isArray(reply) ? reply : []
  if (outcome === 'replayed') return { outcome }
  if (outcome === 'stale' && typeof first === 'string') return { outcome, epoch: first }
  if (typeof first === 'number' && typeof resetMs === 'number') {
    const window = { limit: request.perMinute, remaining: first, resetAtMs: resetMs }
    if (outcome === 'admitted') return { outcome, window }
    if (outcome === 'refused' && typeof retryAfterMs === 'number') return { outcome, blocked: blocked === 'hour' ? 'hour' : 'minute', retryAfterMs, window }
  }
  throw new Error('Redis answered the admission script with something else than a verdict')
}
