/**
 * `GET /results/{token}`: the full results, once. The windows' store decides who of any number of presenters is first; the row in
 * `redemptions` confirms it, so that a store that failed over or was restored cannot give a second use. An answer that could not
 * be produced or recorded gives the use back.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { deleteRedemption, findEvaluation, findItems, insertRedemption, type ItemRow } from '../../db/queries/evaluations.ts'
import { suppressionsAt } from '../../db/queries/suppressions.ts'
import { safeDatabaseError } from '../../db/client.ts'
import { ApiError } from '../../errors.ts'
import { judgementOnWire } from '../../evaluation/results.ts'
import { openResult, suppressorOf, type Suppressor } from '../../evaluation/suppressions.ts'
import { verifyResultToken, type ResultTokenClaims } from '../../plugins/lib/result-token.ts'
import { success } from '../../schemas/envelope.ts'
import { FullResults } from '../../schemas/scenario.ts'
import { fromStore, type RouteDeps } from './deps.ts'

const RETRY_AFTER_SECONDS = '2'
/** Until a token would have expired, a store that comes back finds its use given back. */
const UNDO_DELAYS_MS = [200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000]

export default async function results (app: FastifyInstance, deps: RouteDeps): Promise<void> {
  app.get<{ Params: { token: string } }>('/results/:token', {
    config: { access: 'result-token' },
    schema: { response: { 200: success(FullResults) } }
  }, async (request, reply) => {
    const claims = verifyResultToken(request.params.token, deps.secrets.resultToken, Math.floor(deps.now() / 1000))
    if (claims === null) throw new ApiError('result_token_invalid')
    request.tokenOrgId = claims.orgId
    app.refuseKilledOrganization(request, claims.orgId)
    const { items, suppressor } = await completeItems(claims, deps)
    await redeem(request, claims, deps)
    reply.header('referrer-policy', 'no-referrer')
    const watermark = request.watermark ?? ''
    return { ok: true, data: { evaluation_id: claims.evaluationId, scenarios: items.map((item) => fullResult(item, suppressor, watermark, deps.secrets.watermark)) } }
  })
}

async function completeItems ({ evaluationId, orgId }: ResultTokenClaims, deps: RouteDeps): Promise<{ items: ItemRow[], suppressor: Suppressor }> {
  return await fromStore(() => deps.database.asOrganization(orgId, async (tx) => {
    const evaluation = await findEvaluation(tx, orgId, evaluationId)
    if (evaluation === null) throw new ApiError('result_token_invalid')
    if (evaluation.state === 'pending' || evaluation.state === 'processing') throw new ApiError('evaluation_incomplete', { headers: { 'retry-after': RETRY_AFTER_SECONDS } })
    const [items, suppressions] = await Promise.all([findItems(tx, orgId, evaluationId), suppressionsAt(tx, orgId, new Date(deps.now()))])
    return { items, suppressor: suppressorOf(suppressions) }
  }))
}

async function redeem (request: FastifyRequest, claims: ResultTokenClaims, deps: RouteDeps): Promise<void> {
  const { jti, orgId, evaluationId } = claims
  const taken = await fromStore(() => deps.singleUse.take(jti))
  if (taken === 'used') throw new ApiError('result_token_used')
  if (taken === 'unknown') throw new ApiError('result_token_invalid')
  const watermark = request.watermark ?? ''
  // From here on a failure gives the use back, also the one between the two stores.
  request.onUnsent = () => giveBackUse(request, async () => {
    // The row first: a use that the windows' store gave back while the row stands would be spent on a conflict.
    await deps.database.asOrganization(orgId, (tx) => deleteRedemption(tx, orgId, { jti, watermark }))
    await deps.singleUse.giveBack(jti)
  })
  const isFirst = await fromStore(() => deps.database.asOrganization(orgId, (tx) => insertRedemption(tx, orgId, { jti, evaluationId, watermark })))
  if (!isFirst) {
    request.onUnsent = null
    throw new ApiError('result_token_used')
  }
  request.redeemedJti = jti
}

/**
 * Undoes a use. A store that was away when the answer was withheld is mostly still away now, so what fails is tried again in the
 * background; the refusal does not wait for it, and an error of it would reach the caller unfiltered.
 */
async function giveBackUse (request: FastifyRequest, undo: () => Promise<void>, tries = 0): Promise<void> {
  try {
    await undo()
  } catch (err) {
    const delayMs = UNDO_DELAYS_MS[tries]
    request.log.error({ watermark: request.watermark, ...safeDatabaseError(err) }, delayMs === undefined ? 'a use of a result token could not be given back' : 'a use of a result token is not given back yet')
    if (delayMs !== undefined) setTimeout(() => { giveBackUse(request, undo, tries + 1).catch(() => {}) }, delayMs).unref()
  }
}

function fullResult (item: ItemRow, suppressor: Suppressor, watermark: string, secret: Buffer): object {
  const { scenarioId: id, name, result } = item
  if (result === null) return { id, name, error: item.error ?? 'Scenario could not be evaluated' }
  return { id, name, ...judgementOnWire(openResult(result, id, suppressor), item.finishedAt, watermark, secret) }
}
