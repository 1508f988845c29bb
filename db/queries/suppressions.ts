/** Suppressions of one organization: making, listing, approving, withdrawing, and what held at a moment. */
import { and, desc, eq, gt, isNotNull, isNull, lt, lte, ne, or, sql } from 'drizzle-orm'
import type { Suppression } from '../../evaluation/suppressions.ts'
import type { Db } from '../client.ts'
import { suppressions } from '../schema.ts'

export type SuppressionRow = typeof suppressions.$inferSelect
export type NewSuppression = Pick<SuppressionRow, 'id' | 'code' | 'scenarioId' | 'fingerprint' | 'reason' | 'createdBy' | 'createdAt' | 'expiresAt'>
export type SuppressionState = 'active' | 'expired' | 'withdrawn'

/** What was in force at a moment, as it was then: an approval or withdrawal that came later is left out. */
export async function suppressionsAt (db: Db, orgId: string, at: Date): Promise<Suppression[]> {
  return thoseInForce(await suppressionsSince(db, orgId, at), at)
}

/** Everything that was in force at some moment since then. */
export async function suppressionsSince (db: Db, orgId: string, since: Date): Promise<SuppressionRow[]> {
  return await db.select().from(suppressions)
    .where(and(eq(suppressions.orgId, orgId), gt(suppressions.expiresAt, since), or(isNull(suppressions.withdrawnAt), gt(suppressions.withdrawnAt, since))))
}

export function thoseInForce (rows: readonly SuppressionRow[], at: Date): Suppression[] {
  const held = rows.filter(({ createdAt, expiresAt, withdrawnAt }) => createdAt <= at && expiresAt > at && (withdrawnAt === null || withdrawnAt > at))
  return held.map(({ id, code, scenarioId, fingerprint, reason, expiresAt, approvedAt }) =>
    ({ id, code, scenarioId, fingerprint, reason, expiresAt, isApproved: approvedAt !== null && approvedAt <= at }))
}

/** False when the organization has `countMax` in force already. */
export async function insertSuppression (db: Db, orgId: string, suppression: NewSuppression, countMax: number): Promise<boolean> {
  // Two calls at once must not both see room for one.
  await db.execute(sql`select pg_advisory_xact_lock(hashtext(${`suppressions ${orgId}`}))`)
  const [row] = await db.select({ count: sql<number>`count(*)`.mapWith(Number) }).from(suppressions)
    .where(and(eq(suppressions.orgId, orgId), gt(suppressions.expiresAt, suppression.createdAt), isNull(suppressions.withdrawnAt)))
  if ((row?.count ?? 0) >= countMax) return false
  await db.insert(suppressions).values({ ...suppression, orgId })
  return true
}

export async function findSuppression (db: Db, orgId: string, id: string): Promise<SuppressionRow | null> {
  const [row] = await db.select().from(suppressions).where(own(orgId, id))
  return row ?? null
}

/** Newest first; ids are time-ordered, so the id is the cursor. */
export async function listSuppressions (db: Db, orgId: string, page: { limit: number, afterId: string | null, state: SuppressionState | null, at: Date }): Promise<SuppressionRow[]> {
  const { limit, afterId, state, at } = page
  return await db.select().from(suppressions)
    .where(and(eq(suppressions.orgId, orgId), afterId === null ? undefined : lt(suppressions.id, afterId), state === null ? undefined : inState(state, at)))
    .orderBy(desc(suppressions.id)).limit(limit)
}

/** Approves what is in force, by anybody but its maker. Null when it is not in force, is the actor's own, or was approved before. */
export async function approveSuppression (db: Db, orgId: string, id: string, by: { actor: string, at: Date }): Promise<SuppressionRow | null> {
  const [row] = await db.update(suppressions).set({ approvedBy: by.actor, approvedAt: by.at })
    .where(and(own(orgId, id), live(by.at), ne(suppressions.createdBy, by.actor), isNull(suppressions.approvedAt))).returning()
  return row ?? null
}

/** Ends one early; null when it is not in force. */
export async function withdrawSuppression (db: Db, orgId: string, id: string, by: { actor: string, at: Date }): Promise<SuppressionRow | null> {
  const [row] = await db.update(suppressions).set({ withdrawnBy: by.actor, withdrawnAt: by.at }).where(and(own(orgId, id), live(by.at))).returning()
  return row ?? null
}

export function stateOf (row: Pick<SuppressionRow, 'withdrawnAt' | 'expiresAt'>, at: Date): SuppressionState {
  if (row.withdrawnAt !== null) return 'withdrawn'
  return row.expiresAt > at ? 'active' : 'expired'
}

function own (orgId: string, id: string): ReturnType<typeof and> {
  return and(eq(suppressions.orgId, orgId), eq(suppressions.id, id))
}

function live (at: Date): ReturnType<typeof and> {
  return and(gt(suppressions.expiresAt, at), isNull(suppressions.withdrawnAt))
}

function inState (state: SuppressionState, at: Date): ReturnType<typeof and> {
  switch (state) {
    case 'active': return live(at)
    case 'withdrawn': return and(isNotNull(suppressions.withdrawnAt))
    case 'expired': return and(isNull(suppressions.withdrawnAt), lte(suppressions.expiresAt, at))
  }
}
