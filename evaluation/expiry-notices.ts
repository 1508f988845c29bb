/**
 * Tells operators 14, 7 and 1 days before a key expires: an event of the key (`expires_soon`) and a line of the log. Any number of workers look;
 * the event's unique index lets one of them tell each step, and a key that enters several at once is told of the nearest alone.
 * A database that is away is asked again at the next look.
 */
import { isDatabaseAway, type Database } from '../db/client.ts'
import { dueNotices, insertNotice } from '../db/queries/key-events.ts'

export const NOTICE_DAYS = [14, 7, 1] as const
const TICK_MS = 60_000
const ACTOR = 'worker'

export interface ExpiryNoticesOptions {
  database: Database
  logger: { warn (fields: object, message: string): void }
  /** Milliseconds between looks. Default a minute. */
  tickMs?: number
  /** Unix milliseconds. Default `Date.now`. */
  now?: () => number
}

export interface ExpiryNotices {
  /** Ends after the look that is under way. */
  stop (): Promise<void>
}

export function startExpiryNotices ({ database, logger, tickMs = TICK_MS, now = Date.now }: ExpiryNoticesOptions): ExpiryNotices {
  let look = tellOfExpiries(database, logger, now())
  const timer = setInterval(() => { look = look.then(() => tellOfExpiries(database, logger, now())) }, tickMs)
  timer.unref()
  return {
    async stop () {
      clearInterval(timer)
      await look
    }
  }
}

/** One look; never rejects. */
export async function tellOfExpiries ({ db }: Pick<Database, 'db'>, logger: ExpiryNoticesOptions['logger'], nowMs: number): Promise<void> {
  try {
    for (const { keyId, orgId, prefix, days, expiresAt } of await dueNotices(db, NOTICE_DAYS, nowMs)) {
      const isFirst = await insertNotice(db, { keyId, orgId, days, atMs: nowMs, actor: ACTOR })
      if (isFirst) logger.warn({ key: keyId, prefix, org: orgId, days, expires_at: expiresAt.toISOString() }, 'a key expires soon')
    }
  } catch (err) {
    if (!isDatabaseAway(err)) logger.warn({ reason: err instanceof Error ? err.name : 'unknown' }, 'keys that expire soon could not be looked for; they will be')
  }
}
