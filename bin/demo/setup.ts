/** The operator's part of the demonstration: organizations, keys, imported blueprints. One file is in memory at a time. */
import { runOperation, type CreatedKey, type ImportedFile, type OperatorDeps, type RefusedFile } from '../../evaluation/operator.ts'
import { listBlueprintFiles, readBlueprintFile } from '../fb/files.ts'
import type { Credentials } from './partner.ts'
import { showProgress } from './report.ts'

const BULK_PER_MINUTE = 600
const BULK_PER_HOUR = 100_000

export interface Setup {
  /** Higher limits, for the many requests of a batch run. */
  partner: Credentials
  /** Default limits, untouched, for the 61st request. */
  limited: Credentials
  foreign: Credentials
  foreignScenarioId: string
  scenarios: { id: string, name: string, path: string }[]
  refused: RefusedFile[]
  dropped: number
}

export async function setUp (deps: OperatorDeps, blueprints: readonly string[]): Promise<Setup> {
  const orgId = await createOrg(deps, 'Demo partner')
  const foreignOrgId = await createOrg(deps, 'Somebody else')
  const partner = { orgId, key: await createKey(deps, orgId, 'demo', { rpm: BULK_PER_MINUTE, rph: BULK_PER_HOUR }) }
  const limited = { orgId, key: await createKey(deps, orgId, 'demo, default limits', {}) }
  const foreign = { orgId: foreignOrgId, key: await createKey(deps, foreignOrgId, 'foreign', {}) }
  const setup: Setup = { partner, limited, foreign, foreignScenarioId: '', scenarios: [], refused: [], dropped: 0 }
  const files = await listBlueprintFiles(blueprints)
  for (const [index, { path }] of files.entries()) {
    showProgress(`importing ${index + 1}/${files.length}`)
    await importOne(deps, setup, path)
  }
  return setup
}

async function importOne (deps: OperatorDeps, setup: Setup, path: string): Promise<void> {
  const read = await readBlueprintFile(path)
  if ('refused' in read) {
    setup.refused.push({ path, reason: read.refused })
    return
  }
  const files = [{ path, text: read.text }]
  const { imported, refused } = await importInto(deps, setup.partner.orgId, files)
  setup.refused.push(...refused)
  for (const { id, name, dropped } of imported) {
    setup.scenarios.push({ id, name, path })
    setup.dropped += dropped.length
  }
  if (setup.foreignScenarioId === '' && imported.length > 0) {
    const copy = await importInto(deps, setup.foreign.orgId, files)
    setup.foreignScenarioId = copy.imported[0]?.id ?? ''
  }
}

async function importInto (deps: OperatorDeps, org: string, files: { path: string, text: string }[]) {
  return await runOperation(deps, 'import', { org, files }) as { imported: ImportedFile[], refused: RefusedFile[] }
}

async function createOrg (deps: OperatorDeps, name: string): Promise<string> {
  const { id } = await runOperation(deps, 'org.create', { name }) as { id: string }
  return id
}

async function createKey (deps: OperatorDeps, org: string, name: string, limits: { rpm?: number, rph?: number }): Promise<string> {
  const { key } = await runOperation(deps, 'key.create', { org, name, permissions: ['governance:read', 'governance:evaluate'], ...limits }) as CreatedKey
  return key
}
