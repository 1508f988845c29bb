/** `GET /scenarios/{id}/remediation`: ordered steps for every open violation of a scenario's newest judgement. */
import type { FastifyInstance } from 'fastify'
import { remediationOnWire } from '../../evaluation/remediation.ts'
import { CATALOGUE_VERSION } from '../../evaluation/rules/index.ts'
import { getPrincipal } from '../../plugins/context.ts'
import { success } from '../../schemas/envelope.ts'
import { ScenarioRemediation } from '../../schemas/governance.ts'
import { isUnchanged, notModified, type RouteDeps } from './deps.ts'
import { openJudgement, suppressedIn } from './scenarios.ts'

export default async function remediation (app: FastifyInstance, deps: RouteDeps): Promise<void> {
  app.get<{ Params: { id: string } }>('/scenarios/:id/remediation', {
    config: { access: 'key', scope: 'governance:read' },
    schema: { response: { 200: success(ScenarioRemediation) } }
  }, async (request, reply) => {
    const { id } = request.params
    const { judged, evaluationId, evaluatedAt, name } = await openJudgement(getPrincipal(request).orgId, id, deps)
    // The steps are those of this build's catalogue, whatever version the scenario was judged under.
    if (isUnchanged(request, reply, { evaluationId, evaluatedAt, suppressed: suppressedIn(judged), catalogue: CATALOGUE_VERSION })) return notModified(reply)
    return {
      ok: true,
      data: { id, name, evaluation_id: evaluationId, evaluated_at: evaluatedAt.toISOString(), ...remediationOnWire(judged, request.watermark ?? '', deps.secrets.watermark) }
    }
  })
}
