import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import postgres from 'postgres'
import { openRuntime, type Runtime } from '../../bin/runtime.ts'
import { loadConfig } from '../../config.ts'
import { openDatabase, type Database } from '../../db/client.ts'
import { runOperation, type OperationName } from '../../evaluation/operator.ts'
import { signRequest } from '../../plugins/lib/hmac.ts'
import { keepLog, searchAnswer, searchDatabase, searchFiles, searchRedis } from './secrecy.ts'

export interface Stores { name: string, env: Record<string, string>, drop: () => Promise<void> }
export interface Caller { orgId: string, keyId: string, key: string }
export interface Answer { status: number, headers: Headers, body: any }

const POSTGRES = process.env['TEST_DATABASE_URL'] ?? 'postgres://postgres@127.0.0.1:5432/postgres'
const REDIS = process.env['TEST_REDIS_URL'] ?? 'redis://127.0.0.1:6379'
// Migrated once for a whole run (scripts/test.mjs), copied for each test. A test that is run alone migrates its own.
const { FLOWBEACON_TEST_EMBEDDED, FLOWBEACON_TEST_DATABASE } = process.env

// Spares what runs on a data folder the making of its database.
export function prepareFolder (folder: string): string {
  mkdirSync(folder, { recursive: true })
  if (FLOWBEACON_TEST_EMBEDDED !== undefined) execFileSync('cp', ['-R', FLOWBEACON_TEST_EMBEDDED, join(folder, 'pg')])
  return folder
}

export function embedded (): Stores {
  const folder = prepareFolder(mkdtempSync(join(tmpdir(), 'flowbeacon-test-')))
  return {
    name: 'PGlite and memory',
    env: { DATA_DIR: folder },
    drop: async () => {
      searchFiles(join(folder, 'pg'))
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

// A database and a key prefix of its own; null where no server answers.
export async function real (): Promise<Stores | null> {
  const admin = postgres(POSTGRES, { max: 1, connect_timeout: 2, onnotice: () => {} })
  const redis = new Redis(REDIS, { lazyConnect: true, connectTimeout: 1000, maxRetriesPerRequest: 0, retryStrategy: () => null })
  redis.on('error', () => {})
  const name = `flowbeacon_test_${process.pid}_${randomBytes(4).toString('hex')}`
  const folder = mkdtempSync(join(tmpdir(), 'flowbeacon-test-'))
  try {
    await redis.connect()
    await admin.unsafe(`create database ${name}${FLOWBEACON_TEST_DATABASE === undefined ? '' : ` template ${FLOWBEACON_TEST_DATABASE}`}`)
  } catch {
    redis.disconnect()
    await admin.end({ timeout: 1 })
    rmSync(folder, { recursive: true, force: true })
    return null
  }
  const url = new URL(POSTGRES)
  url.pathname = `/${name}`
  return {
    name: 'PostgreSQL and Redis',
    env: { DATA_DIR: folder, DATABASE_URL: url.href, REDIS_URL: REDIS, REDIS_PREFIX: name },
    drop: async () => {
      for await (const found of redis.scanStream({ match: `${name}:*`, count: 500 })) {
        const keys = found as string[]
        await searchRedis(redis, keys)
        if (keys.length > 0) await redis.del(...keys)
      }
      redis.disconnect()
      await searchDatabase(url.href)
      await admin.unsafe(`drop database ${name} with (force)`)
      await admin.end({ timeout: 2 })
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

export interface OpenedDatabase { database: Database, close: () => Promise<void> }

// The database alone, migrated. `close` drops the stores.
export async function openStores (stores: Stores): Promise<OpenedDatabase> {
  const { DATABASE_URL: url = `pglite:${join(stores.env['DATA_DIR'] ?? '', 'pg')}` } = stores.env
  const database = await openDatabase({ url })
  await database.migrate()
  return {
    database,
    close: async () => {
      await database.close()
      await stores.drop()
    }
  }
}

export async function openEmbedded (): Promise<OpenedDatabase> {
  return await openStores(embedded())
}

export async function start (stores: Stores, env: Record<string, string> = {}): Promise<{ runtime: Runtime, url: string }> {
  const runtime = await openRuntime(loadConfig({ PORT: '0', OPS_PORT: '0', LOG_LEVEL: 'trace', AUTH_FAILURE_LIMIT_RPM: '100000', ...stores.env, ...env }), { writeLog: keepLog })
  return { runtime, url: (await runtime.listen()).url }
}

export async function operate (runtime: Runtime, name: OperationName, args: object): Promise<any> {
  const { database, admission, kill, config } = runtime
  return await runOperation({ database, admission, kill, recordIdSecret: config.secrets.recordId, watermarkSecret: config.secrets.watermark, masterKeys: config.secrets.masterKeys, thresholds: config.anomalyThresholds, actor: 'test' }, name, args)
}

export async function newCaller (runtime: Runtime, options: object = {}): Promise<Caller> {
  const org = await operate(runtime, 'org.create', { name: 'Test' })
  const key = await operate(runtime, 'key.create', { org: org.id, name: 'test', permissions: ['governance:read', 'governance:evaluate'], ...options })
  return { orgId: org.id, keyId: key.id, key: key.key }
}

export function headersFor (caller: Caller, method: string, path: string, body = ''): Record<string, string> {
  const signature = signRequest({ key: caller.key, timestampSeconds: Math.floor(Date.now() / 1000), method, path, body: Buffer.from(body) })
  return { authorization: `Bearer ${caller.key}`, 'x-fb-signature': signature, ...(body === '' ? {} : { 'content-type': 'application/json' }) }
}

export async function send (url: string, method: string, path: string, headers: Record<string, string> = {}, body?: string): Promise<Answer> {
  const answer = await fetch(url + path, { method, headers, ...(body === undefined ? {} : { body }) })
  const text = await answer.text()
  searchAnswer(`${method} ${path}`, text)
  return { status: answer.status, headers: answer.headers, body: text === '' ? {} : JSON.parse(text) }
}

export async function call (url: string, caller: Caller, method: string, path: string, body = ''): Promise<Answer> {
  const full = `/api/public/v1${path}`
  return await send(url, method, full, headersFor(caller, method, full, body), body === '' ? undefined : body)
}

export const FLOW = {
  name: 'Small',
  flow: [
    { id: 1, module: 'gateway:CustomWebHook', version: 1, parameters: { hook: 1 }, mapper: {} },
    { id: 2, module: 'http:ActionSendData', version: 3, parameters: {}, mapper: { url: 'http://api.plain-host.net/x', method: 'post', data: 'CANARY-VALUE-7f3a' } }
  ],
  metadata: { version: 1 }
}
