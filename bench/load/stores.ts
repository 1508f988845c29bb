/**
 * The stores that are measured: a Redis and a PostgreSQL of the measurement's own where their programs are installed, so that nobody
 * else's work is counted, else the servers of the tests. What PostgreSQL says is committed must be on disk: refused otherwise.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { Redis } from 'ioredis'
import postgres, { type Sql } from 'postgres'
import { openDatabase } from '../../db/client.ts'
import { insertKey } from '../../db/queries/keys.ts'
import { createOrganization } from '../../db/queries/organizations.ts'
import { generateApiKey } from '../../plugins/lib/api-key.ts'
import { ulid } from '../../plugins/lib/record-id.ts'
import { startPrivateRedis } from '../../test/helper/private-redis.ts'
import { real } from '../../test/helper/service.ts'
import type { Stores } from './counters.ts'

/** Of a key's windows: the hour's default, so that its ring is the one of a real key. Keys are as many as it takes for none to reach it. */
export const LIMIT = 1000
/** Of the one key that is asked for more than it has. */
export const SMALL_LIMIT = 3
const KEYS_MIN = 200
/** PostgreSQL tells its counts to others at most this often. */
const STATISTICS_MS = 60

export interface BenchKeys { readonly full: readonly string[], readonly small: string }

export interface BenchStores extends Stores {
  readonly name: string
  readonly versions: Record<string, string>
  /** For the servers under test. */
  readonly env: Record<string, string>
  /** One API key a line. */
  readonly keysFile: string
  /** The same keys, and one of SMALL_LIMIT requests. */
  readonly keys: BenchKeys
  /** Until the stores' own counts are up to date. */
  settle (): Promise<void>
  close (): Promise<void>
}

/** `requestsMax` is the most that one target may be sent before its windows are new. */
export async function openStores (requestsMax: number): Promise<BenchStores> {
  const folder = mkdtempSync(join(tmpdir(), 'flowbeacon-bench-'))
  const ownRedis = await startPrivateRedis({ aof: true })
  const redisUrl = ownRedis?.url ?? process.env['TEST_REDIS_URL'] ?? 'redis://127.0.0.1:6379'
  const redis = new Redis(redisUrl)
  const server = await ownDatabase()
  const sql = postgres(server.url, { max: 1, onnotice: () => {} })
  const keysFile = join(folder, 'keys.txt')
  const smallKeyFile = join(folder, 'small-key.txt')
  const versions = await versionsOf(redis, sql)
  await refuseUnsafe(sql)
  const env = { DATABASE_URL: server.url, REDIS_URL: redisUrl, DATA_DIR: folder, RUN_WORKER: 'false', LOG_LEVEL: 'silent', BENCH_KEYS: keysFile, BENCH_SMALL_KEY: smallKeyFile, AUTH_FAILURE_LIMIT_RPM: '1000000' }
  const keys = await createKeys(server.url, Math.max(KEYS_MIN, Math.ceil(requestsMax / LIMIT)))
  writeFileSync(keysFile, `${keys.full.join('\n')}\n`, { mode: 0o600 })
  writeFileSync(smallKeyFile, keys.small, { mode: 0o600 })
  return {
    name: `${server.isOwn ? 'own' : 'shared'} PostgreSQL ${versions['postgres']}, ${ownRedis === null ? 'shared' : 'own'} Redis ${versions['redis']}`,
    versions,
    env,
    keysFile,
    keys,
    redis,
    redisPid: Number(/^process_id:(\d+)/m.exec(await redis.info('server'))?.[1]),
    sql,
    postmasterPid: server.postmasterPid,
    settle: () => wait(STATISTICS_MS),
    async close () {
      redis.disconnect()
      await sql.end({ timeout: 2 })
      await ownRedis?.close()
      await server.close()
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

interface OwnDatabase { url: string, isOwn: boolean, postmasterPid: number, close (): Promise<void> }

async function ownDatabase (): Promise<OwnDatabase> {
  const stores = await real()
  if (stores === null) throw new Error('no PostgreSQL: set TEST_DATABASE_URL')
  const url = stores.env['DATABASE_URL'] ?? ''
  return { url, isOwn: false, postmasterPid: await postmasterOf(url), close: () => stores.drop() }
}

/** The parent of a backend is the postmaster; 0 where the server is on another machine. */
async function postmasterOf (url: string): Promise<number> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  const [row] = await sql<Array<{ pid: number }>>`select pg_backend_pid() as pid`
  try {
    const stat = readFileSync(`/proc/${row?.pid ?? 0}/stat`, 'utf8')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return 0
  } finally {
    await sql.end({ timeout: 2 })
  }
}

async function refuseUnsafe (sql: Sql): Promise<void> {
  for (const setting of ['fsync', 'synchronous_commit', 'full_page_writes']) {
    const [row] = await sql.unsafe<Array<Record<string, string>>>(`show ${setting}`)
    if (row?.[setting] !== 'on') throw new Error(`PostgreSQL runs with ${setting} off: its commits are not durable, so they are not measured`)
  }
}

async function versionsOf (redis: Redis, sql: Sql): Promise<Record<string, string>> {
  const [row] = await sql<Array<{ server_version: string }>>`show server_version`
  return { postgres: row?.server_version ?? 'unknown', redis: /^redis_version:(\S+)/m.exec(await redis.info('server'))?.[1] ?? 'unknown' }
}

async function createKeys (url: string, count: number): Promise<BenchKeys> {
  const database = await openDatabase({ url })
  try {
    await database.migrate()
    const orgId = `org_${ulid()}`
    await createOrganization(database.db, { id: orgId, name: 'Bench' })
    return await database.asOrganization(orgId, async (tx) => {
      const create = async (limit: number): Promise<string> => {
        const { key, prefix, digest } = generateApiKey()
        await insertKey(tx, orgId, { id: `key_${ulid()}`, name: 'bench', prefix, digest, permissions: ['governance:read'], ipAllowlist: [], perMinute: limit, perHour: limit, expiresAt: null, createdBy: 'bench' })
        return key
      }
      const full: string[] = []
      for (let n = 0; n < count; n++) full.push(await create(LIMIT))
      return { full, small: await create(SMALL_LIMIT) }
    })
  } finally {
    await database.close()
  }
}
