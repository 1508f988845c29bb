import { randomBytes } from 'node:crypto'
import type { Test } from 'tap'
import postgres from 'postgres'
import type { Runtime } from '../../bin/runtime.ts'
import { verifyWatermark } from '../../plugins/lib/watermark-id.ts'
import { judge, P, submit } from './fronts.ts'
import { countKept, type Seen } from './load.ts'
import type { PrivatePostgres } from './private-postgres.ts'
import { call, embedded, FLOW, newCaller, real, send, start, type Answer, type Caller, type Stores } from './service.ts'

/** The promise of docs/operations.md, from the moment at which the server answers again. */
export const RECOVERY_MS = 2000
/** A statement's deadline of 3.5 s, and what a busy machine adds. */
export const ANSWER_MS = 5000
const UNLIMITED = { rpm: 100_000, rph: 100_000 }

export interface Service { readonly runtime: Runtime, readonly url: string, readonly server: PrivatePostgres, readonly databaseUrl: string }

// Redis where one answers, else this process's memory; the database is the private server's.
export async function storesOn (server: PrivatePostgres): Promise<Stores & { databaseUrl: string }> {
  const shared = await real()
  const stores = shared ?? embedded()
  const name = `fault_${randomBytes(4).toString('hex')}`
  await server.query(`create database ${name}`)
  const url = new URL(server.url)
  url.pathname = `/${name}`
  return { ...stores, env: { ...stores.env, DATABASE_URL: url.href }, databaseUrl: url.href, name: `a private PostgreSQL and ${shared === null ? 'memory' : 'Redis'}` }
}

export async function startOn (t: Test, server: PrivatePostgres, env: Record<string, string> = {}): Promise<Service> {
  const stores = await storesOn(server)
  t.comment(`stores: ${stores.name}`)
  const { runtime, url } = await start(stores, { RUN_WORKER: 'false', ...env })
  t.teardown(async () => {
    await runtime.close()
    await stores.drop()
  })
  return { runtime, url, server, databaseUrl: stores.databaseUrl }
}

export const policies = async (url: string, caller: Caller): Promise<Answer> => await call(url, caller, 'GET', '/governance/policies')
export const scenarios = async (url: string, caller: Caller): Promise<Answer> => await call(url, caller, 'GET', '/scenarios')
let submitted = 0
export const evaluate = async (url: string, caller: Caller): Promise<Answer> => await call(url, caller, 'POST', '/evaluate', JSON.stringify({ blueprints: [{ id: `e${++submitted}`, blueprint: FLOW }] }))

// Whatever happened: nothing but 200 and 503, no connection cut, every answer with data has its row, everything accepted is there.
export async function assertNothingLost (t: Test, { runtime }: Service, seen: Seen): Promise<void> {
  t.same([...seen.statuses.keys()].filter((status) => status !== '200' && status !== '503 unavailable'), [], 'nothing but 200 and 503')
  t.same([...seen.cut], [], 'every request is answered')
  const { rows, stored } = await countKept(runtime.database, seen)
  t.equal(rows, seen.watermarks.size, `each of ${seen.watermarks.size} answers with data has its row`)
  t.equal(stored, seen.accepted.size, `each of ${seen.accepted.size} accepted evaluations is there`)
  t.ok(seen.slowestMs < ANSWER_MS, `the slowest answer took ${Math.round(seen.slowestMs)} ms`)
}

export function assertUnavailable (t: Test, answer: Answer, secret: Buffer): void {
  t.equal(answer.status, 503)
  t.match(answer.body, { ok: false, error: 'Service temporarily unavailable', code: 'unavailable' })
  t.match(answer.headers.get('retry-after'), /^[1-9]\d?$/)
  t.ok(verifyWatermark(String(answer.headers.get('x-fb-watermark')), secret), 'its watermark proves itself')
  t.same(Object.keys(answer.body).sort(), ['code', 'error', 'meta', 'ok'])
}

// Milliseconds until a known key and one never seen before are both answered, and an evaluation is accepted; Infinity after ten seconds.
export async function recoveredMs (url: string, known: Caller, fresh: Caller): Promise<number> {
  const startedMs = performance.now()
  while (performance.now() - startedMs < 10_000) {
    const answers = await Promise.all([policies(url, known), scenarios(url, fresh), evaluate(url, known)])
    if (answers.every(({ status }) => status === 200)) return performance.now() - startedMs
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return Number.POSITIVE_INFINITY
}

export async function isReady ({ runtime }: Pick<Service, 'runtime'>): Promise<{ status: number, detail: string }> {
  const answer = await runtime.ops.inject('/readyz')
  return { status: answer.statusCode, detail: answer.json().checks.find(({ name }: { name: string }) => name === 'database').detail }
}

export interface Prepared { readonly known: Caller, readonly fresh: Caller, readonly stranger: Caller, readonly token: string }

// A key that the service has in its cache, one that it has never seen, one that nobody has, and a result token that waits.
export async function prepare ({ runtime, url }: Service): Promise<Prepared> {
  const [known, fresh] = await Promise.all([newCaller(runtime, UNLIMITED), newCaller(runtime, UNLIMITED)])
  const { id, token } = await submit(url, known)
  await judge(runtime, id)
  return { known, fresh, stranger: { ...known, key: `fb_live_${'0'.repeat(48)}` }, token }
}

export const fetchResults = async (url: string, token: string): Promise<Answer> => await send(url, 'GET', `${P}/results/${token}`)

// The token that was open during the fault gives its results now, once.
export async function assertOnce (t: Test, url: string, token: string): Promise<void> {
  let answer = await fetchResults(url, token)
  // A use that was taken while it could not be recorded is given back in the background.
  for (let waited = 0; answer.status !== 200 && waited < 100; waited++) {
    await new Promise((resolve) => setTimeout(resolve, 100))
    answer = await fetchResults(url, token)
  }
  t.equal(answer.status, 200, 'the token works')
  t.equal((await fetchResults(url, token)).status, 410, 'once')
}

// Holds a table as a careless migration or backup would, over a connection of its own, until the returned function is called.
export async function holdTable (databaseUrl: string, table: string): Promise<() => Promise<void>> {
  const holder = postgres(databaseUrl, { max: 1, onnotice: () => {} })
  const held = await holder.reserve()
  await held.unsafe('begin')
  await held.unsafe(`lock table ${table} in access exclusive mode`)
  return async () => {
    await held.unsafe('rollback')
    held.release()
    await holder.end({ timeout: 2 })
  }
}

// Takes every connection that the server has left, until the returned function is called.
export async function takeConnections (server: PrivatePostgres): Promise<() => Promise<void>> {
  const taken: Array<ReturnType<typeof postgres>> = []
  for (;;) {
    const sql = postgres(server.url, { max: 1, onnotice: () => {} })
    try {
      await sql`select 1`
      taken.push(sql)
    } catch {
      await sql.end({ timeout: 1 })
      break
    }
  }
  return async () => { await Promise.all(taken.map((sql) => sql.end({ timeout: 2 }))) }
}

export async function endSessions (databaseUrl: string): Promise<number> {
  const admin = postgres(databaseUrl, { max: 1, onnotice: () => {} })
  try {
    return (await admin`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`).length
  } finally {
    await admin.end({ timeout: 2 })
  }
}
