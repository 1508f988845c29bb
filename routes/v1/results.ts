/**
 * `GET /results/{token}`: the full results, once. The windows' store decides who of any number of presenters is first; the row in
 * `redemptions` confirms it, so that a store that failed over or was restored cannot give a second use. An answer that could not
 * be produced or recorded gives the use back.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { deleteRedemption, findEvaluation, findItems, insertRedemption, type ItemRow } from '../../db/queries/evaluations.ts'
import { safeDatabaseError } from '../../db/client.ts'
import { ApiError } from '../../errors.ts'
import { judgementOnWire } from '../../evaluation/results.ts'
import { verifyResultToken, type ResultTokenClaims } from '../../plugins/lib/result-token.ts'
import { success } from '../../schemas/envelope.ts'
import { FullResults } from '../../schemas/scenario.ts'
import { fromStore, type RouteDeps } from './deps.ts'

const RETRY_AFTER_SECONDS = '2'

export default async function results (app: FastifyInstance, deps: RouteDeps): Promise<void> {
  app.get<{ Params: { token: string } }>('/results/:token', {
    config: { access: 'result-token' },
    schema: { response: { 200: success(FullResults) } }
  }, async (request, reply) => {
    const claims = verifyResultToken(request.params.token, deps.secrets.resultToken, Math.floor(deps.now() / 1000))
    if (claims === null) throw new ApiError('result_token_invalid')
    request.tokenOrgId = claims.orgId
    const items = await completeItems(claims, deps)
    await redeem(request, claims, deps)
    reply.header('referrer-policy', 'no-referrer')
    const watermark = request.watermark ?? ''
    return { ok: true, data: { evaluation_id: claims.evaluationId, scenarios: items.map((item) => fullResult(item, watermark, deps.secrets.watermark)) } }
  })
}

async function completeItems ({ evaluationId, orgId }: ResultTokenClaims, deps: RouteDeps): Promise<ItemRow[]> {
  return await fromStore(() => deps.database.asOrganization(orgId, async (tx) => {
    const evaluation = await findEvaluation(tx, orgId, evaluationId)
    if (evaluation === null) throw new ApiError('result_token_invalid')
    if (evaluation.state === 'pending' || evaluation.state === 'processing') throw new ApiError('evaluation_incomplete', { headers: { 'retry-after': RETRY_AFTER_SECONDS } })
    return await findItems(tx, orgId, evaluationId)
  }))
}

async function redeem (request: FastifyRequest, claims: ResultTokenClaims, deps: RouteDeps): Promise<void> {
  const { jti, orgId, evaluationId } = claims
  const taken = await fromStore(() => deps.singleUse.take(jti))
  if (taken === 'used') throw new ApiError('result_token_used')
  if (taken === 'unknown') throw new ApiError('result_token_invalid')
  const watermark = request.watermark ?? ''
  // From here on a failure gives the use back, also the one between the two stores.
  request.onUnsent = async () => {
    await attempt(request, () => deps.database.asOrganization(orgId, (tx) => deleteRedemption(tx, orgId, { jti, watermark })))
    await attempt(request, () => deps.singleUse.giveBack(jti))
  }
  const isFirst = await fromStore(() => deps.database.asOrganization(orgId, (tx) => insertRedemption(tx, orgId, { jti, evaluationId, watermark })))
  if (!isFirst) {
    request.onUnsent = null
    throw new ApiError('result_token_used')
  }
  request.redeemedJti = jti
}

// An undo that fails must neither keep the next one from running nor replace the refusal: it would reach the caller unfiltered.
async function attempt (request: FastifyRequest, undo: () => Promise<unknown>): Promise<void> {
  try {
    await undo()
  } catch (err) {
    request.log.error(safeDatabaseError(err), 'a use of a result token could not be given back')
  }
}

function fullResult (item: ItemRow, watermark: string, secret: Buffer): object {
  const { scenarioId: id, name, result } = item
  if (result === null) return { id, name, error: item.error ?? 'Scenario could not be evaluated' }
  return { id, name, ...judgementOnWire(result, item.finishedAt, watermark, secret) }
}
