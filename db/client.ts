/**
 * One handle over both stores: PostgreSQL through postgres.js, or PGlite in a folder or in memory. Sessions run as
 * `flowbeacon_system`, which row-level security lets read across organizations but nothing bypasses; partner work runs as
 * `flowbeacon_app` inside `asOrganization`.
 */
import { sql } from 'drizzle-orm'
import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core'
import { ownFolder } from './lock-file.ts'
import * as schema from './schema.ts'

export { DatabaseInUseError } from './lock-file.ts'

export type Db = PgDatabase<PgQueryResultHKT, typeof schema>

export interface Database {
  readonly kind: 'postgres' | 'pglite'
  /** Across organizations: for `db/queries/system.ts` and operators. Never await it inside `asOrganization`. */
  readonly db: Db
  /** Brings the schema up to date; any number of processes may try at once. Rejects when it could not: see `isStoreAway`. */
  migrate (): Promise<void>
  /** While held, everything else rejects as if the database were away: for one whose schema is not known to be current. */
  hold (isHeld: boolean): void
  /** One transaction in which only this organization's rows exist. */
  asOrganization<T> (orgId: string, work: (tx: Db) => Promise<T>): Promise<T>
  listen (channel: string, onNotify: () => void): Promise<() => Promise<void>>
  /** The database's clock, Unix milliseconds. */
  ping (): Promise<number>
  /** Runs one prepared statement over a connection of its own, so that it never waits for the others: for the audit writer. */
  run (text: string, parameters: unknown[]): Promise<void>
  close (): Promise<void>
}

export interface OpenOptions {
  /** `postgres://…`, `pglite:<folder>` or `pglite:memory`. */
  url: string
  /** Connections for everything but the audit writer, which has one of its own. Default 10. */
  poolMax?: number
  /** Told when the database goes and comes back. Default none. */
  onChange?: (change: { isAway: boolean, cause?: unknown }) => void
}

const POOL_MAX = 10
const CONNECT_TIMEOUT_SECONDS = 2
const RECONNECT_SECONDS_MAX = 1
const STATEMENT_TIMEOUT_MS = 3000
/** A little more than the server's own, which answers with a reason when it can be heard. */
const ANSWER_DEADLINE_MS = STATEMENT_TIMEOUT_MS + 500
const LOCK_TIMEOUT_MS = 1000
const IDLE_IN_TRANSACTION_MS = 5000
const CLOSE_SECONDS = 5
/** Classes 08, 53 and 57P of SQLSTATE, the system's and the driver's words for an unheard server, and our own. */
const AWAY_CODES = /^(08|53)...$|^57P|^E(CONN|HOST|NET|PIPE|TIMEDOUT|AI_AGAIN|NOTFOUND)|^CONNECT|^(DATABASE_AWAY|POOL_FULL|STATEMENT_DEADLINE)$/

export async function openDatabase (options: OpenOptions): Promise<Database> {
  if (/^postgres(ql)?:\/\//.test(options.url)) return await openPostgres(options)
  if (options.url.startsWith('pglite:')) return await openPglite(options.url.slice('pglite:'.length))
  throw new Error('the database URL must start with postgres:// or pglite:')
}

/** What may be said of a database error: Drizzle's own message holds the bound values. */
export function safeDatabaseError (err: unknown): { code?: string, constraint?: string, message: string } {
  const cause = err instanceof Error && err.cause instanceof Error ? err.cause : err
  if (!(cause instanceof Error)) return { message: 'database error' }
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined
  const named = 'constraint_name' in cause ? cause.constraint_name : 'constraint' in cause ? cause.constraint : undefined
  return {
    message: code === undefined && cause === err ? cause.message : `database error ${code ?? cause.name}`,
    ...(code === undefined ? {} : { code }),
    ...(typeof named === 'string' ? { constraint: named } : {})
  }
}

/** True when the database could not be heard, or said that it cannot serve now: waiting may mend it. */
export function isDatabaseAway (err: unknown): boolean {
  const cause = err instanceof Error && err.cause instanceof Error && !AWAY_CODES.test(codeOf(err)) ? err.cause : err
  return cause instanceof Error && AWAY_CODES.test(codeOf(cause))
}

function codeOf (err: Error): string {
  return 'code' in err && typeof err.code === 'string' ? err.code : ''
}

async function asOrganization<T> (db: Db, orgId: string, work: (tx: Db) => Promise<T>): Promise<T> {
  if (orgId === '') throw new Error('no organization: partner work needs one')
  return await db.transaction(async (tx) => {
    await tx.execute(sql`select set_config('role', 'flowbeacon_app', true), set_config('app.org_id', ${orgId}, true)`)
    return await work(tx)
  })
}

async function openPostgres (options: OpenOptions): Promise<Database> {
  const [{ default: postgres }, { drizzle }, { connect }, { createPool }, { migrateOver }] = await Promise.all([
    import('postgres'), import('drizzle-orm/postgres-js'), import('./connection.ts'), import('./pool.ts'), import('./migrate.ts')])
  const { url, onChange } = options
  const types = { parsers: {}, serializers: {} }
  const settings = {
    application_name: 'flowbeacon',
    role: 'flowbeacon_system',
    statement_timeout: STATEMENT_TIMEOUT_MS,
    lock_timeout: LOCK_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS
  }
  const pool = createPool({
    connect: (onLost) => connect(url, { settings, types, connectTimeoutSeconds: CONNECT_TIMEOUT_SECONDS, onLost }),
    types,
    deadlineMs: ANSWER_DEADLINE_MS,
    ...(onChange === undefined ? {} : { onChange })
  })
  const work = pool.lane(options.poolMax ?? POOL_MAX)
  // One statement in flight that never waits for the others.
  const own = pool.lane(1)
  const db: Db = drizzle(work as never, { schema })
  let listener: ReturnType<typeof postgres> | null = null
  return {
    kind: 'postgres',
    db,
    migrate: () => migrateOver(url),
    hold: (isHeld) => pool.hold(isHeld),
    asOrganization: (orgId, inside) => asOrganization(db, orgId, inside),
    async listen (channel, onNotify) {
      listener ??= postgres(url, { max: 1, connect_timeout: CONNECT_TIMEOUT_SECONDS, backoff: (attempt) => Math.min(RECONNECT_SECONDS_MAX, 0.05 * 2 ** attempt), onnotice: () => {}, connection: settings })
      const subscription = await listener.listen(channel, () => onNotify())
      return async () => { await subscription.unlisten() }
    },
    async ping () {
      const [row] = await work.unsafe('select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms') as Array<{ ms: number }>
      return row?.ms ?? Number.NaN
    },
    async run (text, parameters) { await own.unsafe(text, parameters, { prepare: true }) },
    async close () {
      await Promise.all([pool.close(), listener?.end({ timeout: CLOSE_SECONDS })])
    }
  }
}

async function openPglite (folder: string): Promise<Database> {
  const inMemory = folder === 'memory'
  const release = inMemory ? () => {} : ownFolder(folder)
  try {
    const [{ PGlite }, { drizzle }, { applyMigrations }] = await Promise.all([
      import('@electric-sql/pglite'), import('drizzle-orm/pglite'), import('./migrate.ts')])
    const client = await PGlite.create(inMemory ? 'memory://' : folder)
    // A folder that was migrated before is never used as its superuser.
    await client.exec("do $$ begin if exists (select 1 from pg_roles where rolname = 'flowbeacon_system') then set role flowbeacon_system; end if; end $$")
    const db = drizzle(client, { schema })
    const shared: Db = db
    return {
      kind: 'pglite',
      db: shared,
      async migrate () {
        await client.exec('reset role')
        await applyMigrations({
          execute: async (text, parameters = []) => (await client.query<Record<string, unknown>>(text, parameters)).rows,
          inTransaction: async (work) => {
            await client.transaction(async (tx) => { await work(async (text, parameters = []) => (await tx.query<Record<string, unknown>>(text, parameters)).rows) })
          }
        })
        await client.exec('set role flowbeacon_system')
      },
      hold () {},
      asOrganization: (orgId, work) => asOrganization(shared, orgId, work),
      listen: (channel, onNotify) => client.listen(channel, () => onNotify()),
      async ping () {
        const { rows } = await client.query<{ ms: number }>('select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms')
        return rows[0]?.ms ?? Number.NaN
      },
      async run (text, parameters) { await client.query(text, parameters) },
      async close () {
        await client.close()
        release()
      }
    }
  } catch (err) {
    release()
    throw err
  }
}
