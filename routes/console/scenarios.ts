/** `POST /scenarios/import`: stores the shape of blueprints; what they carry beyond it is refused entry and named by its place. */
import type { FastifyInstance } from 'fastify'
import { saveScenario, type NewScenario } from '../../db/queries/scenarios.ts'
import { ApiError, type FieldProblem } from '../../errors.ts'
import { readBlueprint, type ReadBlueprint } from '../../evaluation/stored-graph.ts'
import { mintRecordId } from '../../plugins/lib/record-id.ts'
import { BODY_BYTES_MAX } from '../../plugins/support/json-body.ts'
import { getSession } from '../../plugins/support/session.ts'
import { ScenarioImportBody, ScenariosImported, type ScenarioImport } from '../../schemas/console.ts'
import { success } from '../../schemas/envelope.ts'
import { readBlueprintBodies } from '../blueprint-body.ts'
import { fromStore } from '../v1/deps.ts'
import type { ConsoleDeps } from './index.ts'

const UNNAMED = 'Untitled scenario'

type Read = Extract<ReadBlueprint, { ok: true }>

export default async function scenarios (app: FastifyInstance, deps: ConsoleDeps): Promise<void> {
  const blueprintsRead = readBlueprintBodies(app, { savesAll: true })

  app.post<{ Body: ScenarioImport }>('/scenarios/import', {
    bodyLimit: BODY_BYTES_MAX, schema: { body: ScenarioImportBody, response: { 200: success(ScenariosImported) } }
  }, async (request) => {
    const { orgId } = getSession(request)
    const read = understood(request.body, blueprintsRead(request))
    const imported = read.map((one, place) => ({ one, scenario: newScenario(one, request.body.blueprints[place]?.name, orgId, deps) }))
    await fromStore(() => deps.database.asOrganization(orgId, async (tx) => {
      for (const { scenario } of imported) await saveScenario(tx, orgId, scenario)
    }))
    return {
      ok: true,
      data: { scenarios: imported.map(({ one: { stored, problems, dropped }, scenario: { id, name } }) => ({ id, name, platform: stored.platform, modules: stored.modules, problems, dropped })) }
    }
  })
}

/** Every blueprint, or none: a batch that is stored in part would be doubled by its repetition. */
function understood (body: ScenarioImport, read: ReadonlyArray<ReadBlueprint | null>): Read[] {
  const blueprints = body.blueprints.map(({ blueprint }, place) => read[place] ?? readBlueprint(blueprint, true))
  const problems = blueprints.flatMap<FieldProblem>((one, place) => one.ok ? [] : [{ path: `/blueprints/${place}/blueprint`, reason: one.reason }])
  if (problems.length > 0) throw new ApiError('blueprint_invalid', { detail: problems })
  return blueprints.filter((one) => one.ok)
}

function newScenario ({ stored, digest }: Read, given: string | undefined, orgId: string, { secrets, now }: ConsoleDeps): NewScenario {
  const name = given?.trim() ?? (stored.name === '' ? UNNAMED : stored.name)
  return { id: mintRecordId('scn', orgId, secrets.recordId, now()), name, stored, sourceDigest: digest ?? '' }
}
