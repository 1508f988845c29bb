/** The queries that cross organizations, together, for review: authentication, the queue, the audit trail, operators' look-ups. */
import { and, eq, gt, gte, inArray, isNotNull, lt, or, sql, type SQL } from 'drizzle-orm'
import type { AuditRow, KeyRecord, Permission, SigningSecret } from '../../plugins/context.ts'
import { openSigningSecret, type SigningProfile } from '../../plugins/lib/hardened-signature.ts'
import type { MasterKeys } from '../../plugins/lib/sealed-secret.ts'
import type { RefusalCount } from '../../plugins/support/audit-log.ts'
import { arrayLiteral, auditParameters, INSERT_AUDIT_ROWS } from '../audit-statement.ts'
import type { Database, Db } from '../client.ts'
import { apiKeys, auditRows, evaluationItems, evaluations, scenarios } from '../schema.ts'

/**
 * Claims whose worker died, after which an evaluation ends as an error. A graph that kills its thread costs one scenario and no claim, so this
 * only bounds what takes the whole process with it; a service that is killed again and again gives nothing up before that.
 */
export const ATTEMPTS_MAX = 20

export interface Lease { evaluationId: string, workerId: string, attempt: number }
export interface ClaimedEvaluation { id: string, orgId: string, attempt: number }
/** `graph`: its JSON text, for the thread that reads it. */
export interface WorkItem { position: number, scenarioId: string, name: string, graph: string | null }

/** Strangers make the service read keys, so this one statement is built once and planned once a connection. */
const keyByDigest = new WeakMap<Db, ReturnType<typeof prepareKeyByDigest>>()

/** Records hold these very texts: one is then found in them without a look at its characters. */
const PERMISSIONS: readonly Permission[] = ['governance:read', 'governance:evaluate', 'admin']

function prepareKeyByDigest (db: Db) {
  return db.select().from(apiKeys).where(eq(apiKeys.digest, sql.placeholder('digest'))).prepare('key_by_digest')
}

/** A hardened key's secrets are opened with the master keys; rejects when a valid one does not open. */
export async function findKeyByDigest (db: Db, digest: Buffer, masterKeys: MasterKeys): Promise<KeyRecord | null> {
  const statement = keyByDigest.get(db) ?? prepareKeyByDigest(db)
  keyByDigest.set(db, statement)
  const [row] = await statement.execute({ digest })
  if (row === undefined) return null
  return {
    keyId: row.id,
    orgId: row.orgId,
    prefix: row.prefix,
    permissions: PERMISSIONS.filter((one) => row.permissions.includes(one)),
    ipAllowlist: row.ipAllowlist,
    perMinute: row.perMinute,
    perHour: row.perHour,
    state: row.state,
    expiresAtMs: row.expiresAt?.getTime() ?? null,
    ...(row.canaryLabel === null ? {} : { canaryLabel: row.canaryLabel }),
    // A dead key is refused whatever its secret was.
    ...(row.sealedSigningSecret === null || row.state !== 'active' ? {} : { signing: signingOf(row.id, row.sealedSigningSecret, row, masterKeys) }),
    ...(row.replacedAt === null || row.graceUntil === null ? {} : { retiring: { deprecation: `@${Math.floor(row.replacedAt.getTime() / 1000)}`, sunset: row.graceUntil.toUTCString() } }),
    ...(row.debugUntil === null ? {} : { debugUntilMs: row.debugUntil.getTime() })
  }
}

function signingOf (keyId: string, sealed: string, row: Pick<typeof apiKeys.$inferSelect, 'sealedPreviousSigningSecret' | 'previousSigningSecretUntil'>, masterKeys: MasterKeys): SigningSecret[] {
  const current = { secret: openSigningSecret(sealed, keyId, masterKeys), untilMs: null }
  const untilMs = row.previousSigningSecretUntil?.getTime() ?? 0
  // What has stopped being valid may have lost its master key as well.
  if (row.sealedPreviousSigningSecret === null || untilMs <= Date.now()) return [current]
  return [current, { secret: openSigningSecret(row.sealedPreviousSigningSecret, keyId, masterKeys), untilMs }]
}

/** Ends as an error what killed its worker on every attempt; the graphs of its requests are gone with it. Call it in a transaction. */
export async function endSpentEvaluations (db: Db): Promise<Array<{ id: string, orgId: string }>> {
  const spent = await db.update(evaluations)
    .set({ state: 'error', error: 'The evaluation could not be finished', completedAt: sql`now()`, leaseWorker: null, leaseUntil: null })
    .where(and(eq(evaluations.state, 'processing'), lt(evaluations.leaseUntil, sql`now()`), gte(evaluations.attempt, ATTEMPTS_MAX)))
    .returning({ id: evaluations.id, orgId: evaluations.orgId })
  if (spent.length > 0) await db.update(evaluationItems).set({ graph: null }).where(inArray(evaluationItems.evaluationId, spent.map(({ id }) => id)))
  return spent
}

/** Claims the oldest open evaluation under a lease, or null. */
export async function claimEvaluation (db: Db, options: { workerId: string, leaseMs: number, exceptOrgs?: readonly string[] }): Promise<ClaimedEvaluation | null> {
  const exceptOrgs = options.exceptOrgs ?? []
  const isWaiting = exceptOrgs.length === 0 ? sql`false` : sql`open.org_id in ${[...exceptOrgs]}`
  const [claimed] = await db.update(evaluations)
    .set({
      state: 'processing',
      attempt: sql`${evaluations.attempt} + 1`,
      leaseWorker: options.workerId,
      leaseUntil: sql`now() + ${options.leaseMs} * interval '1 millisecond'`
    })
    .where(sql`${evaluations.id} = (
      select open.id from evaluations open
      where (open.state = 'pending' or (open.state = 'processing' and open.lease_until < now() and open.attempt < ${ATTEMPTS_MAX})) and not ${isWaiting}
      order by open.created_at limit 1 for update skip locked)`)
    .returning({ id: evaluations.id, orgId: evaluations.orgId, attempt: evaluations.attempt })
  return claimed ?? null
}

/** Items still to judge: with the graph of the request, or of the stored scenario of the same organization. */
export async function loadItemsForWork (db: Db, evaluationId: string): Promise<WorkItem[]> {
  return await db.select({
    position: evaluationItems.position,
    scenarioId: evaluationItems.scenarioId,
    name: evaluationItems.name,
    graph: sql<string | null>`coalesce(${evaluationItems.graph}, ${scenarios.graph})::text`
  }).from(evaluationItems)
    .leftJoin(scenarios, and(eq(scenarios.id, evaluationItems.scenarioId), eq(scenarios.orgId, evaluationItems.orgId)))
    .where(and(eq(evaluationItems.evaluationId, evaluationId), sql`${evaluationItems.finishedAt} is null`))
    .orderBy(evaluationItems.position)
}

/** Keeps one item's outcome, JSON texts as they come from the thread, only under the lease. An ephemeral graph is gone with it. */
export async function recordItem (db: Db, item: Lease & { position: number, result: string | null, standing: string | null, error: string | null }): Promise<boolean> {
  const rows = await db.update(evaluationItems)
    .set({ result: jsonOrNull(item.result), standing: jsonOrNull(item.standing), error: item.error, graph: null, finishedAt: sql`now()` })
    .where(and(
      eq(evaluationItems.evaluationId, item.evaluationId), eq(evaluationItems.position, item.position), sql`${evaluationItems.finishedAt} is null`,
      sql`exists (select 1 from evaluations held where held.id = ${item.evaluationId} and held.state = 'processing'
        and held.lease_worker = ${item.workerId} and held.attempt = ${item.attempt})`))
    .returning({ position: evaluationItems.position })
  return rows.length === 1
}

function jsonOrNull (text: string | null): SQL | null {
  return text === null ? null : sql`${text}::jsonb`
}

export async function renewLease (db: Db, lease: Lease & { leaseMs: number }): Promise<boolean> {
  const rows = await db.update(evaluations)
    .set({ leaseUntil: sql`now() + ${lease.leaseMs} * interval '1 millisecond'` })
    .where(heldBy(lease)).returning({ id: evaluations.id })
  return rows.length === 1
}

/** Ends an evaluation under the lease: complete once every scenario has its outcome, or error with a fixed sentence. */
export async function finishEvaluation (db: Db, lease: Lease & { error: string | null }): Promise<boolean> {
  const rows = await db.update(evaluations)
    .set({ state: lease.error === null ? 'complete' : 'error', error: lease.error, completedAt: sql`now()`, leaseWorker: null, leaseUntil: null })
    .where(and(heldBy(lease), lease.error !== null
      ? undefined
      : sql`not exists (
      select 1 from evaluation_items item where item.evaluation_id = ${evaluations.id} and item.finished_at is null)`))
    .returning({ id: evaluations.id })
  return rows.length === 1
}

/** Gives a claim back untouched, with its attempt: the worker is stopping. */
export async function releaseEvaluation (db: Db, lease: Lease): Promise<void> {
  await db.update(evaluations).set({ state: 'pending', attempt: sql`${evaluations.attempt} - 1`, leaseWorker: null, leaseUntil: null }).where(heldBy(lease))
}

function heldBy (lease: Lease): ReturnType<typeof and> {
  return and(eq(evaluations.id, lease.evaluationId), eq(evaluations.state, 'processing'), eq(evaluations.leaseWorker, lease.workerId), eq(evaluations.attempt, lease.attempt))
}

/** Writes audit rows in one statement, over the connection that only this uses; durable once it resolves. */
export async function insertAuditRows (database: Database, rows: readonly AuditRow[]): Promise<void> {
  await database.run(INSERT_AUDIT_ROWS, auditParameters(rows))
}

/** One array a column: a statement of five hundred rows that is built from values would hold up its process for longer than a request takes. */
export async function addRefusalCounts (db: Db, counts: readonly RefusalCount[]): Promise<void> {
  if (counts.length === 0) return
  const column = (read: (one: RefusalCount) => unknown): string => arrayLiteral(counts.map(read))
  await db.execute(sql`insert into refusal_counts (minute, network, code, count)
    select * from unnest(${column(({ minute }) => minute.toISOString())}::text::timestamptz[], ${column(({ network }) => network)}::text::text[], ${column(({ code }) => code)}::text::text[], ${column(({ count }) => count)}::text::bigint[])
    on conflict (minute, network, code) do update set count = refusal_counts.count + excluded.count`)
}

export type AuditRowStored = typeof auditRows.$inferSelect

/** Which of these watermarks have a row. */
export async function countAuditRows (db: Db, watermarks: readonly string[]): Promise<number> {
  const [row] = await db.select({ count: sql<number>`count(*)`.mapWith(Number) }).from(auditRows)
    .where(sql`${auditRows.watermark} in ${[...watermarks]}`)
  return row?.count ?? 0
}

export interface KeyForOperator { id: string, orgId: string, prefix: string, state: KeyRecord['state'], revokedAt: Date | null, signingProfile: SigningProfile }

const KEY_FOR_OPERATOR = { id: apiKeys.id, orgId: apiKeys.orgId, prefix: apiKeys.prefix, state: apiKeys.state, revokedAt: apiKeys.revokedAt, signingProfile: apiKeys.signingProfile }

/** Keys by id or 12-character prefix; prefixes are not unique, so there may be several. */
export async function findKeysByIdOrPrefix (db: Db, idOrPrefix: string): Promise<KeyForOperator[]> {
  return await db.select(KEY_FOR_OPERATOR).from(apiKeys).where(or(eq(apiKeys.id, idOrPrefix), eq(apiKeys.prefix, idOrPrefix)))
}

/** From now on for so long a refused signature of the key says in its audit row what differed; null switches that off. Bump the key's epoch afterwards. */
export async function debugKey (db: Db, keyId: string, forMs: number | null): Promise<Date | null> {
  const [row] = await db.update(apiKeys)
    .set({ debugUntil: forMs === null ? null : sql`date_trunc('milliseconds', now() + ${forMs} * interval '1 millisecond')` })
    .where(eq(apiKeys.id, keyId)).returning({ debugUntil: apiKeys.debugUntil })
  return row?.debugUntil ?? null
}

const SEALED = { current: apiKeys.sealedSigningSecret, previous: apiKeys.sealedPreviousSigningSecret } as const

/** Sealed signing secrets of keys in the order of their ids, for the rotation of the master key. */
export async function listSealedSigningSecrets (db: Db, which: keyof typeof SEALED, page: { afterId: string, limit: number }): Promise<Array<{ id: string, sealedSecret: string }>> {
  const rows = await db.select({ id: apiKeys.id, sealedSecret: SEALED[which] }).from(apiKeys)
    .where(and(gt(apiKeys.id, page.afterId), isNotNull(SEALED[which]))).orderBy(apiKeys.id).limit(page.limit)
  return rows.flatMap(({ id, sealedSecret }) => sealedSecret === null ? [] : [{ id, sealedSecret }])
}

/** Only while it is still the one that was read. */
export async function replaceSealedSigningSecret (db: Db, which: keyof typeof SEALED, change: { id: string, from: string, to: string }): Promise<void> {
  await db.update(apiKeys).set(which === 'current' ? { sealedSigningSecret: change.to } : { sealedPreviousSigningSecret: change.to })
    .where(and(eq(apiKeys.id, change.id), eq(SEALED[which], change.from)))
}

/** Every key as a replay of past requests needs it. */
export async function listKeysForBacktest (db: Db): Promise<Array<{ keyId: string, orgId: string, prefix: string, permissions: string[], perMinute: number, perHour: number, isActive: boolean }>> {
  return await db.select({
    keyId: apiKeys.id,
    orgId: apiKeys.orgId,
    prefix: apiKeys.prefix,
    permissions: apiKeys.permissions,
    perMinute: apiKeys.perMinute,
    perHour: apiKeys.perHour,
    isActive: sql<boolean>`${apiKeys.state} = 'active' and coalesce(${apiKeys.expiresAt} > now(), true)`
  }).from(apiKeys)
}
