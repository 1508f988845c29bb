/** Anomaly events, what follows from them, and the audit rows that they are judged from. Across organizations, for operators. */
import { and, asc, desc, eq, gt, gte, isNotNull, lt, sql } from 'drizzle-orm'
import type { DetectedAnomaly, Observation } from '../../plugins/lib/anomaly/detector.ts'
import { SIGNALS, type Signal } from '../../plugins/lib/anomaly/thresholds.ts'
import type { Db } from '../client.ts'
import { rowsOf } from '../rows.ts'
import { anomalyEvents, apiKeys, auditRows } from '../schema.ts'
import { insertKeyEvent, snapshotOf, type Act, type KeyAction } from './key-events.ts'
import { lockKey } from './keys.ts'

export type AnomalyEventRow = typeof anomalyEvents.$inferSelect
export type AnomalyAction = AnomalyEventRow['action']

/** The actor of a suspension that nobody but detection decided. */
const DETECTION = 'anomaly-detection'
const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000

/**
 * Keeps an anomaly unless the same signal of the same subject was kept inside its cool-down, by whichever instance. Returns its id,
 * or null. Call it in a transaction: until that ends no other event of the subject is kept, so that of two signals the later one
 * always sees the earlier.
 */
export async function insertAnomaly (tx: Db, anomaly: DetectedAnomaly & { label?: string | null }): Promise<number | null> {
  const subject = anomaly.keyId ?? anomaly.orgId ?? ''
  const at = new Date(anomaly.atMs)
  await tx.execute(sql`select pg_advisory_xact_lock(hashtext(${`anomaly ${subject}`}))`)
  const [recent] = await tx.select({ id: anomalyEvents.id }).from(anomalyEvents).where(and(
    eq(anomalyEvents.subject, subject), eq(anomalyEvents.signal, anomaly.signal),
    gt(anomalyEvents.at, new Date(anomaly.atMs - anomaly.threshold.coolDownMs)))).limit(1)
  if (recent !== undefined) return null
  const [row] = await tx.insert(anomalyEvents).values({
    at,
    signal: anomaly.signal,
    subject,
    severity: anomaly.severity,
    isCertain: anomaly.isCertain,
    orgId: anomaly.orgId,
    keyId: anomaly.keyId,
    numbers: { ...anomaly.numbers },
    threshold: { ...anomaly.threshold },
    watermarks: [...anomaly.watermarks],
    ip: anomaly.ip,
    userAgent: anomaly.userAgent,
    label: anomaly.label ?? null
  }).returning({ id: anomalyEvents.id })
  return row?.id ?? null
}

/** Signals of at least medium severity that a key has raised since a time. */
export async function signalsOf (db: Db, keyId: string, since: Date): Promise<Signal[]> {
  const rows = await db.selectDistinct({ signal: anomalyEvents.signal }).from(anomalyEvents)
    .where(and(eq(anomalyEvents.keyId, keyId), gte(anomalyEvents.at, since), sql`${anomalyEvents.severity} <> 'low'`))
  return rows.map(({ signal }) => signal).filter(isSignal)
}

export async function setAnomalyAction (db: Db, id: number, action: AnomalyAction): Promise<void> {
  await db.update(anomalyEvents).set({ action }).where(eq(anomalyEvents.id, id))
}

/**
 * Suspends an active key; reversible. Without certainty never the last active key of its organization: cutting a partner off
 * altogether is then an operator's decision. With `isTrial` only says what would come of it. Call it in a transaction, and bump the
 * key's epoch afterwards.
 */
export async function suspendKey (tx: Db, keyId: string, by: { reason: string, isCertain: boolean, isTrial?: boolean, act?: Act }): Promise<Extract<AnomalyAction, 'suspended' | 'declined_last_key' | 'not_active'>> {
  // All keys of the organization in one order: two keys suspended at once must not each count the other as still active.
  const keys = rowsOf(await tx.execute(sql`select id, org_id, state from api_keys where org_id = (select org_id from api_keys where id = ${keyId}) order by id for update`))
  const active = keys.filter(({ state }) => state === 'active').map(({ id }) => id)
  if (!active.includes(keyId)) return 'not_active'
  if (!by.isCertain && active.length === 1) return 'declined_last_key'
  if (by.isTrial === true) return 'suspended'
  await tx.update(apiKeys).set({ state: 'suspended', suspendedAt: sql`now()`, suspendedReason: by.reason }).where(eq(apiKeys.id, keyId))
  await tellHistory(tx, { orgId: String(keys.find(({ id }) => id === keyId)?.['org_id']), keyId }, 'suspended', 'active', by.act ?? { actor: DETECTION, reason: by.reason, watermark: null })
  return 'suspended'
}

/** Undoes a suspension. False when the key was not suspended. Call it in a transaction, and bump the key's epoch afterwards. */
export async function resumeKey (tx: Db, keyId: string, act: Act): Promise<boolean> {
  const [row] = await tx.update(apiKeys).set({ state: 'active', suspendedAt: null, suspendedReason: null })
    .where(and(eq(apiKeys.id, keyId), eq(apiKeys.state, 'suspended'))).returning({ orgId: apiKeys.orgId })
  if (row === undefined) return false
  await tellHistory(tx, { orgId: row.orgId, keyId }, 'resumed', 'suspended', act)
  return true
}

async function tellHistory (tx: Db, { orgId, keyId }: { orgId: string, keyId: string }, action: KeyAction, before: string, act: Act): Promise<void> {
  const key = await lockKey(tx, orgId, keyId)
  if (key === null) throw new Error('a changed key was not there')
  const after = snapshotOf(key)
  await insertKeyEvent(tx, orgId, { keyId, action, act, atMs: Date.now(), before: { ...after, state: before }, after })
}

export interface AnomalyQuery { orgId?: string, since?: Date, afterId?: number, limit: number }

/** Newest first; with `afterId` what came since, oldest first. */
export async function listAnomalies (db: Db, query: AnomalyQuery): Promise<AnomalyEventRow[]> {
  return await db.select().from(anomalyEvents).where(and(
    query.orgId === undefined ? undefined : eq(anomalyEvents.orgId, query.orgId),
    query.since === undefined ? undefined : gte(anomalyEvents.at, query.since),
    query.afterId === undefined ? undefined : gt(anomalyEvents.id, query.afterId)
  )).orderBy(query.afterId === undefined ? desc(anomalyEvents.id) : asc(anomalyEvents.id)).limit(query.limit)
}

/** Takes or renews a lease; false while another holder's is running. */
export async function takeLease (db: Db, lease: { name: string, holder: string, ms: number }): Promise<boolean> {
  const result = await db.execute(sql`
    insert into leases (name, holder, until) values (${lease.name}, ${lease.holder}, now() + ${lease.ms} * interval '1 millisecond')
    on conflict (name) do update set holder = excluded.holder, until = excluded.until where leases.holder = excluded.holder or leases.until < now()
    returning name`)
  return rowsOf(result).length === 1
}

/** Ends a lease early, so that another instance need not wait for it. */
export async function giveUpLease (db: Db, lease: { name: string, holder: string }): Promise<void> {
  await db.execute(sql`update leases set until = now() where name = ${lease.name} and holder = ${lease.holder}`)
}

/** Audit rows from a time on, before another, oldest first. */
export async function readObservations (db: Db, span: { sinceMs: number, untilMs?: number, limit: number }): Promise<Observation[]> {
  const rows = await db.select({
    watermark: auditRows.watermark,
    at: auditRows.at,
    orgId: auditRows.orgId,
    keyId: auditRows.keyId,
    method: auditRows.method,
    route: auditRows.route,
    pathHash: auditRows.pathHash,
    status: auditRows.status,
    code: auditRows.code,
    ip: auditRows.ip,
    userAgent: auditRows.userAgent
  }).from(auditRows).where(and(
    gte(auditRows.at, new Date(span.sinceMs)), span.untilMs === undefined ? undefined : lt(auditRows.at, new Date(span.untilMs))
  )).orderBy(auditRows.at).limit(span.limit)
  return rows.map(({ at, ...row }) => ({ ...row, atMs: at.getTime() }))
}

/** Requests per key and clock hour of the week before a time. Once per leader; hour by hour, so that no statement is long. */
export async function readHours (db: Db, beforeMs: number): Promise<Array<{ keyId: string, hourMs: number, count: number }>> {
  const hours: Array<{ keyId: string, hourMs: number, count: number }> = []
  for (let hourMs = beforeMs - 7 * DAY_MS; hourMs < beforeMs; hourMs += HOUR_MS) {
    const rows = await db.select({ keyId: auditRows.keyId, count: sql<number>`count(*)`.mapWith(Number) }).from(auditRows)
      .where(and(isNotNull(auditRows.keyId), gte(auditRows.at, new Date(hourMs)), lt(auditRows.at, new Date(hourMs + HOUR_MS)))).groupBy(auditRows.keyId)
    for (const { keyId, count } of rows) if (keyId !== null) hours.push({ keyId, hourMs, count })
  }
  return hours
}

export async function readRaised (db: Db, sinceMs: number): Promise<Array<{ signal: Signal, subject: string, atMs: number }>> {
  const rows = await db.select({ signal: anomalyEvents.signal, subject: anomalyEvents.subject, at: anomalyEvents.at }).from(anomalyEvents).where(gte(anomalyEvents.at, new Date(sinceMs)))
  return rows.flatMap(({ signal, subject, at }) => isSignal(signal) ? [{ signal, subject, atMs: at.getTime() }] : [])
}

function isSignal (text: string): text is Signal {
  return SIGNALS.some((known) => known === text)
}
