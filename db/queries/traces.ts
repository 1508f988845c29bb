/** What a watermark leads to: the answered request, or the webhook delivery, that carried it. The one place that knows both sources. */
import { and, between, desc, eq, inArray, lt, or, sql, gte, lte, type SQL } from 'drizzle-orm'
import { watermarkTime } from '../../plugins/lib/watermark-id.ts'
import type { Db } from '../client.ts'
import { apiKeys, auditRows, evaluationItems, organizations, redemptions, webhookDeliveries } from '../schema.ts'
import type { AuditRowStored } from './system.ts'

/** A row's time is set when its answer is sent; its watermark was minted when the request came in. */
const SPAN_MS = 3_600_000

export type Traced =
  | { source: 'request', watermark: string, orgId: string | null, row: AuditRowStored }
  | { source: 'webhook', watermark: string, orgId: string, delivery: TracedDelivery }

export interface TracedDelivery { id: string, subscriptionId: string, event: string, evaluationId: string | null, at: Date, state: string }

const DELIVERY = {
  watermark: webhookDeliveries.watermark,
  orgId: webhookDeliveries.orgId,
  id: webhookDeliveries.id,
  subscriptionId: webhookDeliveries.subscriptionId,
  event: webhookDeliveries.event,
  evaluationId: webhookDeliveries.evaluationId,
  at: webhookDeliveries.createdAt,
  state: webhookDeliveries.state
}

/** What these watermarks lead to, across organizations; those that lead nowhere are left out. */
export async function traceWatermarks (db: Db, watermarks: readonly string[]): Promise<Map<string, Traced>> {
  return await trace(db, watermarks, undefined)
}

/** What a watermark leads to within one organization. The same query whether the mark is forged, foreign or unknown. */
export async function traceWithin (db: Db, orgId: string, watermark: string): Promise<Traced | null> {
  return (await trace(db, [watermark], orgId)).get(watermark) ?? null
}

async function trace (db: Db, watermarks: readonly string[], orgId: string | undefined): Promise<Map<string, Traced>> {
  const found = new Map<string, Traced>()
  if (watermarks.length === 0) return found
  const times = watermarks.map(watermarkTime).filter((ms) => ms < Date.now() + SPAN_MS)
  // Only the partitions around the marks' own times are searched.
  const span = times.length === 0 ? sql`false` : between(auditRows.at, new Date(Math.min(...times) - SPAN_MS), new Date(Math.max(...times) + SPAN_MS))
  const rows = await db.select().from(auditRows).where(and(inArray(auditRows.watermark, [...watermarks]), span, orgId === undefined ? undefined : eq(auditRows.orgId, orgId)))
  for (const row of rows) found.set(row.watermark, { source: 'request', watermark: row.watermark, orgId: row.orgId, row })
  const deliveries = await db.select(DELIVERY).from(webhookDeliveries)
    .where(and(inArray(webhookDeliveries.watermark, [...watermarks]), orgId === undefined ? undefined : eq(webhookDeliveries.orgId, orgId)))
  for (const { watermark, orgId: owner, ...delivery } of deliveries) found.set(watermark, { source: 'webhook', watermark, orgId: owner, delivery })
  return found
}

/** Names of organizations and keys, for people. */
export async function organizationNames (db: Db, ids: readonly string[]): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map()
  const rows = await db.select({ id: organizations.id, name: organizations.name }).from(organizations).where(inArray(organizations.id, [...ids]))
  return new Map(rows.map(({ id, name }) => [id, name]))
}

export interface TracedKey { id: string, orgId: string, name: string, prefix: string, state: string }

/** Keys with these 12-character prefixes, which are not unique, or these ids. */
export async function keysByPrefixOrId (db: Db, wanted: { prefixes: readonly string[], ids: readonly string[] }): Promise<TracedKey[]> {
  const conditions: SQL[] = []
  if (wanted.prefixes.length > 0) conditions.push(inArray(apiKeys.prefix, [...wanted.prefixes]))
  if (wanted.ids.length > 0) conditions.push(inArray(apiKeys.id, [...wanted.ids]))
  if (conditions.length === 0) return []
  return await db.select({ id: apiKeys.id, orgId: apiKeys.orgId, name: apiKeys.name, prefix: apiKeys.prefix, state: apiKeys.state }).from(apiKeys).where(or(...conditions))
}

/** The findings of the evaluation that an answer held, where it is known which: a redemption or a webhook. */
export async function findingsBehind (db: Db, traced: Traced): Promise<Array<{ fingerprint: string, code: string, module: string | null, scenario: string }>> {
  const evaluationId = traced.source === 'webhook' ? traced.delivery.evaluationId : await redeemedEvaluation(db, traced.watermark)
  if (evaluationId === null) return []
  const items = await db.select({ scenario: evaluationItems.scenarioId, result: evaluationItems.result }).from(evaluationItems).where(eq(evaluationItems.evaluationId, evaluationId))
  return items.flatMap(({ scenario, result }) => (result?.violations ?? []).map(({ fingerprint, code, module }) => ({ fingerprint, code, module: module?.name ?? null, scenario })))
}

async function redeemedEvaluation (db: Db, watermark: string): Promise<string | null> {
  const [row] = await db.select({ evaluationId: redemptions.evaluationId }).from(redemptions).where(eq(redemptions.watermark, watermark))
  return row?.evaluationId ?? null
}

export interface RequestQuery {
  keyPrefix?: string
  status?: number
  since?: Date
  until?: Date
  watermark?: string
  after: { atMs: number, watermark: string } | null
  limit: number
}

/** The organization's own answered requests, newest first. */
export async function listRequests (db: Db, orgId: string, query: RequestQuery): Promise<AuditRowStored[]> {
  const { after } = query
  return await db.select().from(auditRows).where(and(
    eq(auditRows.orgId, orgId),
    query.keyPrefix === undefined ? undefined : eq(auditRows.keyPrefix, query.keyPrefix),
    query.status === undefined ? undefined : eq(auditRows.status, query.status),
    query.since === undefined ? undefined : gte(auditRows.at, query.since),
    query.until === undefined ? undefined : lte(auditRows.at, query.until),
    query.watermark === undefined ? undefined : eq(auditRows.watermark, query.watermark),
    after === null ? undefined : lte(auditRows.at, new Date(after.atMs)),
    after === null ? undefined : or(lt(auditRows.at, new Date(after.atMs)), lt(auditRows.watermark, after.watermark))
  )).orderBy(desc(auditRows.at), desc(auditRows.watermark)).limit(query.limit)
}

/** The audit row behind a watermark, or null. */
export async function findAuditRow (db: Db, watermark: string): Promise<AuditRowStored | null> {
  const traced = (await traceWatermarks(db, [watermark])).get(watermark)
  return traced?.source === 'request' ? traced.row : null
}
