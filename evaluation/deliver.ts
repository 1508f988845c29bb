/**
 * The delivery worker. Claims due deliveries under leases, signs each attempt afresh, sends it through the guarded way out and keeps
 * the outcome; a worker that dies leaves its leases to lapse, and what it had sent is then sent again: at least once. A
 * subscription and an organization have few deliveries under way at a time, and slow receivers share half of the places
 * (delivery-lanes.ts), so they hold up nobody else. NOTIFY wakes it, polling backs that up. It also looks after subscriptions
 * that fail for long: switches them off, tells their owner, probes them.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { safeDatabaseError, type Database } from '../db/client.ts'
import { claimDeliveries, disableFailing, recordDelivered, recordFailed, releaseDelivery, takeDueProbes, tidyDeliveries, type ClaimedDelivery, type Held } from '../db/queries/delivery-queue.ts'
import { findEvaluation, findItems } from '../db/queries/evaluations.ts'
import { suppressionsAt } from '../db/queries/suppressions.ts'
import { DELIVERY_CHANNEL, insertDeliveries } from '../db/queries/webhooks.ts'
import { openSecret, type MasterKeys } from '../plugins/lib/sealed-secret.ts'
import { signWebhook } from '../plugins/lib/webhook-signature.ts'
import { deliveryLanes } from './delivery-lanes.ts'
import type { Egress } from './egress.ts'
import { suppressorOf } from './suppressions.ts'
import { enqueueEvent, newDelivery, payloadOf, PING_EVENT, type FinishedEvaluation, type MarkSecrets } from './webhook-events.ts'

const LEASE_MS = 30_000
const POLL_MS = 1000
const STOP_MS = 12_000
const TIDY_MS = 60_000
const CONCURRENCY = 64
const PER_SUBSCRIPTION_MAX = 4
const PER_ORGANIZATION_MAX = 16
/** Before the second, third and fourth attempt; each ±20 %, so that receivers are not hit in step. */
const BACKOFF_MS = [5000, 60_000, 300_000]
const JITTER = 0.2
const OUR_FAULT_RETRY_MS = 60_000
const FAILING = { exhaustedMin: 5, failingMs: 86_400_000 }
const PROBE_MS = 3_600_000
const RETENTION_MS = 90 * 86_400_000

export interface DeliveryLogger { warn (fields: object, message: string): void, error (fields: object, message: string): void }

export interface DeliveryOptions {
  database: Database
  egress: Egress
  secrets: MarkSecrets & { readonly masterKeys: MasterKeys }
  workerId: string
  logger: DeliveryLogger
  /** Deliveries that wait: all of them, or those of some organizations. Default none. */
  paused?: () => { readonly everything: boolean, readonly orgs: readonly string[] }
  /** Attempts under way. Default 64. */
  concurrency?: number
  /** Attempts under way to one subscription. Default 4. */
  perSubscriptionMax?: number
  /** Attempts under way of one organization. Default 16. */
  perOrganizationMax?: number
  /** Milliseconds before the second, third and fourth attempt, before jitter. Default 5000, 60 000, 300 000. */
  backoffMs?: readonly number[]
  /** When a subscription is switched off. Default: five deliveries given up over 24 hours without one success. */
  failing?: { exhaustedMin: number, failingMs: number }
  /** Milliseconds between probes of a subscription that is switched off. Default one hour. */
  probeMs?: number
  /** Milliseconds between looks at failing subscriptions and old rows. Default 60 000. */
  tidyMs?: number
  /** Unix milliseconds. Default `Date.now`. */
  now?: () => number
}

export interface DeliveryWorker {
  kick (): void
  /** Claims no more and lets what is under way end, or leaves it to its lease after twelve seconds. */
  stop (): Promise<void>
}

export function startDelivery (options: DeliveryOptions): DeliveryWorker {
  const { database, egress, secrets, workerId, logger } = options
  const { db } = database
  const concurrency = options.concurrency ?? CONCURRENCY
  const perSubscriptionMax = options.perSubscriptionMax ?? PER_SUBSCRIPTION_MAX
  const perOrganizationMax = options.perOrganizationMax ?? PER_ORGANIZATION_MAX
  const backoffMs = options.backoffMs ?? BACKOFF_MS
  const now = options.now ?? Date.now
  const paused = options.paused ?? (() => ({ everything: false, orgs: [] }))
  for (const [name, value] of Object.entries({ concurrency, perSubscriptionMax, perOrganizationMax })) if (!Number.isInteger(value) || value < 1) throw new TypeError(`deliver: ${name} must be a whole number of at least 1`)
  if (!backoffMs.every((ms) => ms >= 0)) throw new TypeError('deliver: backoffMs must be milliseconds')
  const lanes = deliveryLanes(concurrency)
  const ending = new AbortController()
  const underway = new Set<Promise<void>>()
  let wake: () => void = () => {}
  let kicks = 0
  let nextTidyMs = 0

  const kick = (): void => {
    kicks++
    wake()
  }
  const unlisten = database.listen(DELIVERY_CHANNEL, kick).catch((err: unknown) => {
    logger.warn(safeDatabaseError(err), 'deliveries are not notified; they are polled')
    return async () => {}
  })
  const loop = run()

  async function run (): Promise<void> {
    while (!ending.signal.aborted) {
      const kicksBefore = kicks
      try {
        if (performance.now() >= nextTidyMs) await tidy()
        const claimed = await claim()
        // A full claim means that there may be more, as soon as a place is free.
        if (claimed > 0 && underway.size < concurrency) continue
      } catch (err) {
        if (!ending.signal.aborted) logger.warn(safeDatabaseError(err), 'the delivery queue cannot be read')
      }
      if (kicks === kicksBefore) await pause()
    }
  }

  async function claim (): Promise<number> {
    let count = 0
    const { everything, orgs: exceptOrgs } = paused()
    if (everything) return 0
    for (const lane of lanes.open()) {
      const { scope, among, limit } = lane
      const lease = `${workerId} ${randomUUID()}`
      for (const delivery of await claimDeliveries(db, { lease, leaseMs: LEASE_MS, limit, perSubscriptionMax, perOrganizationMax, scope, among, exceptOrgs })) {
        count++
        const leave = lanes.enter(lane)
        const attempt = deliver(delivery, { id: delivery.id, lease })
          .catch((err: unknown) => logger.warn(safeDatabaseError(err), 'a delivery was left to its lease'))
          .finally(() => {
            leave()
            underway.delete(attempt)
            kick()
          })
        underway.add(attempt)
      }
    }
    return count
  }

  async function deliver (delivery: ClaimedDelivery, held: Held): Promise<void> {
    const prepared = await prepare(delivery)
    if (prepared === null) return await releaseDelivery(db, held, OUR_FAULT_RETRY_MS)
    const at = new Date(now()).toISOString()
    const { status, error, durationMs } = await egress.post(delivery.url, prepared.headers, prepared.body)
    lanes.note(delivery.subscriptionId, durationMs)
    const attempt = { at, status, error, duration_ms: durationMs }
    const isKept = error === null ? await recordDelivered(db, held, attempt) : await recordFailed(db, held, attempt, retryIn(delivery))
    if (!isKept) logger.warn({ delivery: delivery.id }, 'a delivery outlived its lease; it is sent again')
  }

  /** Body and headers of one attempt, or null when they could not be made, which is our fault and costs no attempt. */
  async function prepare (delivery: ClaimedDelivery): Promise<{ headers: Record<string, string>, body: Buffer } | null> {
    const { orgId, subscriptionId, sealedSecret, evaluationId } = delivery
    if (sealedSecret === null) return null
    try {
      const secret = openSecret(sealedSecret, subscriptionId, secrets.masterKeys)
      const finished = evaluationId === null ? null : await loadFinished(orgId, evaluationId)
      const body = payloadOf(delivery, finished, secrets.watermark)
      return {
        body,
        headers: {
          'content-type': 'application/json',
          'user-agent': 'FlowBeacon-Webhooks/1.0',
          'x-fb-event': delivery.event,
          'x-fb-watermark': delivery.watermark,
          ...signWebhook({ secret, messageId: delivery.messageId, timestampSeconds: Math.floor(now() / 1000), body })
        }
      }
    } catch (err) {
      logger.error({ delivery: delivery.id, ...safeDatabaseError(err) }, 'a delivery could not be prepared; it waits')
      return null
    }
  }

  async function loadFinished (orgId: string, evaluationId: string): Promise<FinishedEvaluation> {
    const evaluation = await findEvaluation(db, orgId, evaluationId)
    if (evaluation === null) throw new Error('the evaluation of a delivery is gone')
    const [items, suppressions] = await Promise.all([
      findItems(db, orgId, evaluationId), suppressionsAt(db, orgId, evaluation.completedAt ?? evaluation.createdAt)])
    return { evaluation, items, suppressor: suppressorOf(suppressions) }
  }

  function retryIn (delivery: ClaimedDelivery): number | null {
    const made = delivery.attempts + 1
    if (made >= delivery.attemptsMax) return null
    const base = backoffMs[made - 1] ?? backoffMs.at(-1) ?? 0
    return Math.round(base * (1 - JITTER + 2 * JITTER * Math.random()))
  }

  async function tidy (): Promise<void> {
    nextTidyMs = performance.now() + (options.tidyMs ?? TIDY_MS)
    await db.transaction(async (tx) => {
      for (const { id, orgId, failingSince } of await disableFailing(tx, options.failing ?? FAILING)) {
        const occurrence = { event: 'webhook.disabled', evaluationId: null, subject: { webhook_id: id, reason: 'failing', failing_since: failingSince } }
        // Its owner reads it in the log of the subscription itself, and hears of it wherever else the event is wanted.
        await insertDeliveries(tx, orgId, [{ ...newDelivery(orgId, id, occurrence, secrets), isNotice: true }])
        await enqueueEvent(tx, orgId, occurrence, secrets, id)
        logger.warn({ webhook: id, organization: orgId, failingSince }, 'a webhook was switched off because it failed for long')
      }
    })
    await db.transaction(async (tx) => {
      for (const { id, orgId } of await takeDueProbes(tx, options.probeMs ?? PROBE_MS)) {
        await insertDeliveries(tx, orgId, [{ ...newDelivery(orgId, id, { event: PING_EVENT, evaluationId: null, subject: { webhook_id: id } }, secrets), attemptsMax: 1 }])
      }
    })
    await tidyDeliveries(db, RETENTION_MS)
  }

  async function pause (): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, POLL_MS * (0.9 + Math.random() / 5)).unref()
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  async function stop (): Promise<void> {
    ending.abort()
    kick()
    const deadline = wait(STOP_MS, undefined, { ref: false })
    await Promise.race([loop.then(() => Promise.all(underway)), deadline])
    await Promise.race([unlisten.then((end) => end()).catch(() => {}), deadline])
  }

  return { kick, stop }
}
