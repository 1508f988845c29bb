/**
 * `POST /evaluate`: one transaction writes the evaluation, whose row is the queue entry; an answer of 200 means that it will be
 * judged, whatever dies next. Inline blueprints become fact graphs here, large ones in a thread, and their strings end with the request.
 */
import { createHash, randomBytes } from 'node:crypto'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { createEvaluation, type NewItem } from '../../db/queries/evaluations.ts'
import { findScenarios, saveScenario, type NewScenario } from '../../db/queries/scenarios.ts'
import { ApiError, type FieldProblem } from '../../errors.ts'
import { readBlueprint, type ReadBlueprint } from '../../evaluation/stored-graph.ts'
import { getPrincipal } from '../../plugins/context.ts'
import { belongsTo, isRecordId, mintRecordId } from '../../plugins/lib/record-id.ts'
import { mintResultToken, TOKEN_TTL_SECONDS } from '../../plugins/lib/result-token.ts'
import { success } from '../../schemas/envelope.ts'
import { EvaluateAccepted, EvaluateBodySchema, type EvaluateBody } from '../../schemas/evaluation.ts'
import { readBlueprintBodies } from '../blueprint-body.ts'
import { fromStore, type RouteDeps } from './deps.ts'

const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/
const JTI_BYTES = 16
const UNKNOWN_NAME = 'Unknown scenario'

interface Prepared { items: NewItem[], saved: NewScenario[] }

export default async function evaluate (app: FastifyInstance, deps: RouteDeps): Promise<void> {
  const blueprintsRead = readBlueprintBodies(app)

  app.post<{ Body: EvaluateBody }>('/evaluate', {
    config: { access: 'key', scope: 'governance:evaluate' },
    schema: { body: EvaluateBodySchema, response: { 200: success(EvaluateAccepted) } }
  }, async (request) => {
    const { orgId, keyId } = getPrincipal(request)
    const idempotencyKey = idempotencyKeyOf(request)
    // Ten megabytes take a while to digest, and only a repeated key asks for it.
    const requestDigest = idempotencyKey === null ? null : createHash('sha256').update(request.rawBody ?? '').digest('hex')
    refuseAmbiguous(request.body)
    refuseForeignIds(request.body, orgId, deps.secrets.recordId)
    const id = mintRecordId('req', orgId, deps.secrets.recordId, deps.now())
    const inline = inlineItems(request.body, blueprintsRead(request), orgId, deps)

    // The token first: one without an evaluation is refused when it is presented, an evaluation without a token would be doubled by a retry.
    const jti = randomBytes(JTI_BYTES).toString('hex')
    await fromStore(() => deps.singleUse.issue(jti, TOKEN_TTL_SECONDS))
    const outcome = await fromStore(() => deps.database.asOrganization(orgId, async (tx) => {
      const prepared = inline ?? { items: await storedItems(request.body.scenario_ids ?? [], (ids) => findScenarios(tx, orgId, ids)), saved: [] }
      const created = await createEvaluation(tx, orgId, { id, keyId, items: prepared.items, idempotencyKey, requestDigest })
      if (created === 'created') for (const scenario of prepared.saved) await saveScenario(tx, orgId, scenario)
      return { created, total: prepared.items.length }
    }))
    if (outcome.created !== 'created' && outcome.created.requestDigest !== requestDigest) throw new ApiError('idempotency_conflict')
    const evaluationId = outcome.created === 'created' ? id : outcome.created.existing

    deps.wake()
    const resultToken = mintResultToken({ evaluationId, orgId, jti, iatSeconds: Math.floor(deps.now() / 1000) }, deps.secrets.resultToken)
    return { ok: true, data: { evaluation_id: evaluationId, status: 'processing', total_scenarios: outcome.total, result_token: resultToken } }
  })
}

function idempotencyKeyOf (request: FastifyRequest): string | null {
  const key = request.headers['idempotency-key']
  if (key === undefined) return null
  if (typeof key === 'string' && IDEMPOTENCY_KEY.test(key) && !/fb_live_|whsec_/.test(key)) return key
  throw new ApiError('malformed_request', { detail: [{ path: 'Idempotency-Key', reason: 'must be 1 to 255 visible ASCII characters, and no key or secret' }] })
}

function refuseAmbiguous (body: EvaluateBody): void {
  const problems: FieldProblem[] = []
  if ((body.scenario_ids === undefined) === (body.blueprints === undefined)) problems.push({ path: '', reason: 'must have exactly one of scenario_ids and blueprints' })
  if (body.scenario_ids !== undefined && body.org_id === undefined) problems.push({ path: '/org_id', reason: 'is required with scenario_ids' })
  const ids = body.blueprints?.map((inline) => inline.id) ?? []
  // Under a stored scenario's id its result would be read as that scenario's.
  for (const [position, id] of ids.entries()) if (isRecordId(id, 'scn')) problems.push({ path: `/blueprints/${position}/id`, reason: 'must not be the id of a scenario' })
  if (new Set(ids).size < ids.length) problems.push({ path: '/blueprints', reason: 'must not repeat an id' })
  if (problems.length > 0) throw new ApiError('malformed_request', { detail: problems })
}

function refuseForeignIds (body: EvaluateBody, orgId: string, secret: Buffer): void {
  const foreign = body.scenario_ids?.some((id) => isRecordId(id, 'scn') && !belongsTo(id, 'scn', orgId, secret)) ?? false
  if (foreign) throw new ApiError('organization_mismatch')
}

// An id that is not there fails alone, in its place: the batch goes on.
async function storedItems (ids: readonly string[], find: (ids: string[]) => Promise<Array<{ id: string, name: string }>>): Promise<NewItem[]> {
  const names = new Map((await find([...ids])).map(({ id, name }) => [id, name]))
  return ids.map((scenarioId, position) => ({ position, scenarioId, name: names.get(scenarioId) ?? UNKNOWN_NAME, graph: null }))
}

function inlineItems (body: EvaluateBody, read: ReadonlyArray<ReadBlueprint | null>, orgId: string, deps: RouteDeps): Prepared | null {
  if (body.blueprints === undefined) return null
  const prepared: Prepared = { items: [], saved: [] }
  const problems: FieldProblem[] = []
  for (const [position, inline] of body.blueprints.entries()) {
    const imported = read[position] ?? readBlueprint(inline.blueprint, inline.save === true)
    if (!imported.ok) {
      problems.push({ path: `/blueprints/${position}/blueprint`, reason: imported.reason })
      continue
    }
    const { stored, digest } = imported
    const name = inline.name ?? stored.name
    if (inline.save !== true || digest === null) prepared.items.push({ position, scenarioId: inline.id, name, graph: stored.text })
    else {
      const id = mintRecordId('scn', orgId, deps.secrets.recordId, deps.now())
      prepared.saved.push({ id, name, stored, sourceDigest: digest })
      prepared.items.push({ position, scenarioId: id, name, graph: null })
    }
  }
  if (problems.length > 0) throw new ApiError('blueprint_invalid', { detail: problems })
  return prepared
}
