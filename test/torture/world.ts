import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { Agent } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openRuntime, type Runtime } from '../../bin/runtime.ts'
import { loadConfig } from '../../config.ts'
import { instanceOf, type Instance } from '../helper/instance.ts'
import { startPrivatePostgres, whyNoPostgres, type PrivatePostgres } from '../helper/private-postgres.ts'
import { freePort, hasRedisServer, NO_REDIS_SERVER, startPrivateRedis, type PrivateRedis } from '../helper/private-redis.ts'
import { startProxy, type Proxy } from '../helper/proxy.ts'

const DIST = fileURLToPath(new URL('../../../dist/bin/', import.meta.url))
const SERVING = /Public API on \S+/
const WORKING = /worker is running/

/** One process, and the two ways from it to its stores. */
export interface Member {
  readonly name: string
  readonly url: string
  readonly instance: Instance
  readonly agent: Agent
  readonly toPostgres: Proxy
  readonly toRedis: Proxy
  /** Starts its next life; every life has an instance id of its own, as a new container has. */
  readonly startLife: () => Promise<void>
}

export interface World {
  readonly postgres: PrivatePostgres
  readonly redis: PrivateRedis
  readonly servers: readonly [Member, Member]
  readonly worker: Member
  /** Not a process of its own: the operator's way in, straight to the stores. */
  readonly operator: Runtime
  readonly crashes: string[]
  readonly close: () => Promise<void>
}

// Why a run is not possible here, or null.
export function whyNoWorld (): string | null {
  if (!hasRedisServer()) return NO_REDIS_SERVER
  if (!existsSync(join(DIST, 'server.js'))) return 'dist/bin/server.js is missing; build first (npm run build)'
  return whyNoPostgres()
}

// A PostgreSQL that syncs, a Redis with its append-only file, two servers and a worker, each behind proxies of its own.
export async function openWorld (): Promise<World> {
  const closers: Array<() => Promise<void> | void> = []
  const close = async (): Promise<void> => { for (const closer of closers.splice(0).reverse()) await closer() }
  try {
    const postgres = await startPrivatePostgres({ settings: { max_connections: 100 } })
    if (postgres !== null) closers.push(postgres.close)
    const redis = await startPrivateRedis({ aof: true, config: ['maxmemory-policy noeviction'] })
    if (redis !== null) closers.push(redis.close)
    if (postgres === null || redis === null) throw new Error(whyNoWorld() ?? 'a store did not start')
    const folder = mkdtempSync(join(tmpdir(), 'flowbeacon-torture-data-'))
    closers.push(() => rmSync(folder, { recursive: true, force: true }))
    const common = {
      ...secrets(),
      DATA_DIR: folder,
      INSTANCE_COUNT: '2',
      AUTH_FAILURE_LIMIT_RPM: '100000000',
      WEBHOOK_BACKOFF_SECONDS: '1,2,3',
      WEBHOOK_UNSAFE_ALLOWED_RANGES: '127.0.0.0/8',
      LOG_LEVEL: 'warn'
    }
    const operator = await openRuntime(loadConfig({ ...common, DATABASE_URL: postgres.url, REDIS_URL: redis.url, RUN_WORKER: 'false', LOG_LEVEL: 'silent', PORT: '0', OPS_PORT: '0' }), { serve: false })
    closers.push(() => operator.close())
    const crashes: string[] = []
    const stores = { postgres: postgres.url, redis: redis.url }
    const members = await Promise.all((['a', 'b', 'worker'] as const).map((name) => memberOf(name, stores, common, crashes, closers)))
    const [a, b, worker] = members
    if (a === undefined || b === undefined || worker === undefined) throw new Error('a process is missing')
    for (const member of members) await member.startLife()
    return { postgres, redis, servers: [a, b], worker, operator, crashes, close }
  } catch (err) {
    await close()
    throw err
  }
}

async function memberOf (name: string, stores: { postgres: string, redis: string }, common: Record<string, string>, crashes: string[], closers: Array<() => Promise<void> | void>): Promise<Member> {
  const toPostgres = await startProxy(stores.postgres, 5432)
  const toRedis = await startProxy(stores.redis, 6379)
  const port = await freePort()
  const isWorker = name === 'worker'
  const instance = instanceOf({
    program: join(DIST, isWorker ? 'worker.js' : 'server.js'),
    ready: isWorker ? WORKING : SERVING,
    onCrash: (what) => { crashes.push(what) },
    env: {
      ...common,
      DATABASE_URL: toPostgres.through(stores.postgres),
      REDIS_URL: toRedis.through(stores.redis),
      PORT: String(port),
      OPS_PORT: '0',
      RUN_WORKER: String(isWorker)
    }
  })
  const agent = new Agent({ keepAlive: true, maxSockets: 256 })
  closers.push(async () => {
    agent.destroy()
    await instance.kill9()
    await toPostgres.close()
    await toRedis.close()
  })
  let lives = 0
  return { name, url: `http://127.0.0.1:${port}`, instance, agent, toPostgres, toRedis, startLife: () => instance.start({ INSTANCE_ID: `${name}-${++lives}` }) }
}

function secrets (): Record<string, string> {
  const random = (): string => randomBytes(32).toString('hex')
  return { RESULT_TOKEN_SECRET: random(), WATERMARK_SECRET: random(), RECORD_ID_SECRET: random(), MASTER_KEYS: `1:${random()}` }
}
