/** Opens what windows, replay records, epochs and result tokens are kept in: Redis behind circuits, or this process's memory. */
import { ConfigError, type Config } from '../config.ts'
import type { AdmissionStore, SingleUseStore } from '../plugins/context.ts'
import { memoryAdmissionStore, memorySingleUseStore } from '../plugins/support/memory.ts'
import type { Metrics } from '../plugins/support/metrics.ts'
import { redisCircuits, type RedisCircuits } from '../plugins/support/redis-circuits.ts'
import { connectRedis, redisAdmissionStore, redisHealth, redisSingleUseStore, whenReady, type RedisClient, type RedisHealth } from '../plugins/support/redis.ts'
import type { BootLogger } from './boot-log.ts'

export interface Windows {
  readonly admission: AdmissionStore
  readonly singleUse: SingleUseStore
  /** The connection itself, for what else is kept there; null without Redis. */
  readonly redis: RedisClient | null
  readonly name: string
  /** One line for the readiness report. A store that is away makes no instance unready: all of them judge in process meanwhile. */
  health (): Promise<string>
  close (): Promise<void>
}

/** A store that is away at the start is no reason not to start. Throws ConfigError in production for a Redis that may evict records. */
export async function openWindows (config: Config, metrics: Pick<Metrics, 'observeCircuit'>, logger: BootLogger): Promise<Windows> {
  if (config.redisUrl === null) {
    return { admission: memoryAdmissionStore(), singleUse: memorySingleUseStore(), redis: null, name: 'in-memory windows', health: async () => 'in memory', close: async () => {} }
  }
  const { redisPrefix: prefix } = config
  const redis = connectRedis(config.redisUrl, { logger })
  const circuits = redisCircuits(redis, {
    prefix,
    onChange (state, shard, cause) {
      metrics.observeCircuit('redis', shard, state)
      logger.warn({ shard, reason: cause instanceof Error ? cause.message.slice(0, 120) : undefined }, state === 'open' ? 'Redis is not asked any more; windows are judged in process' : 'Redis is asked again')
    }
  })
  const close = async (): Promise<void> => {
    circuits.stop()
    redis.disconnect()
  }
  if (await whenReady(redis)) await checkSetup(redis, logger, config.production ? close : null)
  redis.on('ready', () => { checkSetup(redis, logger, null).catch(() => {}) })
  const { guard } = circuits
  return {
    admission: redisAdmissionStore(redis, { prefix, guard }),
    singleUse: redisSingleUseStore(redis, { prefix, guard }),
    redis,
    name: 'redis',
    health: () => describe(redis, circuits),
    close
  }
}

/** Says how the servers are set up, at the start and after every reconnection, and refuses those that forget when told how to close. */
async function checkSetup (redis: RedisClient, logger: BootLogger, refuse: (() => Promise<void>) | null): Promise<void> {
  const health = await redisHealth(redis).catch(() => null)
  if (health === null) return
  const { memoryPolicy, persistence, isSafe } = health
  if (isSafe) logger.info({ memoryPolicy, persistence }, 'Redis is set up')
  else logger.error({ memoryPolicy, persistence }, 'Redis may evict windows, replay records and result tokens; set maxmemory-policy to noeviction')
  if (persistence === 'none') logger.warn({ persistence }, 'Redis keeps nothing over a restart: open result tokens are then lost and windows begin anew; appendonly yes is recommended')
  if (isSafe || refuse === null) return
  await refuse()
  throw new ConfigError([`REDIS_URL names a server whose maxmemory-policy is ${memoryPolicy}: it forgets windows, replay records and result tokens when its memory is full; set noeviction`])
}

async function describe (redis: RedisClient, circuits: RedisCircuits): Promise<string> {
  const health: RedisHealth | null = await redisHealth(redis).catch(() => null)
  const state = health === null || circuits.state === 'open' ? 'away: windows are judged in process, result tokens are refused' : 'there'
  return JSON.stringify({ redis: state, circuit: circuits.state, openShards: circuits.openShards, ...health })
}
