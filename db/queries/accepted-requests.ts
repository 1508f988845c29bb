/** State-changing requests that were accepted: one row each while its signature could be presented again. Knows keys, no organizations. */
import { sql } from 'drizzle-orm'
import type { Db } from '../client.ts'
import { arrayLiteral } from '../audit-statement.ts'
import { rowsOf } from '../rows.ts'

/** Rows that a new one clears away: more than one, so that the table does not grow whatever comes. */
const CLEARED_FOR_EACH = 8

export interface AcceptedRequest { readonly keyId: string, readonly replayId: string, readonly ttlSeconds: number }

/** Keeps the requests and tells for each whether it was kept for the first time. One statement, so that of any number at once, in one batch or in many, exactly one is first. */
export async function acceptRequests (db: Db, requests: readonly AcceptedRequest[]): Promise<boolean[]> {
  const column = (read: (one: AcceptedRequest) => unknown): string => arrayLiteral(requests.map(read))
  const kept = rowsOf(await db.execute(sql`with lapsed as (
      delete from accepted_requests where ctid = any (array(
        select ctid from accepted_requests where expires_at < now() order by expires_at limit ${CLEARED_FOR_EACH * requests.length} for update skip locked))
    )
    insert into accepted_requests (key_id, replay_id, expires_at)
    select key_id, replay_id, now() + ttl * interval '1 second'
    from unnest(${column(({ keyId }) => keyId)}::text::text[], ${column(({ replayId }) => replayId)}::text::text[], ${column(({ ttlSeconds }) => ttlSeconds)}::text::float8[]) as batch (key_id, replay_id, ttl)
    order by key_id, replay_id
    on conflict do nothing returning key_id, replay_id`))
  const first = new Set(kept.map((row) => `${String(row['key_id'])} ${String(row['replay_id'])}`))
  // Of two in one batch that are the same, one is first.
  return requests.map(({ keyId, replayId }) => first.delete(`${keyId} ${replayId}`))
}
