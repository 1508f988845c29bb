/** The deliveries of a webhook: a test ping, the log, and sending again, one or all since a time. Each is queued, never sent from here. */
import type { FastifyInstance } from 'fastify'
import { endedDeliveries, findDelivery, findSubscription, insertDeliveries, listDeliveries, type DeliveryRow, type NewDelivery } from '../../db/queries/webhooks.ts'
import { ApiError } from '../../errors.ts'
import { newDelivery, PING_EVENT } from '../../evaluation/webhook-events.ts'
import { getPrincipal } from '../../plugins/context.ts'
import { belongsTo, isRecordId } from '../../plugins/lib/record-id.ts'
import { success } from '../../schemas/envelope.ts'
import { DeliveryList, DeliveryListQuery, DeliveryQueued, ReplayBody, ReplayQueued, type Replay } from '../../schemas/webhook.ts'
import { fromStore, timeOf, type RouteDeps } from './deps.ts'
import { found, webhookIdOf } from './webhooks.ts'

const LIMIT_DEFAULT = 50
const REPLAYS_MAX = 1000

interface WebhookParams { Params: { webhook_id: string } }
interface DeliveryParams { Params: { webhook_id: string, delivery_id: string } }

export default async function webhookDeliveries (app: FastifyInstance, deps: RouteDeps): Promise<void> {
  const config = { access: 'key', scope: 'admin' } as const
  const { database, secrets } = deps

  app.post<WebhookParams>('/webhooks/:webhook_id/test', { config, schema: { response: { 200: success(DeliveryQueued) } } }, async (request) => {
    const { orgId } = getPrincipal(request)
    const id = webhookIdOf(request.params)
    const ping = newDelivery(orgId, id, { event: PING_EVENT, evaluationId: null, subject: { webhook_id: id } }, secrets)
    return { ok: true, data: { delivery: await queueOne(orgId, id, { ...ping, attemptsMax: 1 }) } }
  })

  app.get<WebhookParams & { Querystring: { limit?: string, cursor?: string, state?: DeliveryRow['state'] } }>('/webhooks/:webhook_id/deliveries', {
    config,
    schema: { querystring: DeliveryListQuery, response: { 200: success(DeliveryList) } }
  }, async (request) => {
    const { orgId } = getPrincipal(request)
    const id = webhookIdOf(request.params)
    const limit = Number(request.query.limit ?? LIMIT_DEFAULT)
    const afterId = cursorOf(request.query.cursor, orgId, secrets.recordId)
    const rows = await fromStore(() => database.asOrganization(orgId, async (tx) => {
      found(await findSubscription(tx, orgId, id))
      return await listDeliveries(tx, orgId, id, { limit: limit + 1, afterId, state: request.query.state ?? null })
    }))
    const page = rows.slice(0, limit)
    const last = page.at(-1)
    return { ok: true, data: { deliveries: page.map(onWire), next_cursor: rows.length > limit && last !== undefined ? Buffer.from(last.id).toString('base64url') : null } }
  })

  app.post<DeliveryParams>('/webhooks/:webhook_id/deliveries/:delivery_id/replay', { config, schema: { response: { 200: success(DeliveryQueued) } } }, async (request) => {
    const { orgId } = getPrincipal(request)
    const id = webhookIdOf(request.params)
    const deliveryId = request.params.delivery_id
    if (!isRecordId(deliveryId, 'dlv')) throw new ApiError('not_found')
    const original = found(await fromStore(() => database.asOrganization(orgId, (tx) => findDelivery(tx, orgId, id, deliveryId))))
    return { ok: true, data: { delivery: await queueOne(orgId, id, again(orgId, id, original)) } }
  })

  app.post<WebhookParams & { Body: Replay }>('/webhooks/:webhook_id/deliveries/replay', { config, schema: { body: ReplayBody, response: { 200: success(ReplayQueued) } } }, async (request) => {
    const { orgId } = getPrincipal(request)
    const id = webhookIdOf(request.params)
    const since = timeOf(request.body.since, '/since')
    const states = request.body.states ?? ['delivered', 'failed']
    const rows = await fromStore(() => database.asOrganization(orgId, async (tx) => {
      found(await findSubscription(tx, orgId, id))
      const ended = await endedDeliveries(tx, orgId, id, { since, states, limit: REPLAYS_MAX + 1 })
      await insertDeliveries(tx, orgId, ended.slice(0, REPLAYS_MAX).map((original) => again(orgId, id, original)))
      return ended
    }))
    return { ok: true, data: { queued: Math.min(rows.length, REPLAYS_MAX), next_since: rows[REPLAYS_MAX]?.createdAt.toISOString() ?? null } }
  })

  /** The event keeps its message id, so that a receiver that had it already can tell; the watermark is this delivery's own. */
  function again (orgId: string, subscriptionId: string, { id: replayOf, messageId, event, evaluationId, subject }: DeliveryRow): NewDelivery {
    return { ...newDelivery(orgId, subscriptionId, { event, evaluationId, ...(subject === null ? {} : { subject }) }, secrets, messageId), replayOf }
  }

  async function queueOne (orgId: string, id: string, delivery: NewDelivery): Promise<object> {
    const row = await fromStore(() => database.asOrganization(orgId, async (tx) => {
      found(await findSubscription(tx, orgId, id))
      await insertDeliveries(tx, orgId, [delivery])
      return await findDelivery(tx, orgId, id, delivery.id)
    }))
    return onWire(found(row))
  }
}

function cursorOf (cursor: string | undefined, orgId: string, secret: Buffer): string | null {
  if (cursor === undefined) return null
  const id = Buffer.from(cursor, 'base64url').toString('latin1')
  if (!belongsTo(id, 'dlv', orgId, secret)) throw new ApiError('malformed_request', { detail: [{ path: '/cursor', reason: 'is not a cursor of this list' }] })
  return id
}

function onWire (row: DeliveryRow): object {
  return {
    id: row.id,
    message_id: row.messageId,
    event: row.event,
    evaluation_id: row.evaluationId,
    state: row.state,
    attempts: row.attempts,
    next_attempt_at: row.state === 'pending' ? row.nextAttemptAt.toISOString() : null,
    watermark: row.watermark,
    replay_of: row.replayOf,
    created_at: row.createdAt.toISOString(),
    finished_at: row.finishedAt?.toISOString() ?? null
  }
}
