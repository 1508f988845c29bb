/**
 * What an operator can do, over a database: used by `fb` directly, by the server on behalf of `fb` (bin/admin-socket.ts) and by
 * the demonstration. Arguments come from a command line or a socket, so each is checked here and nowhere else.
 */
import { createHash } from 'node:crypto'
import type { Database } from '../db/client.ts'
import { insertKey, listKeys } from '../db/queries/keys.ts'
import { createOrganization, findOrganization } from '../db/queries/organizations.ts'
import { saveScenario } from '../db/queries/scenarios.ts'
import { findAuditRow, findKeysByIdOrPrefix, revokeKeyById } from '../db/queries/system.ts'
import type { AdmissionStore } from '../plugins/context.ts'
import { generateApiKey } from '../plugins/lib/api-key.ts'
import { mintRecordId, ulid } from '../plugins/lib/record-id.ts'
import { verifyWatermark } from '../plugins/lib/watermark-id.ts'
import { parseBlueprint } from './graph/import.ts'
import { OperationError, parseKeyOptions, readFiles, readObject, readText } from './operator-arguments.ts'

export { OperationError, type OperationErrorKind } from './operator-arguments.ts'

/** Seconds that an instance may serve a key record from its cache (plugins/authentication.ts, CACHE_TTL_MS). */
const KEY_CACHE_SECONDS = 10

export const OPERATIONS = ['org.create', 'key.create', 'key.list', 'key.revoke', 'import', 'trace'] as const
export type OperationName = typeof OPERATIONS[number]

export interface OperatorDeps {
  readonly database: Database
  readonly admission: AdmissionStore
  readonly recordIdSecret: Buffer
  readonly watermarkSecret: Buffer
  /** Who acts, for the record of who made or revoked a key. */
  readonly actor: string
}

export interface ImportedFile { path: string, id: string, name: string, platform: string, modules: number, problems: number, dropped: string[] }
export interface RefusedFile { path: string, reason: string }
export interface CreatedKey { id: string, key: string, prefix: string, permissions: string[], expires_at: string | null }

type Arguments = Record<string, unknown>

/** Runs one operation. Rejects with an `OperationError` for anything the operator can mend. */
export async function runOperation (deps: OperatorDeps, name: OperationName, args: unknown): Promise<object> {
  const given = readObject(args)
  switch (name) {
    case 'org.create': return createOrg(deps, given)
    case 'key.create': return createKey(deps, given)
    case 'key.list': return listOrgKeys(deps, given)
    case 'key.revoke': return revokeOneKey(deps, given)
    case 'import': return importFiles(deps, given)
    case 'trace': return traceWatermark(deps, given)
    default: throw new OperationError('usage', 'unknown operation')
  }
}

async function createOrg ({ database }: OperatorDeps, args: Arguments): Promise<{ id: string, name: string }> {
  const name = readText(args, 'name')
  const id = `org_${ulid()}`
  await createOrganization(database.db, { id, name })
  return { id, name }
}

async function createKey ({ database, actor }: OperatorDeps, args: Arguments): Promise<CreatedKey> {
  const orgId = await existingOrg(database, args)
  const options = parseKeyOptions(args, Date.now())
  const { key, prefix, digest } = generateApiKey()
  const id = `key_${ulid()}`
  await database.asOrganization(orgId, (tx) => insertKey(tx, orgId, { id, prefix, digest, createdBy: actor, ...options }))
  return { id, key, prefix, permissions: [...options.permissions], expires_at: options.expiresAt?.toISOString() ?? null }
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
      ip_allow: row.ipAllowlist,
      rpm: row.perMinute,
      rph: row.perHour,
      expires_at: isoOrNull(row.expiresAt),
      created_at: isoOrNull(row.createdAt)
    }))
  }
}

/** Commits first, then makes every cached record stale: in the other order an instance could cache the old record again. */
async function revokeOneKey ({ database, admission, actor }: OperatorDeps, args: Arguments): Promise<object> {
  const wanted = readText(args, 'key')
  const matches = await findKeysByIdOrPrefix(database.db, wanted)
  const [match] = matches
  if (match === undefined) throw new OperationError('failed', 'no key has this id or prefix')
  if (matches.length > 1) throw new OperationError('failed', `${matches.length} keys have this prefix; give the id: ${matches.map(({ id }) => id).join(', ')}`)
  const revoked = await revokeKeyById(database.db, match.id, { actor, reason: 'revoked by an operator' })
  try {
    // Also when it was revoked before: that is how an operator repeats a step that did not reach the instances.
    await admission.bumpEpoch(match.id)
  } catch (cause) {
    throw new OperationError('unavailable', `the revocation of ${match.id} is committed, but the instances could not be told: they may serve the key ` +
      `from cache for at most ${KEY_CACHE_SECONDS} s. Repeat the command.`, { cause })
  }
  return { id: match.id, prefix: match.prefix, state: 'revoked', revoked_at: isoOrNull(revoked?.revokedAt ?? match.revokedAt) }
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
    await database.asOrganization(orgId, (tx) => saveScenario(tx, orgId, { id, name, platform: graph.platform, modules, graph, sourceDigest }))
    imported.push({ path, id, name, platform: graph.platform, modules, problems: graph.problems.length, dropped: graph.dropped })
  }
  return { imported, refused }
}

async function traceWatermark ({ database, watermarkSecret }: OperatorDeps, args: Arguments): Promise<object> {
  const watermark = readText(args, 'watermark')
  // The MAC tells a forged or mistyped one apart from one whose row is missing, before any query.
  if (!verifyWatermark(watermark, watermarkSecret)) throw new OperationError('failed', 'not a watermark of this service')
  const row = await findAuditRow(database.db, watermark)
  if (row === null) throw new OperationError('failed', 'a watermark of this service, but no audit row has it: a refusal before authentication is counted, not recorded, and old rows are removed')
  return {
    watermark: row.watermark,
    at: isoOrNull(row.at),
    org_id: row.orgId,
    key_id: row.keyId,
    key_prefix: row.keyPrefix,
    method: row.method,
    route: row.route,
    path_hash: row.pathHash,
    status: row.status,
    code: row.code,
    reason: row.reason,
    ip: row.ip,
    user_agent: row.userAgent,
    instance: row.instance,
    degraded: row.degraded,
    jti: row.jti
  }
}

async function existingOrg (database: Database, args: Arguments): Promise<string> {
  const orgId = readText(args, 'org')
  if (await findOrganization(database.db, orgId) === null) throw new OperationError('failed', 'no organization has this id')
  return orgId
}

function isoOrNull (value: Date | string | null | undefined): string | null {
  return value === null || value === undefined ? null : new Date(value).toISOString()
}
