/**
 * Where an operator's command takes effect. `DATABASE_URL` names a PostgreSQL server: directly. Otherwise the embedded default:
 * through the socket of the server that owns the folder, or, when none runs, by opening the folder for the length of the command.
 */
import { userInfo } from 'node:os'
import { setTimeout as wait } from 'node:timers/promises'
import { loadConfig, type Config } from '../../config.ts'
import { DatabaseInUseError, openDatabase } from '../../db/client.ts'
import { runOperation, type OperationName } from '../../evaluation/operator.ts'
import type { AdmissionStore } from '../../plugins/context.ts'
import { memoryAdmissionStore } from '../../plugins/support/memory.ts'
import { closeRedis, connectRedis, redisAdmissionStore, whenReady, type RedisClient } from '../../plugins/support/redis.ts'
import { adminSocketPath, connectAdminSocket } from '../admin-socket.ts'
import { killControlOf } from '../kill.ts'
import { note } from './output.ts'

const DATA_FOLDER_DEFAULT = '.flowbeacon'
const ATTEMPTS_MAX = 40
const RETRY_MS = 250
/** Operations that reach the running instances through Redis. */
const TELLS_INSTANCES: readonly OperationName[] = ['key.revoke', 'key.rotate', 'key.change', 'key.suspend', 'key.resume', 'key.rotate-signing-secret', 'key.debug', 'kill.on', 'kill.off', 'kill.status', 'kill.drill']

export interface Store {
  /** True when no other process shares this store's windows: a running instance is then not told of a revocation at once. */
  readonly isAlone: boolean
  /** `onProgress` is told the share that is done of a long operation, where it runs in this process. */
  run (name: OperationName, args: object, onProgress?: (share: number) => void): Promise<object>
  close (): Promise<void>
}

export interface StoreOptions {
  /** Bring the schema up to date first, which needs PostgreSQL to answer. Default true; the embedded database is always brought up to date. */
  migrate?: boolean
}

export async function openStore (env: NodeJS.ProcessEnv, options: StoreOptions = {}): Promise<Store> {
  const actor = `fb:${userName()}`
  const isEmbedded = (env['DATABASE_URL'] ?? '') === '' || env['DATABASE_URL']?.startsWith('pglite:') === true
  if (!isEmbedded) return openDirectly(loadConfig(env), actor, options.migrate ?? true)
  for (let attempts = 1; ; attempts++) {
    const client = await connectAdminSocket(adminSocketPath(env['DATA_DIR'] ?? DATA_FOLDER_DEFAULT), actor)
    if (client !== null) return { isAlone: false, run: (name, args) => client.call(name, args), close: async () => client.close() }
    try {
      return await openDirectly(loadConfig(env), actor, true)
    } catch (err) {
      // A server that starts or stops owns the folder for a moment without its socket; so does another command.
      if (!(err instanceof DatabaseInUseError) || attempts === ATTEMPTS_MAX) throw err
      await wait(RETRY_MS)
    }
  }
}

async function openDirectly (config: Config, actor: string, migrate: boolean): Promise<Store> {
  const database = await openDatabase({ url: config.databaseUrl })
  const windows = openAdmission(config)
  try {
    if (migrate) await database.migrate()
  } catch (err) {
    await windows.close()
    await database.close()
    throw err
  }
  const { secrets } = config
  const kill = killControlOf(config, database, windows.redis)
  return {
    isAlone: database.kind === 'postgres' && config.redisUrl === null,
    async run (name, args, onProgress) {
      if (TELLS_INSTANCES.includes(name)) await windows.ready()
      const deps = { database, admission: windows.admission, kill, recordIdSecret: secrets.recordId, watermarkSecret: secrets.watermark, masterKeys: secrets.masterKeys, thresholds: config.anomalyThresholds, actor, ...(onProgress === undefined ? {} : { onProgress }) }
      return runOperation(deps, name, args)
    },
    async close () {
      await windows.close()
      await database.close()
    }
  }
}

interface Admission { admission: AdmissionStore, redis: RedisClient | null, ready: () => Promise<unknown>, close: () => Promise<void> }

function openAdmission (config: Config): Admission {
  if (config.redisUrl === null) return { admission: memoryAdmissionStore(), redis: null, ready: async () => {}, close: async () => {} }
  const redis = connectRedis(config.redisUrl, { logger: { warn: () => {} } })
  return {
    admission: redisAdmissionStore(redis, { prefix: config.redisPrefix }),
    redis,
    // Commands are not queued before the connection stands; when it never does, the bump fails and is reported.
    ready: () => whenReady(redis),
    close: () => closeRedis(redis)
  }
}

/** Opens the store, does the work, closes it whatever happened. */
export async function withStore<T> (work: (store: Store) => Promise<T>, options: StoreOptions = {}): Promise<T> {
  const store = await openStore(process.env, options)
  try {
    return await work(store)
  } finally {
    await store.close()
  }
}

/** Says that a revocation reached the database only. */
export function warnWhenAlone (store: Store): void {
  if (store.isAlone) note('warning: DATABASE_URL is set but REDIS_URL is not, so running instances were not told; they may go on with the old record for up to 10 s.')
}

/** An operation's answer in the shape that the command prints. */
export function fieldsOf (answer: object): Record<string, unknown> {
  return answer as Record<string, unknown>
}

function userName (): string {
  try {
    return userInfo().username
  } catch {
    // A container's user need not have a name.
    return String(process.getuid?.() ?? 'unknown')
  }
}
