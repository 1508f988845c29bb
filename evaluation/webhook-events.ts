/**
 * What webhooks say, and the outbox they are written to. Deliveries are inserted in the transaction that makes their event true, so
 * none is lost and none is sent for what did not happen. A payload is made afresh for each attempt from what is stored; with
 * the delivery's own watermark it is the same bytes every time, and each finding's reference leads back to that delivery.
 */
import type { Db } from '../db/client.ts'
import { subscribersOf, type ClaimedDelivery } from '../db/queries/delivery-queue.ts'
import type { EvaluationRow, ItemRow } from '../db/queries/evaluations.ts'
import { insertDeliveries, type NewDelivery } from '../db/queries/webhooks.ts'
import { mintRecordId, ulid } from '../plugins/lib/record-id.ts'
import { mintWatermark } from '../plugins/lib/watermark-id.ts'
import { judgementOnWire } from './results.ts'
import { openResult, type Suppressor } from './suppressions.ts'

/** Events that a subscription can name. A ping goes to its own subscription only and need not be named. */
export const SUBSCRIBABLE_EVENTS = ['evaluation.complete', 'evaluation.error', 'webhook.disabled'] as const
export const PING_EVENT = 'webhook.ping'

export interface MarkSecrets { readonly watermark: Buffer, readonly recordId: Buffer }

export type EventOccurrence = Pick<NewDelivery, 'event' | 'evaluationId' | 'subject'>

/** A delivery of an event to one subscription; `messageId` is kept when it is sent again. */
export function newDelivery (orgId: string, subscriptionId: string, occurrence: EventOccurrence, secrets: MarkSecrets, messageId = `msg_${ulid()}`): NewDelivery {
  return { ...occurrence, id: mintRecordId('dlv', orgId, secrets.recordId), subscriptionId, messageId, watermark: mintWatermark(secrets.watermark) }
}

/** Writes one delivery per subscription that wants the event, but `exceptId`. Call it in the event's own transaction. */
export async function enqueueEvent (tx: Db, orgId: string, occurrence: EventOccurrence, secrets: MarkSecrets, exceptId?: string): Promise<void> {
  const subscribers = await subscribersOf(tx, orgId, occurrence.event)
  await insertDeliveries(tx, orgId, subscribers.filter((id) => id !== exceptId).map((id) => newDelivery(orgId, id, occurrence, secrets)))
}

export interface FinishedEvaluation {
  evaluation: EvaluationRow
  items: readonly ItemRow[]
  /** What was in force when the evaluation ended: a later one must not change the bytes of a delivery that is sent again. */
  suppressor: Suppressor
}

/** The bytes of a delivery. `finished` is needed for events of an evaluation. */
export function payloadOf (delivery: ClaimedDelivery, finished: FinishedEvaluation | null, watermarkSecret: Buffer): Buffer {
  const { event, orgId, watermark } = delivery
  if (finished === null) return Buffer.from(JSON.stringify({ event, organization_id: orgId, ...delivery.subject }))
  const { evaluation, items, suppressor } = finished
  return Buffer.from(JSON.stringify({
    event,
    evaluation_id: evaluation.id,
    organization_id: orgId,
    ...(evaluation.error === null ? {} : { error: evaluation.error }),
    scenarios: items.map((item) => scenarioOf(item, suppressor, watermark, watermarkSecret))
  }))
}

// The five fields of a scenario's results, and what tells one scenario from another.
function scenarioOf (item: ItemRow, suppressor: Suppressor, watermark: string, secret: Buffer): object {
  const { scenarioId: id, name, result } = item
  if (result === null) return { id, name, error: item.error ?? 'Scenario could not be evaluated' }
  const judged = judgementOnWire(openResult(result, id, suppressor), item.finishedAt, watermark, secret)
  return {
    id,
    name,
    score: judged.score,
    violations: judged.violations,
    module_summary: judged.module_summary,
    evaluated_codes: judged.evaluated_codes,
    passing_count: judged.passing_count,
    failing_count: judged.failing_count
  }
}
