/**
 * Brings a database up to date while older instances go on serving from it. Each migration is a transaction of its own, so no lock outlives
 * it, and waits for locks less long than a running instance does: whoever queues behind it is not refused. One that loses that wait starts
 * again with nothing done. Whatever is missing is applied, also when a later one is there. The rules for writing one: docs/operations.md.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { connect, type Connection, type Transaction } from './connection.ts'

export interface Migration { readonly tag: string, readonly when: number, readonly hash: string, readonly statements: readonly string[], readonly isTransactional: boolean }

/** A connection that migrations run over, of either store. */
export interface MigrationSession {
  execute (text: string, parameters?: unknown[]): Promise<ReadonlyArray<Record<string, unknown>>>
  /** Everything or nothing. */
  inTransaction (work: (execute: MigrationSession['execute']) => Promise<void>): Promise<void>
}

export interface MigrateOptions {
  /** The last migration to apply, by its name without `.sql`. Default all. */
  readonly through?: string
  /** Default the project's own. */
  readonly folder?: string
}

const FOLDER = fileURLToPath(new URL('../../db/migrations', import.meta.url))
/** First line of a migration that cannot run in a transaction, such as an index built concurrently. */
const OUTSIDE = /^-- outside a transaction\b/
const LOCK_NAME = 'flowbeacon.migrations'
/** Below the lock timeout of an instance's statements (client.ts), so that those which queue behind a migration outlast it. */
const LOCK_TIMEOUT_MS = 400
const ATTEMPTS_MAX = 60
const PAUSE_MS = 250
const CONNECT_TIMEOUT_SECONDS = 2
/** For one statement, and for the wait until another process has migrated. */
const DEADLINE_MS = 15 * 60_000
/** lock_not_available, deadlock_detected, serialization_failure */
const LOST_A_WAIT = ['55P03', '40P01', '40001']
const PARTITIONS_AHEAD = 12

export function readMigrations (folder = FOLDER): Migration[] {
  const journal = JSON.parse(readFileSync(join(folder, 'meta', '_journal.json'), 'utf8')) as { entries: Array<{ tag: string, when: number }> }
  return journal.entries.map(({ tag, when }) => {
    const text = readFileSync(join(folder, `${tag}.sql`), 'utf8')
    return { tag, when, hash: createHash('sha256').update(text).digest('hex'), statements: text.split('--> statement-breakpoint'), isTransactional: !OUTSIDE.test(text) }
  })
}

/** Migrates over a connection of its own, one process at a time. Rejects with the reason; what was applied until then stays. */
export async function migrateOver (url: string, options: MigrateOptions = {}): Promise<void> {
  const settings = { application_name: 'flowbeacon-migrate', statement_timeout: DEADLINE_MS, lock_timeout: DEADLINE_MS }
  const connection = await connect(url, { settings, types: { parsers: {}, serializers: {} }, connectTimeoutSeconds: CONNECT_TIMEOUT_SECONDS, onLost: () => {} })
  try {
    const session = sessionOver(connection)
    await becomeOnlyOne(session)
    await session.execute(`set lock_timeout = ${LOCK_TIMEOUT_MS}`)
    await applyMigrations(session, options)
  } finally {
    await connection.end()
  }
}

/**
 * The lock is held by the session, so it ends with the process, whatever becomes of that. It is asked for again and again: a statement that
 * waited for it would be a transaction that an index built concurrently waits for in turn.
 */
async function becomeOnlyOne (session: MigrationSession): Promise<void> {
  for (const endsMs = performance.now() + DEADLINE_MS; ;) {
    const [row] = await session.execute('select pg_try_advisory_lock(hashtext($1)) as held', [LOCK_NAME])
    if (row?.['held'] === true) return
    if (performance.now() > endsMs) throw new Error('another process did not end its migrations in time')
    await wait(PAUSE_MS * (0.5 + Math.random()))
  }
}

/** Applies what is missing, in order. */
export async function applyMigrations (session: MigrationSession, { through, folder }: MigrateOptions = {}): Promise<void> {
  await session.execute('create schema if not exists drizzle')
  await session.execute('create table if not exists drizzle.__drizzle_migrations (id serial primary key, hash text not null, created_at bigint)')
  const applied = new Set((await session.execute('select created_at from drizzle.__drizzle_migrations')).map((row) => Number(row['created_at'])))
  for (const migration of readMigrations(folder)) {
    if (!applied.has(migration.when)) await patiently(() => apply(session, migration))
    if (migration.tag === through) return
  }
  await patiently(() => session.inTransaction(async (execute) => { await execute(`select ensure_audit_partitions(${PARTITIONS_AHEAD})`) }))
}

async function apply (session: MigrationSession, migration: Migration): Promise<void> {
  const run = async (execute: MigrationSession['execute']): Promise<void> => {
    for (const statement of migration.statements) await execute(statement)
    await execute('insert into drizzle.__drizzle_migrations (hash, created_at) values ($1, $2)', [migration.hash, String(migration.when)])
  }
  if (migration.isTransactional) await session.inTransaction(run)
  else await run(session.execute)
}

/**
 * A lost wait for a lock is tried again. So is a race over roles, which belong to the whole cluster: two databases that are migrated at
 * once can touch the same role's row, and the later one is told so without an error code of its own.
 */
async function patiently (work: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await work()
      return
    } catch (err) {
      const { code, message } = err instanceof Error ? { code: 'code' in err ? String(err.code) : '', message: err.message } : { code: '', message: '' }
      const isWorthAnother = LOST_A_WAIT.includes(code) || message === 'tuple concurrently updated'
      if (!isWorthAnother || attempt === ATTEMPTS_MAX) throw err
      await wait(PAUSE_MS * (0.5 + Math.random()))
    }
  }
}

function sessionOver (connection: Connection): MigrationSession {
  const rowsFrom = (result: unknown): ReadonlyArray<Record<string, unknown>> => Array.isArray(result) ? result : []
  return {
    execute: async (text, parameters = []) => rowsFrom(await connection.run(text, parameters, { asArrays: false, deadlineMs: DEADLINE_MS })),
    async inTransaction (work) {
      const { result, isOver } = connection.transaction(async (tx: Transaction) => {
        await work(async (text, parameters = []) => rowsFrom(await tx.unsafe(text, parameters)))
      }, DEADLINE_MS)
      // The next one must not start before this one's ROLLBACK.
      await Promise.all([result, isOver]).finally(() => isOver)
    }
  }
}
