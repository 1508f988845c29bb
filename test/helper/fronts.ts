import type { AddressInfo } from 'node:net'
import { request as httpRequest } from 'node:http'
import { sql } from 'drizzle-orm'
import postgres from 'postgres'
import type t from 'tap'
import type { Test } from 'tap'
import { buildApp, type AppDeps } from '../../app.ts'
import type { Runtime } from '../../bin/runtime.ts'
import type { Config } from '../../config.ts'
import { insertAuditRows, type AuditRowStored } from '../../db/queries/system.ts'
import { traceWatermarks } from '../../db/queries/traces.ts'
import { rowsOf } from '../../db/rows.ts'
import { createEgress } from '../../evaluation/egress.ts'
import { startWorker } from '../../evaluation/worker.ts'
import { searchAnswer } from './secrecy.ts'
import { call, embedded, FLOW, real, type Answer, type Caller, type Stores } from './service.ts'

export const P = '/api/public/v1'
export const NO_SERVERS = 'no PostgreSQL and Redis answered (TEST_DATABASE_URL, TEST_REDIS_URL)'

// Runs the same test on the embedded stores, always, and on real servers where they answer.
export async function onEachStore (tap: typeof t, name: string, work: (t: Test, stores: Stores) => Promise<void>): Promise<void> {
  const servers = await real()
  // What differs between the stores stands behind their ports, which have contract tests on both; what is said of the service above them is
  // proven on the servers where there are any, and on the embedded stores too when EVERY_STORE asks for it.
  for (const stores of servers === null || process.env['EVERY_STORE'] === '1' ? [embedded(), servers] : [servers]) {
    await tap.test(`${name}, on ${stores?.name ?? 'PostgreSQL and Redis'}`, { skip: stores === null ? NO_SERVERS : false, timeout: 170_000 }, async (t) => {
      if (stores === null) return
      t.comment(`stores: ${stores.name}`)
      // Registered first, so that it runs after whatever the test opens on these stores has closed.
      t.teardown(() => stores.drop())
      await work(t, stores)
    })
  }
}

// A second way in to the stores of a running service: with another configuration, or with a dependency that is broken.
export async function front (t: Test, runtime: Runtime, changes: Partial<Config>, deps: Partial<AppDeps> = {}): Promise<string> {
  const { database, admission, singleUse, killState } = runtime
  const app = await buildApp({ ...runtime.config, ...changes }, {
    database,
    admission,
    singleUse,
    egress: createEgress({ allowHttp: true, unsafeAllowedRanges: [] }),
    audit: { record: (row) => insertAuditRows(database, [row]) },
    refusals: { count () {} },
    raiseAnomaly: async () => {},
    killState,
    ...deps
  })
  t.teardown(() => app.close())
  await app.listen({ host: '127.0.0.1', port: 0 })
  return `${(changes.tlsCertPath ?? null) === null ? 'http' : 'https'}://127.0.0.1:${(app.server.address() as AddressInfo).port}`
}

export interface Submitted { id: string, token: string }

let submitted = 0

export async function submit (url: string, caller: Caller, blueprints: object[] = [{ id: 'a', blueprint: FLOW }]): Promise<Submitted> {
  // The same bytes signed twice in one second would be a replay.
  const { status, body } = await call(url, caller, 'POST', '/evaluate', JSON.stringify({ blueprints }) + ' '.repeat(++submitted))
  if (status !== 200) throw new Error(JSON.stringify(body))
  return { id: body.data.evaluation_id, token: body.data.result_token }
}

// Lets a worker run until the evaluation has ended, and stops it: for services that run none of their own.
export async function judge (runtime: Runtime, ...ids: string[]): Promise<void> {
  const worker = startWorker({ database: runtime.database, workerId: 'judge', logger: { warn () {} } })
  try {
    for (const id of ids) await ended(runtime, id)
  } finally {
    await worker.stop()
  }
}

export async function ended (runtime: Runtime, id: string): Promise<string> {
  for (;;) {
    const [row] = rowsOf(await runtime.database.db.execute(sql`select state from evaluations where id = ${id}`))
    const state = String(row?.['state'])
    if (state === 'complete' || state === 'error') return state
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

// One statement as the owner of the tables, whom row-level security and grants do not bind.
export async function asOwner (runtime: Runtime, statement: string): Promise<ReadonlyArray<Record<string, unknown>>> {
  const { database: { db, kind }, config } = runtime
  if (kind === 'postgres') {
    const owner = postgres(config.databaseUrl, { max: 1, onnotice: () => {} })
    try {
      return await owner.unsafe(statement)
    } finally {
      await owner.end({ timeout: 2 })
    }
  }
  await db.execute(sql`reset role`)
  try {
    return rowsOf(await db.execute(sql.raw(statement)))
  } finally {
    await db.execute(sql`set role flowbeacon_system`)
  }
}

// Makes the database itself refuse some statements on a table, until the returned function is called. `when` is the condition of the trigger.
export async function failInserts (runtime: Runtime, table: string, when: string): Promise<() => Promise<void>> {
  return await failStatements(runtime, table, 'insert', when)
}

export async function failStatements (runtime: Runtime, table: string, event: 'insert' | 'delete' | 'update', when = 'true'): Promise<() => Promise<void>> {
  const name = `fail_${table}_${event}`
  await asOwner(runtime, `create function ${name}() returns trigger language plpgsql as $$ begin raise exception 'CANARY: refused by the test'; end $$`)
  await asOwner(runtime, `create trigger ${name} before ${event} on ${table} for each row when (${when}) execute function ${name}()`)
  return async () => {
    await asOwner(runtime, `drop trigger ${name} on ${table}`)
    await asOwner(runtime, `drop function ${name}()`)
  }
}

// How many rows stand in every table that a partner's request can write to, the audit trail left out.
export async function stateRows (runtime: Runtime): Promise<Record<string, number>> {
  const [row] = rowsOf(await runtime.database.db.execute(sql`select (select count(*) from evaluations)::int as evaluations, (select count(*) from evaluation_items)::int as items,
    (select count(*) from scenarios)::int as scenarios, (select count(*) from redemptions)::int as redemptions,
    (select count(*) from webhook_subscriptions)::int as subscriptions, (select count(*) from webhook_deliveries)::int as deliveries, (select count(*) from suppressions)::int as suppressions`))
  return row as Record<string, number>
}

export async function auditRowOf (runtime: Runtime, answer: Answer): Promise<AuditRowStored | null> {
  const mark = String(answer.headers.get('x-fb-watermark'))
  const traced = (await traceWatermarks(runtime.database.db, [mark])).get(mark)
  return traced?.source === 'request' ? traced.row : null
}

export interface RawRequest { method: string, path: string, headers?: Record<string, string | string[]>, body?: Iterable<Buffer | string> }

// Sends what fetch refuses to send: repeated headers, a body on GET, chunks without a length. Ends when the answer is complete.
export async function sendRaw (url: string, { method, path, headers = {}, body = [] }: RawRequest): Promise<Answer> {
  const { hostname, port } = new URL(url)
  return await new Promise((resolve, reject) => {
    const outgoing = httpRequest({ hostname, port, method, path, headers, agent: false }, (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('error', reject)
      incoming.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        outgoing.destroy()
        try {
          searchAnswer(`${method} ${path}`, text)
        } catch (err) {
          reject(err)
          return
        }
        const received = new Headers(Object.entries(incoming.headers).map(([name, value]): [string, string] => [name, String(value)]))
        resolve({ status: incoming.statusCode ?? 0, headers: received, body: text === '' ? {} : JSON.parse(text) })
      })
    })
    outgoing.on('error', reject)
    outgoing.flushHeaders()
    write(outgoing, body[Symbol.iterator]())
  })
}

function write (outgoing: ReturnType<typeof httpRequest>, chunks: Iterator<Buffer | string>): void {
  for (let next = chunks.next(); !outgoing.destroyed; next = chunks.next()) {
    if (next.done === true) {
      outgoing.end()
      return
    }
    if (!outgoing.write(next.value)) {
      outgoing.once('drain', () => write(outgoing, chunks))
      return
    }
  }
}
