/** The history of keys, and the addresses that a key was used from. `orgId` comes first; the notices of expiry cross organizations. */
import { and, asc, desc, eq, gt, gte, lt, sql } from 'drizzle-orm'
import { ulid } from '../../plugins/lib/record-id.ts'
import type { Db } from '../client.ts'
import { rowsOf } from '../rows.ts'
import { apiKeys, auditRows, keyEvents } from '../schema.ts'
import type { KeySnapshot } from '../tables/key-events.ts'
import type { KeyRow } from './keys.ts'

export type { KeySnapshot } from '../tables/key-events.ts'
export type KeyEventRow = typeof keyEvents.$inferSelect
export type KeyAction = KeyEventRow['action']

/** Who acts, why, and the watermark of the answer that tells them, where there is one. */
export interface Act { readonly actor: string, readonly reason: string | null, readonly watermark: string | null }

export interface NewKeyEvent { keyId: string, action: KeyAction, act: Act, atMs: number, before: KeySnapshot | null, after: KeySnapshot | null }

/** Newest rows of an organization that are looked at for the last use of its keys, so that a list costs the same whatever was done. */
const USES_MAX = 10_000
/** Refused for what a stranger who has the key alone would be refused for: no address of the key's owner. */
const NOT_THE_OWNERS = ['ip_not_allowed', 'signature_missing', 'signature_invalid']

export async function insertKeyEvent (db: Db, orgId: string, event: NewKeyEvent): Promise<void> {
  const { keyId, action, act, atMs, before, after } = event
  await db.insert(keyEvents).values({ id: `kev_${ulid(atMs)}`, orgId, keyId, at: new Date(atMs), action, before, after, ...act })
}

/** Keys that work and end within the steps (days): each with the step that it is in, where nobody has been told of it yet. Across organizations. */
export async function dueNotices (db: Db, stepsDays: readonly number[], nowMs: number): Promise<Array<{ keyId: string, orgId: string, prefix: string, days: number, expiresAt: Date }>> {
  const now = new Date(nowMs).toISOString()
  const steps = sql.join(stepsDays.map((days) => sql`(${days}::integer)`), sql`, `)
  const result = await db.execute(sql`
    select due.* from (
      select k.id, k.org_id, k.prefix, (extract(epoch from k.expires_at) * 1000)::float8 as ms, min(step.days) as days
      from api_keys k join (values ${steps}) step (days) on k.expires_at <= ${now}::timestamptz + step.days * interval '1 day'
      where k.state = 'active' and k.grace_until is null and k.expires_at > ${now}::timestamptz
      group by k.id) due
    where not exists (select 1 from key_events told where told.key_id = due.id and told.notice_days = due.days)`)
  return rowsOf(result).map((row) => ({ keyId: String(row['id']), orgId: String(row['org_id']), prefix: String(row['prefix']), days: Number(row['days']), expiresAt: new Date(Number(row['ms'])) }))
}

/** True for the first of any number of callers that tells of this step. */
export async function insertNotice (db: Db, notice: { keyId: string, orgId: string, days: number, atMs: number, actor: string }): Promise<boolean> {
  const { keyId, orgId, days, atMs, actor } = notice
  const rows = await db.insert(keyEvents).values({ id: `kev_${ulid(atMs)}`, orgId, keyId, at: new Date(atMs), actor, action: 'expires_soon', noticeDays: days })
    .onConflictDoNothing().returning({ id: keyEvents.id })
  return rows.length === 1
}

/** Newest first; ids are time-ordered, so the id is the cursor. */
export async function listKeyEvents (db: Db, orgId: string, query: { keyId?: string, limit: number, afterId: string | null }): Promise<KeyEventRow[]> {
  return await db.select().from(keyEvents).where(and(
    eq(keyEvents.orgId, orgId),
    query.keyId === undefined ? undefined : eq(keyEvents.keyId, query.keyId),
    query.afterId === null ? undefined : lt(keyEvents.id, query.afterId)
  )).orderBy(desc(keyEvents.id)).limit(query.limit)
}

export interface NoticeQuery { orgId?: string, since?: Date, afterId?: string, limit: number }

/** Notices of expiry across organizations, newest first; with `afterId` what came since, oldest first. */
export async function listNotices (db: Db, query: NoticeQuery): Promise<Array<KeyEventRow & { prefix: string, expiresAt: Date | null }>> {
  const rows = await db.select({ event: keyEvents, prefix: apiKeys.prefix, expiresAt: apiKeys.expiresAt }).from(keyEvents).innerJoin(apiKeys, eq(apiKeys.id, keyEvents.keyId)).where(and(
    eq(keyEvents.action, 'expires_soon'),
    query.orgId === undefined ? undefined : eq(keyEvents.orgId, query.orgId),
    query.since === undefined ? undefined : gte(keyEvents.at, query.since),
    query.afterId === undefined ? undefined : gt(keyEvents.id, query.afterId)
  )).orderBy(query.afterId === undefined ? desc(keyEvents.id) : asc(keyEvents.id)).limit(query.limit)
  return rows.map(({ event, prefix, expiresAt }) => ({ ...event, prefix, expiresAt }))
}

/** What a key's history shows of it. */
export function snapshotOf (row: KeyRow): KeySnapshot {
  return {
    name: row.name,
    permissions: row.permissions,
    state: row.state,
    ip_allowlist: row.ipAllowlist,
    rpm: row.perMinute,
    rph: row.perHour,
    expires_at: row.expiresAt?.toISOString() ?? null,
    signing_profile: row.signingProfile,
    replaces: row.replaces,
    replaced_by: row.replacedBy,
    grace_until: row.graceUntil?.toISOString() ?? null,
    previous_signing_secret_until: row.previousSigningSecretUntil?.toISOString() ?? null,
    debug_until: row.debugUntil?.toISOString() ?? null
  }
}

/** Addresses from which the key was used since then, as its owner uses it. */
export async function addressesOf (db: Db, orgId: string, keyId: string, since: Date): Promise<string[]> {
  const rows = await db.selectDistinct({ ip: sql<string>`host(${auditRows.ip})` }).from(auditRows).where(and(
    eq(auditRows.orgId, orgId), eq(auditRows.keyId, keyId), gte(auditRows.at, since), sql`coalesce(${auditRows.code}, '') not in ${NOT_THE_OWNERS}`))
  return rows.map(({ ip }) => ip).sort()
}

/** When keys were last used, as far as the newest requests of the organization since then show it. */
export async function lastUses (db: Db, orgId: string, since: Date): Promise<Map<string, Date>> {
  const result = await db.execute(sql`
    select key_id, (extract(epoch from max(at)) * 1000)::float8 as ms
    from (select key_id, at from audit_rows where org_id = ${orgId} and at >= ${since.toISOString()}::timestamptz order by at desc limit ${USES_MAX}) recent
    where key_id is not null group by key_id`)
  return new Map(rowsOf(result).map((row) => [String(row['key_id']), new Date(Number(row['ms']))]))
}
