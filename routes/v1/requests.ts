/**
 * `GET /requests` and `GET /watermarks/{watermark}`: an organization's own audit trail, and what a leaked mark leads to within it. A mark
 * of another organization, a forged one and an unknown one cost the same queries and get the same answer.
 */
import type { FastifyInstance } from 'fastify'
import { listRequests, traceWithin, type Traced } from '../../db/queries/traces.ts'
import type { AuditRowStored } from '../../db/queries/system.ts'
import { ApiError } from '../../errors.ts'
import { getPrincipal } from '../../plugins/context.ts'
import { openRef } from '../../plugins/lib/finding-ref.ts'
import { sealBody, verifyWatermark } from '../../plugins/lib/watermark-id.ts'
import { success } from '../../schemas/envelope.ts'
import { RequestList, RequestListQuery, ResolvedMark } from '../../schemas/request.ts'
import { fromStore, timeOf, type RouteDeps } from './deps.ts'

const LIMIT_DEFAULT = 50
const MARK = /^(wm_[0-9a-z]{36}|vr_[0-9a-z]{44})$/

/** As the schema `RequestListQuery` lets it in. */
export interface RequestPageQuery { limit?: string, cursor?: string, key_prefix?: string, status?: string, since?: string, until?: string, watermark?: string }

export default async function requests (app: FastifyInstance, deps: RouteDeps): Promise<void> {
  const config = { access: 'key', scope: 'admin' } as const
  const { database, secrets } = deps

  app.get<{ Querystring: RequestPageQuery }>('/requests', { config, schema: { querystring: RequestListQuery, response: { 200: success(RequestList) } } }, async (request) => {
    return { ok: true, data: await requestPage(getPrincipal(request).orgId, request.query, deps) }
  })

  app.get<{ Params: { watermark: string } }>('/watermarks/:watermark', { config, schema: { response: { 200: success(ResolvedMark) } } }, async (request) => {
    const { orgId } = getPrincipal(request)
    const mark = request.params.watermark
    // Any other text names nothing, which its shape has told the caller already.
    if (!MARK.test(mark)) throw new ApiError('not_found')
    // A forged mark is looked up like a genuine one: how long the answer takes must not tell them apart.
    const isRef = mark.startsWith('vr_')
    const watermark = isRef ? sealBody(mark.slice(3, 31), secrets.watermark) : mark
    const isForged = isRef && openRef(mark, secrets.watermark) === null
    const traced = await fromStore(() => database.asOrganization(orgId, (tx) => traceWithin(tx, orgId, watermark)))
    if (traced === null || isForged) throw new ApiError('not_found')
    return { ok: true, data: resolved(traced) }
  })
}

/** One page of an organization's audit trail, newest first. Throws `malformed_request` for a time or a cursor that is none. */
export async function requestPage (orgId: string, query: RequestPageQuery, { database, secrets }: Pick<RouteDeps, 'database' | 'secrets'>): Promise<{ requests: object[], next_cursor: string | null }> {
  const limit = Number(query.limit ?? LIMIT_DEFAULT)
  const wanted = {
    limit: limit + 1,
    after: cursorOf(query.cursor, secrets.watermark),
    ...(query.key_prefix === undefined ? {} : { keyPrefix: query.key_prefix }),
    ...(query.status === undefined ? {} : { status: Number(query.status) }),
    ...(query.since === undefined ? {} : { since: timeOf(query.since, '/since') }),
    ...(query.until === undefined ? {} : { until: timeOf(query.until, '/until') }),
    ...(query.watermark === undefined ? {} : { watermark: query.watermark })
  }
  const rows = await fromStore(() => database.asOrganization(orgId, (tx) => listRequests(tx, orgId, wanted)))
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  return { requests: page.map(onWire), next_cursor: rows.length > limit && last !== undefined ? cursorFor(last) : null }
}

function resolved (traced: Traced): object {
  if (traced.source === 'request') return { watermark: traced.watermark, source: 'request', at: traced.row.at.toISOString(), request: onWire(traced.row), webhook: null }
  const { id, subscriptionId, event, evaluationId, state, at } = traced.delivery
  return { watermark: traced.watermark, source: 'webhook', at: at.toISOString(), request: null, webhook: { id: subscriptionId, delivery_id: id, event, evaluation_id: evaluationId, state } }
}

function onWire (row: AuditRowStored): object {
  return {
    watermark: row.watermark,
    at: row.at.toISOString(),
    key_prefix: row.keyPrefix,
    actor: row.actor,
    method: row.method,
    route: row.route,
    status: row.status,
    code: row.code,
    ip: row.ip,
    user_agent: row.userAgent,
    degraded: row.degraded
  }
}

function cursorFor (row: AuditRowStored): string {
  return Buffer.from(`${row.at.getTime()}.${row.watermark}`).toString('base64url')
}

function cursorOf (cursor: string | undefined, secret: Buffer): { atMs: number, watermark: string } | null {
  if (cursor === undefined) return null
  const [ms = '', watermark = ''] = Buffer.from(cursor, 'base64url').toString('latin1').split('.')
  if (!/^\d{1,14}$/.test(ms) || !verifyWatermark(watermark, secret)) throw new ApiError('malformed_request', { detail: [{ path: '/cursor', reason: 'is not a cursor of this list' }] })
  return { atMs: Number(ms), watermark }
}
