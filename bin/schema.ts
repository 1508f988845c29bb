/**
 * Brings the schema up to date when a process starts, whatever the weather: a database that is away is waited for, while the process runs,
 * says that it is not ready and answers 503. An orchestrator need not restart it, and nothing is asked of a schema that may be too old. What
 * the database refuses, such as a wrong password or a migration that fails, is no weather: the process does not start.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { isDatabaseAway, safeDatabaseError, type Database } from '../db/client.ts'

const RETRY_MS = 500

export interface SchemaLogger { warn (fields: object, message: string): void, info (fields: object, message: string): void }

export interface Schema {
  readonly isCurrent: boolean
  /** Resolves once the schema is current; rejects when it cannot be made so. */
  readonly whenCurrent: Promise<void>
  /** Waits no more; `whenCurrent` then never settles. */
  stop (): void
}

export async function bringUpToDate (database: Pick<Database, 'migrate' | 'hold'>, logger: SchemaLogger): Promise<Schema> {
  const away = await attempt(database)
  if (away === null) return { isCurrent: true, whenCurrent: Promise.resolve(), stop () {} }
  database.hold(true)
  logger.warn(safeDatabaseError(away), 'the database is away; migrations wait for it')
  const ending = new AbortController()
  const whenCurrent = (async () => {
    for (;;) {
      await wait(RETRY_MS * (0.75 + Math.random() / 2), undefined, { ref: false })
      if (ending.signal.aborted) return await new Promise<never>(() => {})
      if (await attempt(database) !== null) continue
      database.hold(false)
      logger.info({}, 'the database is there and current')
      return
    }
  })()
  return { isCurrent: false, whenCurrent, stop: () => ending.abort() }
}

/** Null when it is done, or why the database is away. Throws what no waiting mends. */
async function attempt (database: Pick<Database, 'migrate'>): Promise<unknown> {
  try {
    await database.migrate()
    return null
  } catch (err) {
    if (!isDatabaseAway(err)) throw err
    return err
  }
}
