/** How the Redis servers are set up, as far as the service depends on it, and how they are. INFO, unlike CONFIG, is open on managed services. */
import { Cluster, type Redis } from 'ioredis'
import type { RedisClient } from './redis-connection.ts'

export interface RedisHealth {
  readonly pingMs: number
  /** What the server does when its memory is full; `unknown` where it does not say. Anything but `noeviction` loses windows and tokens. */
  readonly memoryPolicy: string
  /** What a restart keeps: `aof` all but about a second, `rdb` what the last snapshot held, `none` nothing; `unknown` where it does not say. */
  readonly persistence: 'aof' | 'rdb' | 'none' | 'unknown'
  /** False when records may be evicted. True for `unknown`. */
  readonly isSafe: boolean
}

const PERSISTENCE_WORST_FIRST = ['none', 'unknown', 'rdb', 'aof'] as const

/** Asks every server that takes writes, and tells the worst of each. Rejects when one is away. */
export async function redisHealth (redis: RedisClient): Promise<RedisHealth> {
  const startedMs = performance.now()
  const servers = redis instanceof Cluster ? redis.nodes('master') : [redis]
  if (servers.length === 0) throw new Error('no node of the cluster is known')
  await Promise.all(servers.map((server) => server.ping()))
  const pingMs = performance.now() - startedMs
  const policies = await Promise.all(servers.map(policyOf))
  const kept = await Promise.all(servers.map(persistenceOf))
  const memoryPolicy = policies.find((policy) => !isSafe(policy)) ?? policies.find((policy) => policy === 'unknown') ?? 'noeviction'
  return { pingMs, memoryPolicy, persistence: PERSISTENCE_WORST_FIRST.find((one) => kept.includes(one)) ?? 'unknown', isSafe: isSafe(memoryPolicy) }
}

function isSafe (policy: string): boolean {
  return policy === 'noeviction' || policy === 'unknown'
}

async function policyOf (server: Redis): Promise<string> {
  const report = await server.info('memory').catch(() => '')
  return /^maxmemory_policy:(\S+)/m.exec(report)?.[1] ?? 'unknown'
}

async function persistenceOf (server: Redis): Promise<RedisHealth['persistence']> {
  const report = await server.info('persistence').catch(() => '')
  const aof = /^aof_enabled:([01])/m.exec(report)?.[1]
  if (aof === '1') return 'aof'
  if (aof === undefined) return 'unknown'
  // Whether snapshots are taken by themselves stands only in the configuration, which may be closed.
  const save = await server.config('GET', 'save').catch(() => null)
  if (!Array.isArray(save)) return 'unknown'
  return save[1] === '' ? 'none' : 'rdb'
}
