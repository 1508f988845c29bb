/**
 * Suppressions. A finding is named by its reference in an answer (`ref`), which is opened and looked for in the scenario's newest
 * judgement: fingerprints stay inside. What is critical needs a second key's approval; a key cannot approve what it made.
 */
import type { FastifyInstance } from 'fastify'
import type { Db } from '../../db/client.ts'
import { findScenarios, latestResult } from '../../db/queries/scenarios.ts'
import { approveSuppression, findSuppression, insertSuppression, listSuppressions, stateOf, withdrawSuppression, type SuppressionRow, type SuppressionState } from '../../db/queries/suppressions.ts'
import { ApiError } from '../../errors.ts'
import { awaitsApproval, expiryOf, isPolicyCode, scopeOf, SUPPRESSION_DAYS_MAX, SUPPRESSIONS_MAX } from '../../evaluation/suppressions.ts'
import { getPrincipal } from '../../plugins/context.ts'
import { isRefOf, openRef } from '../../plugins/lib/finding-ref.ts'
import { belongsTo, isRecordId, mintRecordId } from '../../plugins/lib/record-id.ts'
import { success } from '../../schemas/envelope.ts'
import { Suppression, SuppressionCreateBody, SuppressionList, SuppressionListQuery, type SuppressionCreate } from '../../schemas/suppression.ts'
import { fromStore, timeOf, type RouteDeps } from './deps.ts'

const LIMIT_DEFAULT = 50

interface SuppressionParams { Params: { suppression_id: string } }
interface Query { limit?: string, cursor?: string, state?: SuppressionState | 'all' }

export default async function suppressions (app: FastifyInstance, deps: RouteDeps): Promise<void> {
  const config = { access: 'key', scope: 'admin' } as const
  const response = { 200: success(Suppression) }
  const { database, secrets } = deps
  const nowDate = (): Date => new Date(deps.now())

  app.post<{ Body: SuppressionCreate }>('/suppressions', { config, schema: { body: SuppressionCreateBody, response } }, async (request) => {
    const { orgId, keyId } = getPrincipal(request)
    const { code, reason } = request.body
    refuseForeignScenario(request.body, orgId)
    const createdAt = nowDate()
    const expiresAt = readExpiry(request.body.expires_at, createdAt)
    const row = await fromStore(() => database.asOrganization(orgId, async (tx) => {
      const { scenarioId, fingerprint } = await targetOf(tx, orgId, request.body)
      const id = mintRecordId('sup', orgId, secrets.recordId, deps.now())
      const isMade = await insertSuppression(tx, orgId, { id, code, scenarioId, fingerprint, reason: reason.trim(), createdBy: keyId, createdAt, expiresAt }, SUPPRESSIONS_MAX)
      if (!isMade) throw new ApiError('malformed_request', { detail: `An organization has at most ${SUPPRESSIONS_MAX} suppressions in force.` })
      return await findSuppression(tx, orgId, id)
    }))
    return { ok: true, data: onWire(found(row), createdAt) }
  })

  app.get<{ Querystring: Query }>('/suppressions', { config, schema: { querystring: SuppressionListQuery, response: { 200: success(SuppressionList) } } }, async (request) => {
    const { orgId } = getPrincipal(request)
    const { state = 'active', cursor } = request.query
    const limit = Number(request.query.limit ?? LIMIT_DEFAULT)
    const at = nowDate()
    const afterId = cursorOf(cursor, orgId)
    const rows = await fromStore(() => database.asOrganization(orgId, (tx) => listSuppressions(tx, orgId, { limit: limit + 1, afterId, state: state === 'all' ? null : state, at })))
    const page = rows.slice(0, limit)
    const last = page.at(-1)
    return { ok: true, data: { suppressions: page.map((row) => onWire(row, at)), next_cursor: rows.length > limit && last !== undefined ? Buffer.from(last.id).toString('base64url') : null } }
  })

  app.delete<SuppressionParams>('/suppressions/:suppression_id', { config, schema: { response } }, async (request) => {
    const { orgId, keyId } = getPrincipal(request)
    const id = suppressionIdOf(request.params)
    const at = nowDate()
    const row = await fromStore(() => database.asOrganization(orgId, (tx) => withdrawSuppression(tx, orgId, id, { actor: keyId, at })))
    return { ok: true, data: onWire(found(row), at) }
  })

  app.post<SuppressionParams>('/suppressions/:suppression_id/approve', { config, schema: { response } }, async (request) => {
    const { orgId, keyId } = getPrincipal(request)
    const id = suppressionIdOf(request.params)
    const at = nowDate()
    const row = await fromStore(() => database.asOrganization(orgId, async (tx) =>
      await approveSuppression(tx, orgId, id, { actor: keyId, at }) ?? await findSuppression(tx, orgId, id)))
    if (row === null || stateOf(row, at) !== 'active') throw new ApiError('not_found')
    if (row.approvedAt === null) throw new ApiError('insufficient_permission', { detail: 'Another key must approve what this key suppressed.', reason: 'second_actor' })
    return { ok: true, data: onWire(row, at) }
  })

  function refuseForeignScenario ({ scenario_id: own, finding }: SuppressionCreate, orgId: string): void {
    for (const id of [own, finding?.scenario_id]) if (id !== undefined && isRecordId(id, 'scn') && !belongsTo(id, 'scn', orgId, secrets.recordId)) throw new ApiError('organization_mismatch')
  }

  async function targetOf (tx: Db, orgId: string, { code, scenario_id: scenarioId, finding }: SuppressionCreate): Promise<{ scenarioId: string | null, fingerprint: string | null }> {
    if (!isPolicyCode(code)) refuse('/code', 'is not the code of a policy')
    if (scenarioId !== undefined && finding !== undefined) refuse('/finding', 'must not stand beside scenario_id')
    if (scenarioId !== undefined) {
      const [scenario] = isRecordId(scenarioId, 'scn') ? await findScenarios(tx, orgId, [scenarioId]) : []
      return { scenarioId: scenario?.id ?? refuse('/scenario_id', 'is not a scenario of this organization'), fingerprint: null }
    }
    if (finding === undefined) return { scenarioId: null, fingerprint: null }
    const ref = openRef(finding.ref, secrets.watermark)
    const latest = isRecordId(finding.scenario_id, 'scn') ? await latestResult(tx, orgId, finding.scenario_id) : null
    const meant = ref === null ? undefined : latest?.result.violations.find((one) => one.code === code && isRefOf(ref, one.fingerprint, secrets.watermark))
    return { scenarioId: null, fingerprint: meant?.fingerprint ?? refuse('/finding', 'is no finding of this code in the newest results of the scenario') }
  }

  function cursorOf (cursor: string | undefined, orgId: string): string | null {
    if (cursor === undefined) return null
    const id = Buffer.from(cursor, 'base64url').toString('latin1')
    return belongsTo(id, 'sup', orgId, secrets.recordId) ? id : refuse('/cursor', 'is not a cursor of this list')
  }
}

function refuse (path: string, reason: string): never {
  throw new ApiError('malformed_request', { detail: [{ path, reason }] })
}

function readExpiry (text: string | undefined, now: Date): Date {
  const at = expiryOf(text === undefined ? undefined : timeOf(text, '/expires_at'), now.getTime())
  return at ?? refuse('/expires_at', `must lie in the future, at most ${SUPPRESSION_DAYS_MAX} days away`)
}

function suppressionIdOf (params: { suppression_id: string }): string {
  if (!isRecordId(params.suppression_id, 'sup')) throw new ApiError('not_found')
  return params.suppression_id
}

function found (row: SuppressionRow | null): SuppressionRow {
  if (row === null) throw new ApiError('not_found')
  return row
}

function onWire (row: SuppressionRow, at: Date): object {
  return {
    id: row.id,
    code: row.code,
    scope: scopeOf(row),
    scenario_id: row.scenarioId,
    reason: row.reason,
    state: stateOf(row, at),
    awaits_approval: awaitsApproval({ code: row.code, isApproved: row.approvedAt !== null }),
    created_by: row.createdBy,
    created_at: row.createdAt.toISOString(),
    expires_at: row.expiresAt.toISOString(),
    approved_by: row.approvedBy,
    approved_at: row.approvedAt?.toISOString() ?? null,
    withdrawn_by: row.withdrawnBy,
    withdrawn_at: row.withdrawnAt?.toISOString() ?? null
  }
}
