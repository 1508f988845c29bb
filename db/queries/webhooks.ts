/** Webhook subscriptions of one organization and their delivery log. */
import { and, desc, eq, getTableColumns, gte, inArray, isNull, lt, sql } from 'drizzle-orm'
import type { Db } from '../client.ts'
import { webhookDeliveries, webhookSubscriptions } from '../schema.ts'

export const DELIVERY_CHANNEL = 'webhook_ready'
/** First attempt and three retries. */
export const ATTEMPTS_MAX = 4

export type SubscriptionRow = Omit<typeof webhookSubscriptions.$inferSelect, 'sealedSecret' | 'deletedAt'>
export type DeliveryRow = Omit<typeof webhookDeliveries.$inferSelect, 'lease' | 'leaseUntil' | 'claims'>

export interface NewSubscription { id: string, url: string, events: readonly string[], description: string | null, sealedSecret: string, createdBy: string }
export interface SubscriptionChange { url?: string, events?: string[], description?: string | null, isActive?: boolean }
export interface NewDelivery {
  id: string
  subscriptionId: string
  messageId: string
  event: string
  evaluationId: string | null
  subject?: Record<string, string>
  watermark: string
  replayOf?: string
  /** Default 4. */
  attemptsMax?: number
  /** An entry for the log only: it is never sent. */
  isNotice?: boolean
}

const { sealedSecret: _sealed, deletedAt: _deleted, ...SUBSCRIPTION } = getTableColumns(webhookSubscriptions)
const { lease: _lease, leaseUntil: _until, claims: _claims, ...DELIVERY } = getTableColumns(webhookDeliveries)

function own (orgId: string, id: string): ReturnType<typeof and> {
  return and(eq(webhookSubscriptions.orgId, orgId), eq(webhookSubscriptions.id, id), isNull(webhookSubscriptions.deletedAt))
}

/** False when the organization has `countMax` already. */
export async function insertSubscription (db: Db, orgId: string, subscription: NewSubscription, countMax: number): Promise<boolean> {
  // Two calls at once must not both see room for one.
  await db.execute(sql`select pg_advisory_xact_lock(hashtext(${`webhooks ${orgId}`}))`)
  const [row] = await db.select({ count: sql<number>`count(*)`.mapWith(Number) }).from(webhookSubscriptions)
    .where(and(eq(webhookSubscriptions.orgId, orgId), isNull(webhookSubscriptions.deletedAt)))
  if ((row?.count ?? 0) >= countMax) return false
  await db.insert(webhookSubscriptions).values({ ...subscription, events: [...subscription.events], orgId })
  return true
}

export async function listSubscriptions (db: Db, orgId: string): Promise<SubscriptionRow[]> {
  return await db.select(SUBSCRIPTION).from(webhookSubscriptions)
    .where(and(eq(webhookSubscriptions.orgId, orgId), isNull(webhookSubscriptions.deletedAt))).orderBy(desc(webhookSubscriptions.id))
}

export async function findSubscription (db: Db, orgId: string, id: string): Promise<SubscriptionRow | null> {
  const [row] = await db.select(SUBSCRIPTION).from(webhookSubscriptions).where(own(orgId, id))
  return row ?? null
}

/** Null when there is none. Switching on forgets why it was off; what waited for it is sent. */
export async function changeSubscription (db: Db, orgId: string, id: string, { isActive, ...change }: SubscriptionChange): Promise<SubscriptionRow | null> {
  const [row] = await db.update(webhookSubscriptions).set({
    ...change,
    ...(isActive === undefined ? {} : { isActive }),
    ...(isActive === true ? { disabledAt: null, disabledReason: null, failingSince: null, exhaustedCount: 0 } : {}),
    ...(isActive === false ? { disabledAt: sql`coalesce(${webhookSubscriptions.disabledAt}, now())`, disabledReason: 'owner' as const } : {}),
    updatedAt: sql`now()`
  }).where(own(orgId, id)).returning(SUBSCRIPTION)
  return row ?? null
}

/** The new secret holds for every attempt that is signed from now on. False when there is no such subscription. */
export async function replaceSecret (db: Db, orgId: string, id: string, sealedSecret: string): Promise<boolean> {
  const rows = await db.update(webhookSubscriptions).set({ sealedSecret, updatedAt: sql`now()` }).where(own(orgId, id)).returning({ id: webhookSubscriptions.id })
  return rows.length === 1
}

/** Forgets the secret and cancels what was still to be sent; the delivery log stays. False when there is no such subscription. */
export async function deleteSubscription (db: Db, orgId: string, id: string): Promise<boolean> {
  const rows = await db.update(webhookSubscriptions).set({ sealedSecret: null, deletedAt: sql`now()`, updatedAt: sql`now()` })
    .where(own(orgId, id)).returning({ id: webhookSubscriptions.id })
  if (rows.length === 0) return false
  await db.update(webhookDeliveries).set({ state: 'cancelled', finishedAt: sql`now()`, lease: null, leaseUntil: null })
    .where(and(eq(webhookDeliveries.orgId, orgId), eq(webhookDeliveries.subscriptionId, id), inArray(webhookDeliveries.state, ['pending', 'delivering'])))
  return true
}

/** Inside the transaction that makes the events true. */
export async function insertDeliveries (db: Db, orgId: string, deliveries: readonly NewDelivery[]): Promise<void> {
  if (deliveries.length === 0) return
  await db.insert(webhookDeliveries).values(deliveries.map(({ isNotice, ...delivery }) => ({
    attemptsMax: ATTEMPTS_MAX,
    ...delivery,
    ...(isNotice === true ? { state: 'cancelled' as const, finishedAt: sql`now()` } : {}),
    orgId
  })))
  await db.execute(sql`select pg_notify(${DELIVERY_CHANNEL}, '')`)
}

export interface DeliveryPage { limit: number, afterId: string | null, state: DeliveryRow['state'] | null }

/** Newest first; ids are time-ordered, so the id is the cursor. */
export async function listDeliveries (db: Db, orgId: string, subscriptionId: string, page: DeliveryPage): Promise<DeliveryRow[]> {
  return await db.select(DELIVERY).from(webhookDeliveries).where(and(
    eq(webhookDeliveries.orgId, orgId), eq(webhookDeliveries.subscriptionId, subscriptionId),
    page.afterId === null ? undefined : lt(webhookDeliveries.id, page.afterId),
    page.state === null ? undefined : eq(webhookDeliveries.state, page.state)
  )).orderBy(desc(webhookDeliveries.id)).limit(page.limit)
}

export async function findDelivery (db: Db, orgId: string, subscriptionId: string, id: string): Promise<DeliveryRow | null> {
  const [row] = await db.select(DELIVERY).from(webhookDeliveries)
    .where(and(eq(webhookDeliveries.orgId, orgId), eq(webhookDeliveries.subscriptionId, subscriptionId), eq(webhookDeliveries.id, id)))
  return row ?? null
}

/** Ended first deliveries since a time, oldest first; a resend is not sent again a second time for itself. */
export async function endedDeliveries (db: Db, orgId: string, subscriptionId: string, range: { since: Date, states: Array<DeliveryRow['state']>, limit: number }): Promise<DeliveryRow[]> {
  return await db.select(DELIVERY).from(webhookDeliveries).where(and(
    eq(webhookDeliveries.orgId, orgId), eq(webhookDeliveries.subscriptionId, subscriptionId), isNull(webhookDeliveries.replayOf),
    gte(webhookDeliveries.createdAt, range.since), inArray(webhookDeliveries.state, range.states), sql`${webhookDeliveries.event} <> 'webhook.ping'`
  )).orderBy(webhookDeliveries.createdAt, webhookDeliveries.id).limit(range.limit)
}
