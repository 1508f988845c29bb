/**
 * Webhook subscriptions: create, list, read, change, delete, rotate the secret. What happens to deliveries is in
 * webhook-deliveries.ts. A URL is judged when it is registered, as a courtesy; the guard at connection decides.
 */
import type { FastifyInstance } from 'fastify'
import { changeSubscription, deleteSubscription, findSubscription, insertSubscription, listSubscriptions, replaceSecret, type SubscriptionRow } from '../../db/queries/webhooks.ts'
import { ApiError } from '../../errors.ts'
import { getPrincipal } from '../../plugins/context.ts'
import { isRecordId, mintRecordId } from '../../plugins/lib/record-id.ts'
import { sealSecret } from '../../plugins/lib/sealed-secret.ts'
import { generateSigningSecret } from '../../plugins/lib/webhook-signature.ts'
import { success } from '../../schemas/envelope.ts'
import { Webhook, WebhookCreateBody, WebhookCreated, WebhookDeleted, WebhookList, WebhookPatchBody, WebhookSecret, type WebhookCreate, type WebhookPatch } from '../../schemas/webhook.ts'
import { fromStore, type RouteDeps } from './deps.ts'

const WEBHOOKS_MAX = 20
const WARNING = 'Store this signing secret now. It will not be shown again.'

interface WebhookParams { Params: { webhook_id: string } }

export default async function webhooks (app: FastifyInstance, deps: RouteDeps): Promise<void> {
  const config = { access: 'key', scope: 'admin' } as const
  const { database, secrets, egress } = deps

  app.post<{ Body: WebhookCreate }>('/webhooks', { config, schema: { body: WebhookCreateBody, response: { 200: success(WebhookCreated) } } }, async (request) => {
    const { orgId, keyId } = getPrincipal(request)
    const { url, events, description } = request.body
    await refuseUrl(url)
    const id = mintRecordId('sub', orgId, secrets.recordId, deps.now())
    const signingSecret = generateSigningSecret()
    const subscription = { id, url, events, description: description ?? null, sealedSecret: sealSecret(signingSecret, id, secrets.masterKeys), createdBy: keyId }
    const row = await fromStore(() => database.asOrganization(orgId, async (tx) => {
      if (!await insertSubscription(tx, orgId, subscription, WEBHOOKS_MAX)) throw new ApiError('malformed_request', { detail: `An organization has at most ${WEBHOOKS_MAX} webhooks.` })
      return await findSubscription(tx, orgId, id)
    }))
    return { ok: true, data: { ...onWire(found(row)), signing_secret: signingSecret, warning: WARNING } }
  })

  app.get('/webhooks', { config, schema: { response: { 200: success(WebhookList) } } }, async (request) => {
    const { orgId } = getPrincipal(request)
    const rows = await fromStore(() => database.asOrganization(orgId, (tx) => listSubscriptions(tx, orgId)))
    return { ok: true, data: { webhooks: rows.map(onWire) } }
  })

  app.get<WebhookParams>('/webhooks/:webhook_id', { config, schema: { response: { 200: success(Webhook) } } }, async (request) => {
    const { orgId } = getPrincipal(request)
    const id = webhookIdOf(request.params)
    return { ok: true, data: onWire(found(await fromStore(() => database.asOrganization(orgId, (tx) => findSubscription(tx, orgId, id))))) }
  })

  app.patch<WebhookParams & { Body: WebhookPatch }>('/webhooks/:webhook_id', { config, schema: { body: WebhookPatchBody, response: { 200: success(Webhook) } } }, async (request) => {
    const { orgId } = getPrincipal(request)
    const id = webhookIdOf(request.params)
    const { is_active: isActive, ...change } = request.body
    if (change.url !== undefined) await refuseUrl(change.url)
    const row = await fromStore(() => database.asOrganization(orgId, (tx) => changeSubscription(tx, orgId, id, { ...change, ...(isActive === undefined ? {} : { isActive }) })))
    deps.wake()
    return { ok: true, data: onWire(found(row)) }
  })

  app.delete<WebhookParams>('/webhooks/:webhook_id', { config, schema: { response: { 200: success(WebhookDeleted) } } }, async (request) => {
    const { orgId } = getPrincipal(request)
    const id = webhookIdOf(request.params)
    if (!await fromStore(() => database.asOrganization(orgId, (tx) => deleteSubscription(tx, orgId, id)))) throw new ApiError('not_found')
    return { ok: true, data: { id, deleted: true } }
  })

  app.post<WebhookParams>('/webhooks/:webhook_id/rotate-secret', { config, schema: { response: { 200: success(WebhookSecret) } } }, async (request) => {
    const { orgId } = getPrincipal(request)
    const id = webhookIdOf(request.params)
    const signingSecret = generateSigningSecret()
    const isReplaced = await fromStore(() => database.asOrganization(orgId, (tx) => replaceSecret(tx, orgId, id, sealSecret(signingSecret, id, secrets.masterKeys))))
    if (!isReplaced) throw new ApiError('not_found')
    return { ok: true, data: { id, signing_secret: signingSecret, warning: WARNING } }
  })

  async function refuseUrl (url: string): Promise<void> {
    const problem = await egress.findProblem(url)
    if (problem !== null) throw new ApiError('malformed_request', { detail: [{ path: '/url', reason: problem }] })
  }
}

/** The id in the path. Any other text names nothing. */
export function webhookIdOf (params: { webhook_id: string }): string {
  if (!isRecordId(params.webhook_id, 'sub')) throw new ApiError('not_found')
  return params.webhook_id
}

export function found<T> (row: T | null): T {
  if (row === null) throw new ApiError('not_found')
  return row
}

function onWire (row: SubscriptionRow): object {
  return {
    id: row.id,
    url: row.url,
    events: row.events,
    description: row.description,
    is_active: row.isActive,
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
    disabled_at: row.disabledAt?.toISOString() ?? null,
    disabled_reason: row.disabledReason,
    failing_since: row.failingSince?.toISOString() ?? null,
    last_success_at: row.lastSuccessAt?.toISOString() ?? null,
    last_probe_at: row.lastProbeAt?.toISOString() ?? null
  }
}
