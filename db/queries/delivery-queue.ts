/**
 * The delivery queue, across organizations: what the delivery worker claims, records and looks after. Every write carries its
 * guard: only the holder of the lease records an outcome, and a lapsed lease belongs to whoever claims it next.
 */
import { and, arrayContains, eq, gt, isNotNull, isNull, sql, type SQL } from 'drizzle-orm'
import { arrayLiteral } from '../audit-statement.ts'
import type { Db } from '../client.ts'
import { rowsOf } from '../rows.ts'
import { webhookSubscriptions } from '../schema.ts'
import type { DeliveryAttempt } from '../tables/webhook-deliveries.ts'

/** A delivery whose workers died this often is given up. */
const CLAIMS_MAX = 20

export interface ClaimedDelivery {
  id: string
  orgId: string
  subscriptionId: string
  messageId: string
  event: string
  evaluationId: string | null
  subject: Record<string, string> | null
  watermark: string
  /** Attempts that were recorded before this one. */
  attempts: number
  attemptsMax: number
  url: string
  sealedSecret: string | null
}

export interface ClaimOptions {
  /** Names this claim; every outcome of it must name it again. */
  lease: string
  leaseMs: number
  limit: number
  /** Deliveries under way to one subscription, over all workers: a slow receiver holds up itself only. */
  perSubscriptionMax: number
  /** Deliveries under way of one organization, over all workers. Default unbounded. */
  perOrganizationMax?: number
  /** `active`: everything due to active subscriptions; `probes`: pings to those that are switched off. */
  scope: 'active' | 'probes'
  /** Organizations whose deliveries wait. Default none. */
  exceptOrgs?: readonly string[]
  /** Only these subscriptions, or all but these. Default all. */
  among?: { readonly only: readonly string[] } | { readonly except: readonly string[] }
}

/** Claims due deliveries, fairly over subscriptions and organizations, oldest first within one subscription. */
export async function claimDeliveries (db: Db, options: ClaimOptions): Promise<ClaimedDelivery[]> {
  const { lease, leaseMs, limit, perSubscriptionMax, perOrganizationMax = limit, scope, exceptOrgs = [], among = { except: [] } } = options
  const isDue = sql`d.next_attempt_at <= now() and d.claims < ${CLAIMS_MAX} and (d.state = 'pending' or (d.state = 'delivering' and d.lease_until < now()))`
  const isWaiting = exceptOrgs.length === 0 ? sql`false` : sql`s.org_id in ${[...exceptOrgs]}`
  const isAmong = 'only' in among ? sql`s.id = any(${arrayLiteral(among.only)}::text[])` : sql`s.id <> all(${arrayLiteral(among.except)}::text[])`
  const inScope = scope === 'active' ? sql`true` : sql`d.event = 'webhook.ping'`
  const underway = (of: SQL): SQL => sql`coalesce((select sum(busy.n) from busy where ${of}), 0)::int`
  const result = await db.execute(sql`
    with busy as materialized (
      select org_id, subscription_id, count(*) as n from webhook_deliveries where state = 'delivering' and lease_until >= now() group by org_id, subscription_id
    ), due as materialized (
      select chosen.id, chosen.org_id from (
        select s.id, s.org_id from webhook_subscriptions s
        where s.deleted_at is null and s.is_active = ${scope === 'active'} and not ${isWaiting} and ${isAmong}
          and ${underway(sql`busy.org_id = s.org_id`)} < ${perOrganizationMax}
          and exists (select 1 from webhook_deliveries d where d.subscription_id = s.id and ${isDue} and ${inScope})
        order by random()
      ) s cross join lateral (
        select d.id, d.org_id from webhook_deliveries d where d.subscription_id = s.id and ${isDue} and ${inScope}
        order by d.next_attempt_at
        limit greatest(0, ${perSubscriptionMax}::int - ${underway(sql`busy.subscription_id = s.id`)})
        for update skip locked
      ) chosen limit ${limit}
    ), granted as (
      -- What one organization has too much of stays unclaimed; the next claim finds it when there is room.
      select id from (select id, org_id, row_number() over (partition by org_id) as place from due) ranked
      where place <= ${perOrganizationMax} - ${underway(sql`busy.org_id = ranked.org_id`)}
    )
    update webhook_deliveries d set state = 'delivering', claims = d.claims + 1, lease = ${lease}, lease_until = now() + ${leaseMs} * interval '1 millisecond'
    from granted, webhook_subscriptions s where d.id = granted.id and s.id = d.subscription_id
    returning d.id, d.org_id as "orgId", d.subscription_id as "subscriptionId", d.message_id as "messageId", d.event, d.evaluation_id as "evaluationId",
      d.subject, d.watermark, jsonb_array_length(d.attempts) as attempts, d.attempts_max as "attemptsMax", s.url, s.sealed_secret as "sealedSecret"`)
  // The statement names exactly these columns.
  return rowsOf(result) as unknown as ClaimedDelivery[]
}

export interface Held { id: string, lease: string }

/** Ends a delivery as acknowledged. Its subscription is healthy again, and on again if failing had switched it off. */
export async function recordDelivered (db: Db, { id, lease }: Held, attempt: DeliveryAttempt): Promise<boolean> {
  const result = await db.execute(sql`
    with done as (
      update webhook_deliveries set state = 'delivered', finished_at = now(), lease = null, lease_until = null, attempts = attempts || ${JSON.stringify(attempt)}::jsonb
      where id = ${id} and state = 'delivering' and lease = ${lease} returning subscription_id
    ), healed as (
      update webhook_subscriptions s set last_success_at = now(), failing_since = null, exhausted_count = 0,
        is_active = s.is_active or s.disabled_reason = 'failing',
        disabled_at = case when s.disabled_reason = 'failing' then null else s.disabled_at end,
        disabled_reason = case when s.disabled_reason = 'failing' then null else s.disabled_reason end
      from done where s.id = done.subscription_id
        -- A healthy subscription's row is not rewritten for every delivery.
        and (s.failing_since is not null or s.disabled_reason = 'failing' or s.last_success_at is null or s.last_success_at < now() - interval '1 minute')
    ) select subscription_id from done`)
  return rowsOf(result).length === 1
}

/** Keeps a failed attempt: due again after `retryInMs`, or given up when that is null. */
export async function recordFailed (db: Db, { id, lease }: Held, attempt: DeliveryAttempt, retryInMs: number | null): Promise<boolean> {
  const ended = retryInMs === null
  const result = await db.execute(sql`
    with done as (
      update webhook_deliveries set state = ${ended ? 'failed' : 'pending'}, finished_at = ${ended ? sql`now()` : sql`null`}, lease = null, lease_until = null,
        attempts = attempts || ${JSON.stringify(attempt)}::jsonb, next_attempt_at = now() + ${retryInMs ?? 0} * interval '1 millisecond'
      where id = ${id} and state = 'delivering' and lease = ${lease} returning subscription_id, event, attempts -> 0 ->> 'at' as first_at
    ), counted as (
      update webhook_subscriptions s set exhausted_count = s.exhausted_count + 1, failing_since = coalesce(s.failing_since, done.first_at::timestamptz)
      from done where s.id = done.subscription_id and ${ended} and done.event <> 'webhook.ping'
    ) select subscription_id from done`)
  return rowsOf(result).length === 1
}

/** Gives a claim back as if it had never been: the fault was ours, however often it is found. */
export async function releaseDelivery (db: Db, { id, lease }: Held, retryInMs: number): Promise<void> {
  await db.execute(sql`update webhook_deliveries set state = 'pending', claims = claims - 1, lease = null, lease_until = null, next_attempt_at = now() + ${retryInMs} * interval '1 millisecond'
    where id = ${id} and state = 'delivering' and lease = ${lease}`)
}

/** Subscriptions that want an event: active ones, and those that failing switched off, whose events wait for them. */
export async function subscribersOf (db: Db, orgId: string, event: string): Promise<string[]> {
  const rows = await db.select({ id: webhookSubscriptions.id }).from(webhookSubscriptions).where(and(
    eq(webhookSubscriptions.orgId, orgId), isNull(webhookSubscriptions.deletedAt), arrayContains(webhookSubscriptions.events, [event]),
    sql`(${webhookSubscriptions.isActive} or ${webhookSubscriptions.disabledReason} = 'failing')`))
  return rows.map(({ id }) => id)
}

export interface FailingSubscription { id: string, orgId: string, failingSince: string }

/** Switches off what has given up at least `exhaustedMin` deliveries over at least `failingMs` without one success. */
export async function disableFailing (db: Db, options: { exhaustedMin: number, failingMs: number }): Promise<FailingSubscription[]> {
  const result = await db.execute(sql`
    update webhook_subscriptions set is_active = false, disabled_at = now(), disabled_reason = 'failing', updated_at = now()
    where is_active and deleted_at is null and exhausted_count >= ${options.exhaustedMin} and failing_since < now() - ${options.failingMs} * interval '1 millisecond'
    returning id, org_id as "orgId", to_char(failing_since at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "failingSince"`)
  return rowsOf(result) as unknown as FailingSubscription[]
}

/** Takes the switched-off subscriptions whose next probe is due; each is handed out once an interval, whoever asks. */
export async function takeDueProbes (db: Db, probeMs: number): Promise<Array<{ id: string, orgId: string }>> {
  const result = await db.execute(sql`
    update webhook_subscriptions set last_probe_at = now()
    where disabled_reason = 'failing' and deleted_at is null and greatest(disabled_at, last_probe_at) < now() - ${probeMs} * interval '1 millisecond'
    returning id, org_id as "orgId"`)
  return rowsOf(result) as unknown as Array<{ id: string, orgId: string }>
}

/** Gives up what killed its workers or waited longer than the log is kept, and removes what ended before that. */
export async function tidyDeliveries (db: Db, retentionMs: number): Promise<void> {
  const isOld = (column: SQL): SQL => sql`${column} < now() - ${retentionMs} * interval '1 millisecond'`
  await db.execute(sql`
    update webhook_deliveries set state = 'failed', finished_at = now(), lease = null, lease_until = null
    where (state = 'pending' or (state = 'delivering' and lease_until < now())) and (claims >= ${CLAIMS_MAX} or ${isOld(sql`created_at`)})`)
  await db.execute(sql`delete from webhook_deliveries where finished_at is not null and ${isOld(sql`finished_at`)}`)
}

/** Sealed signing secrets in the order of their ids, for the rotation of the master key. */
export async function listSealedSecrets (db: Db, page: { afterId: string, limit: number }): Promise<Array<{ id: string, sealedSecret: string }>> {
  const rows = await db.select({ id: webhookSubscriptions.id, sealedSecret: webhookSubscriptions.sealedSecret }).from(webhookSubscriptions)
    .where(and(gt(webhookSubscriptions.id, page.afterId), isNotNull(webhookSubscriptions.sealedSecret))).orderBy(webhookSubscriptions.id).limit(page.limit)
  return rows.flatMap(({ id, sealedSecret }) => sealedSecret === null ? [] : [{ id, sealedSecret }])
}

/** Only while it is still the one that was read. */
export async function replaceSealedSecret (db: Db, change: { id: string, from: string, to: string }): Promise<void> {
  await db.update(webhookSubscriptions).set({ sealedSecret: change.to }).where(and(eq(webhookSubscriptions.id, change.id), eq(webhookSubscriptions.sealedSecret, change.from)))
}
