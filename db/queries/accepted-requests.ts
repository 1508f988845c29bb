/** State-changing requests that were accepted: one row each while its signature could be presented again. Knows keys, no organizations. */
import { sql } from 'drizzle-orm'
import type { Db } from '../client.ts'
import { rowsOf } from '../rows.ts'

/** Rows that a new one clears away: more than one, so that the table does not grow whatever comes. */
const CLEARED_AT_ONCE = 8

/** Keeps the request; false when it was kept before. One statement, so that of any number at once exactly one is first. */
export async function acceptRequest (db: Db, keyId: string, replayId: string, ttlSeconds: number): Promise<boolean> {
  const rows = rowsOf(await db.execute(sql`with lapsed as (
      delete from accepted_requests where ctid = any (array(
        select ctid from accepted_requests where expires_at < now() order by expires_at limit ${CLEARED_AT_ONCE} for update skip locked))
    )
    insert into accepted_requests (key_id, replay_id, expires_at)
    values (${keyId}, ${replayId}, now() + ${ttlSeconds} * interval '1 second')
    on conflict do nothing returning key_id`))
  return rows.length === 1
}
