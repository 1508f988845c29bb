/**
 * One handle over both stores: PostgreSQL through postgres.js, or PGlite in a folder or in memory. Sessions run as
 * `flowbeacon_system`, which row-level security lets read across organizations but nothing bypasses; partner work runs as
 * `flowbeacon_app` inside `asOrganization`.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { sql } from 'drizzle-orm'
import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core'
import type { AuditRow } from '../plugins/context.ts'
import { auditParameters, INSERT_AUDIT_ROWS } from './audit-statement.ts'
import { withDeadline, type Waiting } from './deadline.ts'
import { ownFolder } from './lock-file.ts'
import * as schema from './schema.ts'

export { DatabaseInUseError } from './lock-file.ts'

export type Db = PgDatabase<PgQueryResultHKT, typeof schema>

export interface Database {
  readonly kind: 'postgres' | 'pglite'
  /** Across organizations: for `db/queries/system.ts` and operators. Never await it inside `asOrganization`. */
  readonly db: Db
  migrate (): Promise<void>
  /** One transaction in which only this organization's rows exist. */
  asOrganization<T> (orgId: string, work: (tx: Db) => Promise<T>): Promise<T>
  listen (channel: string, onNotify: () => void): Promise<() => Promise<void>>
  /** The database's clock, Unix milliseconds. */
  ping (): Promise<number>
  /** Runs one prepared statement with parameters: for the audit writer. */
  run (text: string, parameters: unknown[]): Promise<void>
  close (): Promise<void>
}

export interface OpenOptions {
  /** `postgres://…`, `pglite:<folder>` or `pglite:memory`. */
  url: string
  /** Connections. Default 10. */
  poolMax?: number
}

export interface AuditWriter { write (rows: AuditRow[]): Promise<void>, close (): Promise<void> }

const MIGRATIONS = fileURLToPath(new URL('../../db/migrations', import.meta.url))
const POOL_MAX = 10
const CONNECT_TIMEOUT_SECONDS = 2
const RECONNECT_SECONDS_MAX = 1
const STATEMENT_TIMEOUT_MS = 3000
/** A little more than the server's own, which answers with a reason when it can be heard. */
const ANSWER_DEADLINE_MS = STATEMENT_TIMEOUT_MS + 500
const LOST_AFTER_MS = 100
const LOCK_TIMEOUT_MS = 1000
const IDLE_IN_TRANSACTION_MS = 5000
const MIGRATION_ATTEMPTS_MAX = 8
const MIGRATION_LOCK = 'flowbeacon.migrations'

export async function openDatabase (options: OpenOptions): Promise<Database> {
  if (/^postgres(ql)?:\/\//.test(options.url)) return await openPostgres(options)
  if (options.url.startsWith('pglite:')) return await openPglite(options.url.slice('pglite:'.length))
  throw new Error('the database URL must start with postgres:// or pglite:')
}

/** A writer of its own for audit rows, so that one statement in flight never waits for the pool. */
export async function openAuditWriter (options: OpenOptions, database: Database): Promise<AuditWriter> {
  if (database.kind === 'pglite') {
    return { write: (rows) => database.run(INSERT_AUDIT_ROWS, auditParameters(rows)), close: async () => {} }
  }
  const own = await openPostgres({ ...options, poolMax: 1 })
  return { write: (rows) => own.run(INSERT_AUDIT_ROWS, auditParameters(rows)), close: () => own.close() }
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

async function asOrganization<T> (db: Db, orgId: string, work: (tx: Db) => Promise<T>): Promise<T> {
  if (orgId === '') throw new Error('no organization: partner work needs one')
  return await db.transaction(async (tx) => {
    await tx.execute(sql`select set_config('role', 'flowbeacon_app', true), set_config('app.org_id', ${orgId}, true)`)
    return await work(tx)
  })
}

async function openPostgres (options: OpenOptions): Promise<Database> {
  const [{ default: postgres }, { drizzle }, { migrate }] = await Promise.all([
    import('postgres'), import('drizzle-orm/postgres-js'), import('drizzle-orm/postgres-js/migrator')])
  const waiting: Waiting = new Set()
  const client = withDeadline(postgres(options.url, {
    max: options.poolMax ?? POOL_MAX,
    connect_timeout: CONNECT_TIMEOUT_SECONDS,
    // The driver's own backoff grows to twenty seconds, which would keep a service away from a database that is back.
    backoff: (attempt) => Math.min(RECONNECT_SECONDS_MAX, 0.05 * 2 ** attempt),
    onnotice: () => {},
    onclose: () => { if (options.poolMax === 1) giveUpSoon(waiting) },
    connection: {
      application_name: 'flowbeacon',
      role: 'flowbeacon_system',
      statement_timeout: STATEMENT_TIMEOUT_MS,
      lock_timeout: LOCK_TIMEOUT_MS,
      idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS
    }
  }), ANSWER_DEADLINE_MS, waiting)
  const db: Db = drizzle(client, { schema })
  return {
    kind: 'postgres',
    db,
    async migrate () {
      const own = postgres(options.url, { max: 1, connect_timeout: CONNECT_TIMEOUT_SECONDS, onnotice: () => {} })
      try {
        await own`select pg_advisory_lock(hashtext(${MIGRATION_LOCK}))`
        await pastRoleRaces(() => migrate(drizzle(own), { migrationsFolder: MIGRATIONS }))
        await own`select ensure_audit_partitions(12)`
      } finally {
        await own.end({ timeout: 5 })
      }
    },
    asOrganization: (orgId, work) => asOrganization(db, orgId, work),
    async listen (channel, onNotify) {
      const subscription = await client.listen(channel, () => onNotify())
      return async () => { await subscription.unlisten() }
    },
    async ping () {
      const [row] = await client.unsafe<Array<{ ms: number }>>('select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms')
      return row?.ms ?? Number.NaN
    },
    async run (text, parameters) { await client.unsafe(text, parameters as never[], { prepare: true }) },
    close: () => client.end({ timeout: 5 })
  }
}

/** What was sent on the only connection, and is not answered shortly after it closed, never will be. */
function giveUpSoon (waiting: Waiting): void {
  const lost = [...waiting]
  setTimeout(() => { for (const giveUp of lost) if (waiting.has(giveUp)) giveUp() }, LOST_AFTER_MS).unref()
}

/**
 * Roles belong to the whole cluster: two databases that are migrated at once can touch the same role's row, and the later one is
 * told so without an error code of its own. Migrations run in one transaction, so the loser starts again with nothing done.
 */
async function pastRoleRaces (work: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await work()
      return
    } catch (err) {
      const cause = err instanceof Error && err.cause instanceof Error ? err.cause : err
      const isRace = cause instanceof Error && cause.message === 'tuple concurrently updated'
      if (!isRace || attempt === MIGRATION_ATTEMPTS_MAX) throw err
      await wait(attempt * 50 * (0.5 + Math.random()))
    }
  }
}

async function openPglite (folder: string): Promise<Database> {
  const inMemory = folder === 'memory'
  const release = inMemory ? () => {} : ownFolder(folder)
  try {
    const [{ PGlite }, { drizzle }, { migrate }] = await Promise.all([
      import('@electric-sql/pglite'), import('drizzle-orm/pglite'), import('drizzle-orm/pglite/migrator')])
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
        await migrate(db, { migrationsFolder: MIGRATIONS })
        await client.exec('select ensure_audit_partitions(12); set role flowbeacon_system')
      },
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
