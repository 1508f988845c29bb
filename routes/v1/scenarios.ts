/** `GET /scenarios` and `GET /scenarios/{id}/results`. */
import type { FastifyInstance } from 'fastify'
import { findScenarios, latestResult, listScenarios, type LatestResult } from '../../db/queries/scenarios.ts'
import { suppressionsAt } from '../../db/queries/suppressions.ts'
import { ApiError } from '../../errors.ts'
import { judgementOnWire } from '../../evaluation/results.ts'
import { openResult, suppressorOf, type OpenResult } from '../../evaluation/suppressions.ts'
import { getPrincipal } from '../../plugins/context.ts'
import { belongsTo, isRecordId } from '../../plugins/lib/record-id.ts'
import { success } from '../../schemas/envelope.ts'
import { ScenarioList, ScenarioListQuery, ScenarioResults } from '../../schemas/scenario.ts'
import { fromStore, isUnchanged, notModified, type RouteDeps } from './deps.ts'

const LIMIT_DEFAULT = 50

export default async function scenarios (app: FastifyInstance, deps: RouteDeps): Promise<void> {
  const config = { access: 'key', scope: 'governance:read' } as const

  app.get<{ Querystring: { limit?: string, cursor?: string } }>('/scenarios', {
    config,
    schema: { querystring: ScenarioListQuery, response: { 200: success(ScenarioList) } }
  }, async (request) => {
    const { orgId } = getPrincipal(request)
    const limit = Number(request.query.limit ?? LIMIT_DEFAULT)
    const afterId = cursorOf(request.query.cursor, orgId, deps.secrets.recordId)
    const rows = await fromStore(() => deps.database.asOrganization(orgId, (tx) => listScenarios(tx, orgId, { limit: limit + 1, afterId })))
    const page = rows.slice(0, limit)
    const last = page.at(-1)
    return {
      ok: true,
      data: {
        scenarios: page.map(({ id, name, platform, modules, createdAt }) => ({ id, name, platform, modules, imported_at: createdAt.toISOString() })),
        next_cursor: rows.length > limit && last !== undefined ? Buffer.from(last.id).toString('base64url') : null
      }
    }
  })

  app.get<{ Params: { id: string } }>('/scenarios/:id/results', { config, schema: { response: { 200: success(ScenarioResults) } } }, async (request, reply) => {
    const { id } = request.params
    const { judged, evaluationId, evaluatedAt, evaluationStatus, name } = await openJudgement(getPrincipal(request).orgId, id, deps)
    if (isUnchanged(request, reply, { evaluationId, evaluationStatus, evaluatedAt, suppressed: suppressedIn(judged) })) return notModified(reply)
    const judgement = judgementOnWire(judged, evaluatedAt, request.watermark ?? '', deps.secrets.watermark)
    return { ok: true, data: { id, name, evaluation_id: evaluationId, ...judgement, evaluation_status: evaluationStatus } }
  })
}

export interface OpenJudgement extends Omit<LatestResult, 'result'> { judged: OpenResult }

/** The newest judgement of a scenario as it is to be read now. Throws `not_found` when there is no scenario or no judgement. */
export async function openJudgement (orgId: string, id: string, { database, now }: RouteDeps): Promise<OpenJudgement> {
  // Any other text names nothing, and one with a NUL would be an error of the database.
  if (!isRecordId(id, 'scn')) throw new ApiError('not_found')
  const { latest, suppressions } = await fromStore(() => database.asOrganization(orgId, async (tx) => {
    const [[scenario], suppressions] = await Promise.all([findScenarios(tx, orgId, [id]), suppressionsAt(tx, orgId, new Date(now()))])
    return { latest: scenario === undefined ? null : await latestResult(tx, orgId, id), suppressions }
  }))
  if (latest === null) throw new ApiError('not_found')
  const { result, ...rest } = latest
  return { ...rest, judged: openResult(result, id, suppressorOf(suppressions)) }
}

/** What a suppression changes about an answer, for its ETag. */
export function suppressedIn ({ suppressed }: OpenResult): string[] {
  return suppressed.map(({ finding, suppression }) => `${finding.fingerprint} ${suppression.id}`)
}

function cursorOf (cursor: string | undefined, orgId: string, secret: Buffer): string | null {
  if (cursor === undefined) return null
  const id = Buffer.from(cursor, 'base64url').toString('latin1')
  if (!belongsTo(id, 'scn', orgId, secret)) throw new ApiError('malformed_request', { detail: [{ path: '/cursor', reason: 'is not a cursor of this list' }] })
  return id
}
