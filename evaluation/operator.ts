/**
 * What an operator can do, over a database: used by `fb` directly, by the server on behalf of `fb` (bin/admin-socket.ts) and by
 * the demonstration. Arguments come from a command line or a socket, so each is checked here and nowhere else.
 */
import { createHash } from 'node:crypto'
import type { Database } from '../db/client.ts'
import { listKeys } from '../db/queries/keys.ts'
import { createOrganization } from '../db/queries/organizations.ts'
import { saveScenario } from '../db/queries/scenarios.ts'
import type { AdmissionStore } from '../plugins/context.ts'
import type { Thresholds } from '../plugins/lib/anomaly/thresholds.ts'
import type { SigningProfile } from '../plugins/lib/hardened-signature.ts'
import { mintRecordId, ulid } from '../plugins/lib/record-id.ts'
import type { MasterKeys } from '../plugins/lib/sealed-secret.ts'
import { parseBlueprint } from './graph/import.ts'
import type { KillControl } from './kill-control.ts'
import { createKey as makeKey, revokeKey } from './key-lifecycle.ts'
import { changeOneKey, keyDepsOf, listOneKeysEvents, rotateOneKey, untold } from './operator-keys.ts'
import { drillKillSwitch, liftKillSwitch, showKillSwitch, throwKillSwitch } from './operator-kill.ts'
import { actOf, listAnomalyEvents, oneKey, resumeOneKey, runBacktest, suspendOneKey } from './operator-anomalies.ts'
import { setOptions, showOptions } from './operator-options.ts'
import { rewrapSecrets } from './operator-secrets.ts'
import { debugOneKey, rotateOneSecret } from './operator-signing.ts'
import { traceMarks, traceOne } from './operator-trace.ts'
import { approveOneSuppression, createSuppression, listOrgSuppressions, withdrawOneSuppression } from './operator-suppressions.ts'
import { storedGraph } from './stored-graph.ts'
import { existingOrg, OperationError, parseKeyOptions, readFiles, readObject, readText } from './operator-arguments.ts'

export { OperationError, type OperationErrorKind } from './operator-arguments.ts'

export const OPERATIONS = ['org.create', 'key.create', 'key.list', 'key.revoke', 'key.rotate', 'key.change', 'key.events', 'key.suspend', 'key.resume', 'key.rotate-signing-secret', 'key.debug', 'import', 'trace', 'trace.marks', 'secrets.rewrap', 'anomalies.list', 'backtest',
  'suppression.create', 'suppression.list', 'suppression.approve', 'suppression.withdraw', 'options.show', 'options.set', 'kill.on', 'kill.off', 'kill.status', 'kill.drill'] as const
export type OperationName = typeof OPERATIONS[number]

export interface OperatorDeps {
  readonly database: Database
  readonly admission: AdmissionStore
  readonly recordIdSecret: Buffer
  readonly watermarkSecret: Buffer
  readonly masterKeys: MasterKeys
  readonly thresholds: Thresholds
  readonly kill: KillControl
  /** Told the share that is done of a long operation. Default none. */
  readonly onProgress?: (share: number) => void
  /** Who acts, for the record of who made or revoked a key. */
  readonly actor: string
}

export interface ImportedFile { path: string, id: string, name: string, platform: string, modules: number, problems: number, dropped: string[] }
export interface RefusedFile { path: string, reason: string }
/** `signing_secret`: of a hardened key, shown this once. */
export interface CreatedKey { id: string, key: string, prefix: string, permissions: string[], expires_at: string | null, signing_profile: SigningProfile, signing_secret?: string, canary_label?: string }

type Arguments = Record<string, unknown>

/** Runs one operation. Rejects with an `OperationError` for anything the operator can mend. */
export async function runOperation (deps: OperatorDeps, name: OperationName, args: unknown): Promise<object> {
  const given = readObject(args)
  switch (name) {
    case 'org.create': return createOrg(deps, given)
    case 'key.create': return createKey(deps, given)
    case 'key.list': return listOrgKeys(deps, given)
    case 'key.revoke': return revokeOneKey(deps, given)
    case 'key.rotate': return rotateOneKey(deps, given)
    case 'key.change': return changeOneKey(deps, given)
    case 'key.events': return listOneKeysEvents(deps, given)
    case 'key.rotate-signing-secret': return rotateOneSecret(deps, given)
    case 'key.debug': return debugOneKey(deps, given)
    case 'import': return importFiles(deps, given)
    case 'key.suspend': return suspendOneKey(deps, given, deps.actor)
    case 'key.resume': return resumeOneKey(deps, given, deps.actor)
    case 'anomalies.list': return listAnomalyEvents(deps, given)
    case 'backtest': return runBacktest(deps, given)
    case 'suppression.create': return createSuppression(deps, given)
    case 'suppression.list': return listOrgSuppressions(deps, given)
    case 'suppression.approve': return approveOneSuppression(deps, given)
    case 'suppression.withdraw': return withdrawOneSuppression(deps, given)
    case 'options.show': return showOptions(deps, given)
    case 'options.set': return setOptions(deps, given)
    case 'kill.on': return throwKillSwitch(deps, given)
    case 'kill.off': return liftKillSwitch(deps, given)
    case 'kill.status': return showKillSwitch(deps, given)
    case 'kill.drill': return drillKillSwitch(deps)
    case 'secrets.rewrap': return rewrapSecrets(deps.database, deps.masterKeys)
    case 'trace': return traceOne(deps, given)
    case 'trace.marks': return traceMarks(deps, given)
    default: throw new OperationError('usage', 'unknown operation')
  }
}

async function createOrg ({ database }: OperatorDeps, args: Arguments): Promise<{ id: string, name: string }> {
  const name = readText(args, 'name')
  const id = `org_${ulid()}`
  await createOrganization(database.db, { id, name })
  return { id, name }
}

async function createKey (deps: OperatorDeps, args: Arguments): Promise<CreatedKey> {
  const orgId = await existingOrg(deps.database, args)
  const options = parseKeyOptions(args, Date.now())
  const { row, key, signingSecret } = await makeKey(keyDepsOf(deps), orgId, options, actOf(deps.actor, args))
  return {
    id: row.id,
    key,
    prefix: row.prefix,
    permissions: [...options.permissions],
    expires_at: options.expiresAt?.toISOString() ?? null,
    signing_profile: options.signingProfile,
    ...(signingSecret === null ? {} : { signing_secret: signingSecret }),
    ...(options.canaryLabel === null ? {} : { canary_label: options.canaryLabel })
  }
}

async function listOrgKeys ({ database }: OperatorDeps, args: Arguments): Promise<object> {
  const orgId = await existingOrg(database, args)
  const rows = await database.asOrganization(orgId, (tx) => listKeys(tx, orgId))
  return {
    org: orgId,
    keys: rows.map((row) => ({
      id: row.id,
      name: row.name,
      prefix: row.prefix,
      permissions: row.permissions,
      state: row.state,
      canary_label: row.canaryLabel,
      suspended_reason: row.suspendedReason,
      ip_allow: row.ipAllowlist,
      rpm: row.perMinute,
      rph: row.perHour,
      signing_profile: row.signingProfile,
      previous_signing_secret_until: isoOrNull(row.previousSigningSecretUntil),
      debug_until: isoOrNull(row.debugUntil),
      expires_at: isoOrNull(row.expiresAt),
      created_at: isoOrNull(row.createdAt)
    }))
  }
}

async function revokeOneKey (deps: OperatorDeps, args: Arguments): Promise<object> {
  const { id, orgId, prefix } = await oneKey(deps.database, readText(args, 'key'))
  const ended = await revokeKey(keyDepsOf(deps), orgId, id, { ...actOf(deps.actor, args), reason: args['reason'] === undefined ? 'revoked by an operator' : readText(args, 'reason') })
  if (ended.outcome === 'unknown') throw new OperationError('failed', 'no key has this id or prefix')
  if (!ended.told) throw untold('revocation', id)
  return { id, prefix, state: 'revoked', revoked_at: isoOrNull(ended.row.revokedAt) }
}

async function importFiles ({ database, recordIdSecret }: OperatorDeps, args: Arguments): Promise<{ imported: ImportedFile[], refused: RefusedFile[] }> {
  const orgId = await existingOrg(database, args)
  const imported: ImportedFile[] = []
  const refused: RefusedFile[] = []
  for (const { path, text } of readFiles(args)) {
    const parsed = parseBlueprint(text)
    if (!parsed.ok) {
      refused.push({ path, reason: parsed.reason })
      continue
    }
    const { graph } = parsed
    const id = mintRecordId('scn', orgId, recordIdSecret)
    const name = graph.name === '' ? path.slice(path.lastIndexOf('/') + 1).slice(0, 120) : graph.name
    const sourceDigest = createHash('sha256').update(text).digest('hex')
    const modules = graph.nodes.length
    await database.asOrganization(orgId, (tx) => saveScenario(tx, orgId, { id, name, stored: storedGraph(graph), sourceDigest }))
    imported.push({ path, id, name, platform: graph.platform, modules, problems: graph.problems.length, dropped: graph.dropped })
  }
  return { imported, refused }
}

function isoOrNull (value: Date | string | null | undefined): string | null {
  return value === null || value === undefined ? null : new Date(value).toISOString()
}
