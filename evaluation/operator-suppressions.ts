/** What an operator does about suppressions, on behalf of an organization. The same rules as on the wire: a reason, an end, a second actor. */
import type { Database } from '../db/client.ts'
import { findScenarios } from '../db/queries/scenarios.ts'
import { approveSuppression, findSuppression, insertSuppression, listSuppressions, stateOf, withdrawSuppression, type SuppressionRow } from '../db/queries/suppressions.ts'
import { mintRecordId } from '../plugins/lib/record-id.ts'
import { existingOrg, OperationError, readExpiry, readText } from './operator-arguments.ts'
import { awaitsApproval, expiryOf, isPolicyCode, scopeOf, SUPPRESSION_DAYS_MAX, SUPPRESSIONS_MAX } from './suppressions.ts'

const PAGE = 100
const FINGERPRINT = /^[0-9a-f]{32}$/
const STATES = ['active', 'expired', 'withdrawn'] as const

export interface SuppressionDeps { readonly database: Database, readonly recordIdSecret: Buffer, readonly actor: string }

/** A suppression as `fb` shows it: with the fingerprint, which an operator who checks files has and a partner has not. */
export interface ShownSuppression {
  id: string
  code: string
  scope: 'organization' | 'scenario' | 'finding'
  scenario_id: string | null
  fingerprint: string | null
  reason: string
  state: 'active' | 'expired' | 'withdrawn'
  awaits_approval: boolean
  created_by: string
  created_at: string
  expires_at: string
  approved_by: string | null
  withdrawn_by: string | null
}

type Arguments = Record<string, unknown>

export async function createSuppression ({ database, recordIdSecret, actor }: SuppressionDeps, args: Arguments): Promise<ShownSuppression> {
  const orgId = await existingOrg(database, args)
  const at = new Date()
  const { code, scenarioId, fingerprint } = readTarget(args)
  const reason = readText(args, 'reason')
  const expiresAt = expiryOf(readExpiry(args['expires'], at.getTime()) ?? undefined, at.getTime())
  if (expiresAt === null) throw new OperationError('usage', `expires must lie at most ${SUPPRESSION_DAYS_MAX} days away`)
  const id = mintRecordId('sup', orgId, recordIdSecret)
  return await database.asOrganization(orgId, async (tx) => {
    if (scenarioId !== null && (await findScenarios(tx, orgId, [scenarioId])).length === 0) throw new OperationError('failed', 'the organization has no scenario of this id')
    const isMade = await insertSuppression(tx, orgId, { id, code, scenarioId, fingerprint, reason, createdBy: actor, createdAt: at, expiresAt }, SUPPRESSIONS_MAX)
    if (!isMade) throw new OperationError('failed', `the organization has ${SUPPRESSIONS_MAX} suppressions in force already`)
    return shown(existing(await findSuppression(tx, orgId, id)), at)
  })
}

/** Newest first. `state` is one of active, expired, withdrawn; without it all of them. */
export async function listOrgSuppressions ({ database }: SuppressionDeps, args: Arguments): Promise<{ org: string, suppressions: ShownSuppression[] }> {
  const orgId = await existingOrg(database, args)
  const state = STATES.find((one) => one === args['state']) ?? null
  if (args['state'] !== undefined && state === null) throw new OperationError('usage', `state must be one of ${STATES.join(', ')}`)
  const at = new Date()
  const suppressions: ShownSuppression[] = []
  let afterId: string | null = null
  for (;;) {
    const page: SuppressionRow[] = await database.asOrganization(orgId, (tx) => listSuppressions(tx, orgId, { limit: PAGE, afterId, state, at }))
    suppressions.push(...page.map((row) => shown(row, at)))
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) return { org: orgId, suppressions }
    afterId = last.id
  }
}

export async function approveOneSuppression ({ database, actor }: SuppressionDeps, args: Arguments): Promise<ShownSuppression> {
  const orgId = await existingOrg(database, args)
  const id = readText(args, 'id')
  const at = new Date()
  const row = await database.asOrganization(orgId, async (tx) => await approveSuppression(tx, orgId, id, { actor, at }) ?? await findSuppression(tx, orgId, id))
  if (row !== null && stateOf(row, at) === 'active' && row.approvedAt === null) throw new OperationError('failed', `${actor} made this suppression; somebody else must approve it`)
  return shown(inForce(row, at), at)
}

export async function withdrawOneSuppression ({ database, actor }: SuppressionDeps, args: Arguments): Promise<ShownSuppression> {
  const orgId = await existingOrg(database, args)
  const id = readText(args, 'id')
  const at = new Date()
  const row = await database.asOrganization(orgId, async (tx) => await withdrawSuppression(tx, orgId, id, { actor, at }) ?? await findSuppression(tx, orgId, id))
  if (row !== null && row.withdrawnAt === null) throw new OperationError('failed', 'the suppression has expired')
  return shown(existing(row), at)
}

function readTarget (args: Arguments): { code: string, scenarioId: string | null, fingerprint: string | null } {
  const code = readText(args, 'code')
  if (!isPolicyCode(code)) throw new OperationError('usage', 'code must be the code of one policy, such as NET-001')
  const scenarioId = args['scenario'] === undefined ? null : readText(args, 'scenario')
  const fingerprint = args['fingerprint'] === undefined ? null : readText(args, 'fingerprint')
  if (scenarioId !== null && fingerprint !== null) throw new OperationError('usage', 'give a scenario or a fingerprint, not both')
  if (fingerprint !== null && !FINGERPRINT.test(fingerprint)) throw new OperationError('usage', 'a fingerprint is 32 hex characters; fb check --json prints them')
  return { code, scenarioId, fingerprint }
}

function existing (row: SuppressionRow | null): SuppressionRow {
  if (row === null) throw new OperationError('failed', 'the organization has no suppression of this id')
  return row
}

function inForce (row: SuppressionRow | null, at: Date): SuppressionRow {
  const one = existing(row)
  const state = stateOf(one, at)
  if (state !== 'active') throw new OperationError('failed', state === 'expired' ? 'the suppression has expired' : 'the suppression was withdrawn')
  return one
}

function shown (row: SuppressionRow, at: Date): ShownSuppression {
  return {
    id: row.id,
    code: row.code,
    scope: scopeOf(row),
    scenario_id: row.scenarioId,
    fingerprint: row.fingerprint,
    reason: row.reason,
    state: stateOf(row, at),
    awaits_approval: awaitsApproval({ code: row.code, isApproved: row.approvedAt !== null }),
    created_by: row.createdBy,
    created_at: row.createdAt.toISOString(),
    expires_at: row.expiresAt.toISOString(),
    approved_by: row.approvedBy,
    withdrawn_by: row.withdrawnBy
  }
}
