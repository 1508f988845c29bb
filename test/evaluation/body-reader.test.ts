import t from 'tap'
import { bodyReader } from '../../evaluation/body-reader.ts'
import { importBlueprint } from '../../evaluation/graph/import.ts'
import { parseJson } from '../../plugins/support/json-body.ts'
import { ApiError } from '../../errors.ts'
import { call, embedded, FLOW, newCaller, real, send, headersFor, start, type Stores } from '../helper/service.ts'

const realStores = await real()
const reader = bodyReader()
t.teardown(() => reader.close())

function refusalOf (work: () => unknown): unknown {
  try {
    work()
  } catch (err) {
    return err instanceof ApiError ? [err.code, err.detail] : err
  }
  return null
}

t.test('a thread refuses what the parser refuses, in the same words', async (t) => {
  const bodies = ['{"a":1', '{"__proto__":{}}', '{"a":1,"a":2}', `${'['.repeat(70)}${']'.repeat(70)}`, '{"a":"\\u0000"}', '{"a":"\\ud800"}', '\ufeff{}', '{"a":1e999}']
  for (const body of bodies) {
    const bytes = Buffer.from(body)
    const wanted = refusalOf(() => parseJson(bytes))
    t.ok(wanted, body.slice(0, 20))
    const got = await reader.read(bytes).then(() => null, (err: unknown) => err instanceof ApiError ? [err.code, err.detail] : err)
    t.same(got, wanted, body.slice(0, 20))
  }
  t.same(await reader.read(Buffer.from([0x7b, 0xff, 0x7d])).then(() => null, (err: ApiError) => err.code), 'malformed_request')
})

t.test('a thread reads blueprints as they are read here, and keeps their strings', async (t) => {
  const imported = importBlueprint(FLOW)
  const body = { blueprints: [{ id: 'a', blueprint: FLOW }, { id: 'b', blueprint: { a: 'CANARY' }, save: true }, { id: 'c', blueprint: 'CANARY text' }, 7] }
  const read = await reader.read(Buffer.from(JSON.stringify(body)))
  t.same(read.body, { blueprints: [{ id: 'a', blueprint: {} }, { id: 'b', blueprint: {}, save: true }, { id: 'c', blueprint: 'CANARY text' }, 7] })
  const [first, second, ...rest] = read.blueprints
  t.ok(first?.ok === true && imported.ok && first.stored.text === JSON.stringify(imported.graph) && first.digest === null)
  t.match(second, { ok: false, reason: /neither a Make blueprint/ })
  t.same(rest, [null, null], 'what is no blueprint is left to the schema')
  t.notMatch(JSON.stringify(read.blueprints), /CANARY/)
})

function suite (stores: Stores): void {
  t.test(`a submission is answered alike however large it is, on ${stores.name}`, async (t) => {
    const { runtime, url } = await start(stores)
    t.teardown(async () => {
      await runtime.close()
      await stores.drop()
    })
    const caller = await newCaller(runtime, { rpm: 10_000, rph: 100_000 })
    const padding = ' '.repeat(200_000)
    const results = async (body: string): Promise<any> => {
      const { status, body: answer } = await call(url, caller, 'POST', '/evaluate', body)
      t.equal(status, 200, JSON.stringify(answer.detail ?? ''))
      while ((await call(url, caller, 'GET', `/evaluations/${answer.data.evaluation_id}`)).body.data.status !== 'complete') await new Promise((resolve) => setTimeout(resolve, 30))
      const { scenarios } = (await send(url, 'GET', `/api/public/v1/results/${answer.data.result_token}`)).body.data
      return scenarios.map(({ violations, evaluated_at: _at, ...rest }: any) => ({ ...rest, violations: violations.map(({ ref: _ref, ...one }: any) => one) }))
    }
    const body = JSON.stringify({ blueprints: [{ id: 'a', blueprint: FLOW }, { id: 'b', name: 'Named', blueprint: FLOW }] })
    t.same(await results(body + padding), await results(body))
    const saved = await call(url, caller, 'POST', '/evaluate', JSON.stringify({ blueprints: [{ id: 'a', blueprint: FLOW, save: true }] }) + padding)
    t.equal(saved.status, 200)
    t.match((await call(url, caller, 'GET', '/scenarios')).body.data.scenarios, [{ platform: 'make' }], 'a large one is saved too')
    for (const refused of [body.slice(0, -1), JSON.stringify({ blueprints: [{ id: 'a', blueprint: { a: 1 } }] }), JSON.stringify({ blueprints: [{ id: 'a', blueprint: FLOW, more: 1 }] }), JSON.stringify({ blueprints: [{ id: 'a', blueprint: 'x' }] }), '7', '{}']) {
      const [small, large] = [await call(url, caller, 'POST', '/evaluate', refused), await call(url, caller, 'POST', '/evaluate', refused + padding)]
      const told = ({ status, body: { error, code, detail } }: typeof small): unknown => ({ status, error, code, detail })
      t.same(told(large), told(small), refused.slice(0, 40))
      t.ok(small.status >= 400)
    }
    const limit = 10 * 1024 * 1024
    const path = '/api/public/v1/evaluate'
    const tooLarge = body + ' '.repeat(limit + 1 - body.length)
    t.equal((await send(url, 'POST', path, { ...headersFor(caller, 'POST', path, tooLarge), 'content-type': 'application/json' }, tooLarge).catch(() => ({ status: 413 }))).status, 413)
  })
}

suite(embedded())
if (realStores === null) t.test('a submission is answered alike on PostgreSQL', { skip: 'no PostgreSQL and Redis answered (TEST_DATABASE_URL, TEST_REDIS_URL)' }, async () => {})
else suite(realStores)
