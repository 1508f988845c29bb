import { Type } from '@sinclair/typebox'
import { Ajv } from 'ajv'
import fastify from 'fastify'
import t from 'tap'
import { Health, success } from '../../schemas/envelope.ts'
import { EvaluateBodySchema } from '../../schemas/evaluation.ts'
import { PolicyList } from '../../schemas/policy.ts'
import { FullResults, ScenarioListQuery } from '../../schemas/scenario.ts'

const ajv = new Ajv({ strict: true })
const blueprint = { id: 'a', blueprint: {} }

async function serialised (schema: object, answer: object): Promise<Record<string, never>> {
  const app = fastify()
  app.get('/', { schema: { response: { 200: schema } } }, async () => answer)
  const { body } = await app.inject('/')
  await app.close()
  return JSON.parse(body) as Record<string, never>
}

t.test('an evaluation takes one to ten scenarios or blueprints', async (t) => {
  const accepts = ajv.compile(EvaluateBodySchema)
  const ids = (count: number) => ({ scenario_ids: Array.from({ length: count }, (_, index) => `s${index}`) })
  const blueprints = (count: number) => ({ blueprints: Array.from({ length: count }, () => blueprint) })
  for (const [count, expected] of [[0, false], [1, true], [10, true], [11, false]] as const) {
    t.equal(accepts(ids(count)), expected, `${count} scenarios`)
    t.equal(accepts(blueprints(count)), expected, `${count} blueprints`)
  }
})

t.test('an evaluation body with an unknown, repeated or wrongly typed field is refused', async (t) => {
  const accepts = ajv.compile(EvaluateBodySchema)
  for (const body of [[], null, { extra: 1 }, { scenario_ids: 'a' }, { scenario_ids: [1] }, { scenario_ids: ['a', 'a'] }, { scenario_ids: [''] }, { org_id: 1 },
    { blueprints: [{ ...blueprint, extra: 1 }] }, { blueprints: [{ id: 'a' }] }, { blueprints: [{ ...blueprint, blueprint: '{}' }] }, { blueprints: [{ ...blueprint, blueprint: [] }] },
    { blueprints: [{ ...blueprint, save: 'true' }] }, { blueprints: [{ ...blueprint, id: 'a.b' }] }, { blueprints: [{ ...blueprint, name: '' }] }]) {
    t.equal(accepts(body), false, JSON.stringify(body))
  }
})

t.test('a page holds 1 to 100 scenarios', async (t) => {
  const accepts = ajv.compile(ScenarioListQuery)
  for (const limit of ['1', '50', '99', '100']) t.equal(accepts({ limit }), true, limit)
  for (const limit of ['0', '101', '-1', '1.5', '01', '1e1', ' 1', '']) t.equal(accepts({ limit }), false, limit)
  t.equal(accepts({ offset: '1' }), false)
})

t.test('a success keeps its watermark, and what is not declared does not leave', async (t) => {
  const answer = await serialised(success(Type.Object({ a: Type.String() })), { ok: true, data: { a: 'x', secret: 'S' }, meta: { watermark: 'wm_1', inner: 'S' }, debug: 'S' })
  t.same(answer, { ok: true, data: { a: 'x' }, meta: { watermark: 'wm_1' } })
})

t.test('health is flat', async (t) => {
  t.same(await serialised(Health, { ok: true, service: 's', version: '1.0.0', host: 'S' }), { ok: true, service: 's', version: '1.0.0' })
})

t.test('a listed policy has exactly five fields', async (t) => {
  const policy = { code: 'A-1', title: 't', description: 'd', severity: 'low', frameworks: ['f'], detection: 'S' }
  const { detection, ...listed } = policy
  t.same((await serialised(success(PolicyList), { ok: true, data: { policies: [policy] }, meta: { watermark: 'w' } }))['data'], { policies: [listed] }, detection)
})

t.test('a violation leaves without its evidence, beside a scenario that failed', async (t) => {
  const violation = { ref: 'vr_1', code: 'A-1', title: 't', severity: 'high', module: null, message: 'm', frameworks: [] }
  const judged = {
    id: 's', name: 'n', modules: 1, catalogue_version: '1', evaluation_status: 'complete', evaluated_at: null, score: 90, module_summary: [], evaluated_codes: ['A-1'], passing_count: 0, failing_count: 1, suppressed: []
  }
  const failed = { id: 'f', name: 'n', error: 'Scenario not found' }
  const scenarios = [{ ...judged, violations: [{ ...violation, pointer: '/S', fingerprint: 'S', confidence: 'S' }] }, { ...failed, stack: 'S' }]
  const answer = await serialised(success(FullResults), { ok: true, data: { evaluation_id: 'req_1', scenarios }, meta: { watermark: 'w' } })
  t.same(answer['data'], { evaluation_id: 'req_1', scenarios: [{ ...judged, violations: [violation] }, failed] })
})
