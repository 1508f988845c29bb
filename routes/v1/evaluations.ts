/** `GET /evaluations/{evaluation_id}`: how far an evaluation is, and once complete what it found, in numbers. */
import type { FastifyInstance } from 'fastify'
import { findEvaluation, findItems } from '../../db/queries/evaluations.ts'
import { suppressionsAt } from '../../db/queries/suppressions.ts'
import { ApiError } from '../../errors.ts'
import { summaryOnWire } from '../../evaluation/results.ts'
import { suppressorOf } from '../../evaluation/suppressions.ts'
import { getPrincipal } from '../../plugins/context.ts'
import { isRecordId } from '../../plugins/lib/record-id.ts'
import { success } from '../../schemas/envelope.ts'
import { EvaluationProgress } from '../../schemas/evaluation.ts'
import { fromStore, isUnchanged, notModified, type RouteDeps } from './deps.ts'

export default async function evaluations (app: FastifyInstance, deps: RouteDeps): Promise<void> {
  app.get<{ Params: { evaluation_id: string } }>('/evaluations/:evaluation_id', {
    config: { access: 'key', scope: 'governance:read' },
    schema: { response: { 200: success(EvaluationProgress) } }
  }, async (request, reply) => {
    const { orgId } = getPrincipal(request)
    const id = request.params.evaluation_id
    // Any other text names nothing, and one with a NUL would be an error of the database.
    if (!isRecordId(id, 'req')) throw new ApiError('not_found')
    const data = await fromStore(() => deps.database.asOrganization(orgId, async (tx) => {
      const evaluation = await findEvaluation(tx, orgId, id)
      if (evaluation === null) throw new ApiError('not_found')
      const isComplete = evaluation.state === 'complete'
      const [items, suppressions] = isComplete ? await Promise.all([findItems(tx, orgId, id), suppressionsAt(tx, orgId, new Date(deps.now()))]) : [[], []]
      const suppressor = suppressorOf(suppressions)
      return {
        evaluation_id: evaluation.id,
        status: evaluation.state,
        total_scenarios: evaluation.total,
        completed: evaluation.completed,
        ...(evaluation.error === null ? {} : { error: evaluation.error }),
        ...(isComplete ? { scenarios: items.map((item) => summaryOnWire(item, suppressor)) } : {})
      }
    }))
    return isUnchanged(request, reply, data) ? notModified(reply) : { ok: true, data }
  })
}
