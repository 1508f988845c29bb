import t from 'tap'
import { sql } from 'drizzle-orm'
import { CATALOGUE_VERSION } from '../../evaluation/rules/index.ts'
import { mintRecordId } from '../../plugins/lib/record-id.ts'
import { lastMondays } from '../../routes/v1/summary.ts'
import { embedded, FLOW, headersFor, call, newCaller, operate, real, send, start, type Answer, type Caller, type Stores } from '../helper/service.ts'

const P = '/api/public/v1'
const QUIET = { name: 'Quiet', flow: [{ id: 1, module: 'util:SetVariables', version: 1, parameters: {}, mapper: {} }], metadata: { version: 1 } }
const realStores = await real()

function suite (stores: Stores): void {
  t.test(`summary and remediation on ${stores.name}`, async (t) => {
    t.comment(`stores: ${stores.name}`)
    const { runtime, url } = await start(stores)
    t.teardown(async () => {
      await runtime.close()
      await stores.drop()
    })
    const { db } = runtime.database
    const newReader = async (): Promise<Caller> => await newCaller(runtime, { rpm: 10_000, rph: 100_000 })
    const importFlow = async (caller: Caller, flow: object): Promise<string> =>
      (await operate(runtime, 'import', { org: caller.orgId, files: [{ path: 'a.json', text: JSON.stringify(flow) }] })).imported[0].id
    let submissions = 0
    const evaluate = async (caller: Caller, scenarios: string[]): Promise<void> => {
      // A signature counts once, and two of one second over the same bytes are the same.
      const { body } = await call(url, caller, 'POST', '/evaluate', JSON.stringify({ scenario_ids: scenarios, org_id: caller.orgId }) + ' '.repeat(++submissions))
      while ((await call(url, caller, 'GET', `/evaluations/${body.data.evaluation_id}`)).body.data.status !== 'complete') await new Promise((resolve) => setTimeout(resolve, 50))
    }
    const summary = async (caller: Caller): Promise<any> => (await call(url, caller, 'GET', '/governance/summary')).body.data
    const conditional = async (caller: Caller, path: string, etag: string): Promise<Answer> => await send(url, 'GET', `${P}${path}`, { ...headersFor(caller, 'GET', `${P}${path}`), 'if-none-match': etag })

    await t.test('an organization without scenarios has a summary that claims nothing', async (t) => {
      const data = await summary(await newReader())
      t.match(data, { catalogue_version: CATALOGUE_VERSION, score: null, band: null, worst_score: null, score_change: null, scenarios: 0, scenarios_evaluated: 0, trend: [], top_violations: [] })
      t.ok(data.framework_coverage.every(({ assessed, coverage, not_assessed: notAssessed }: { assessed: number, coverage: null, not_assessed: number }) => assessed === 0 && coverage === null && notAssessed > 0))
    })

    await t.test('the summary adds up the newest result of every scenario', async (t) => {
      const caller = await newReader()
      const [bad, quiet] = [await importFlow(caller, FLOW), await importFlow(caller, QUIET)]
      await importFlow(caller, FLOW)
      await evaluate(caller, [bad, quiet])
      await evaluate(caller, [bad])
      const results = (await call(url, caller, 'GET', `/scenarios/${bad}/results`)).body.data
      const data = await summary(caller)
      t.match(data, { scenarios: 3, scenarios_evaluated: 2, scenarios_outdated: 0, worst_score: results.score })
      t.equal(Object.values(data.open_violations as Record<string, number>).reduce((sum, count) => sum + count, 0), results.violations.length, 'a scenario judged twice counts once')
      t.match(data.top_violations[0], { code: 'NET-001', scenarios: 1, violations: 1 })
      t.ok(data.score > results.score && data.score < 100)
      const soc = data.framework_coverage.find(({ framework }: { framework: string }) => framework === 'SOC 2')
      t.ok(soc.gap_controls.includes('CC6.7'))
      t.equal(soc.assessed, soc.gaps + soc.clear)
      t.notMatch(JSON.stringify(data), /CANARY|fingerprint|plain-host/)
      await db.execute(sql`update evaluation_items set standing = null where org_id = ${caller.orgId}`)
      t.same(await summary(caller), data, 'results that were written before standings were kept count the same')
    })

    await t.test('a summary and a remediation that did not change answer 304, a suppression changes both', async (t) => {
      const caller = await newCaller(runtime, { permissions: ['admin'], rpm: 10_000, rph: 100_000 })
      const id = await importFlow(caller, FLOW)
      await evaluate(caller, [id])
      for (const path of ['/governance/summary', `/scenarios/${id}/remediation`]) {
        const etag = String((await call(url, caller, 'GET', path)).headers.get('etag'))
        const same = await conditional(caller, path, etag)
        t.equal(same.status, 304, path)
        t.equal(same.headers.get('etag'), etag)
        t.match(same.headers.get('x-fb-watermark'), /^wm_/)
        const { body } = await call(url, caller, 'POST', '/suppressions', JSON.stringify({ code: 'NET-001', reason: `for ${path}` }))
        t.equal((await conditional(caller, path, etag)).status, 200, path)
        await call(url, caller, 'DELETE', `/suppressions/${body.data.id}`)
        t.equal((await conditional(caller, path, etag)).status, 304, path)
      }
    })

    await t.test('the trend tells earlier Mondays of the same catalogue with the suppressions of then', async (t) => {
      const caller = await newReader()
      const id = await importFlow(caller, FLOW)
      await evaluate(caller, [id])
      t.same((await summary(caller)).trend, [], 'nothing was judged before this week')
      const mondays = lastMondays(Date.now())
      const then = new Date((mondays[9]?.getTime() ?? 0) - 3_600_000)
      await db.execute(sql`update evaluation_items set finished_at = ${then.toISOString()}::timestamptz where scenario_id = ${id}`)
      const before = await summary(caller)
      t.same(before.trend.map(({ at }: { at: string }) => at), mondays.slice(9).map((at) => at.toISOString()))
      t.same(new Set(before.trend.map(({ score }: { score: number }) => score)), new Set([before.score]))
      t.equal(before.score_change, 0)
      await operate(runtime, 'suppression.create', { org: caller.orgId, code: 'NET-001', reason: 'from now on' })
      const after = await summary(caller)
      t.same(after.trend, before.trend, 'what was open stays told as open')
      t.equal(after.score_change, after.score - before.score)
      t.ok(after.score_change > 0)
      t.equal(after.suppressed_violations, 1)
    })

    await t.test('a result of another catalogue version is counted as outdated and compared with nothing', async (t) => {
      const caller = await newReader()
      const [old, current] = [await importFlow(caller, FLOW), await importFlow(caller, QUIET)]
      await evaluate(caller, [old, current])
      await db.execute(sql`update evaluation_items set standing = jsonb_set(standing, '{catalogueVersion}', '"2020.1.0"') where scenario_id = ${old}`)
      t.match(await summary(caller), { scenarios: 2, scenarios_evaluated: 1, scenarios_outdated: 1, score: 100, worst_score: 100 })
    })

    await t.test('a connection of many scenarios is told at each of them, and widest first in the summary', async (t) => {
      const caller = await newReader()
      const using = (name: string): object => ({ name, flow: [{ id: 1, module: 'notion:getItem', version: 1, parameters: { __IMTCONN__: 77 }, mapper: {} }], metadata: { version: 1 } })
      await operate(runtime, 'options.set', { org: caller.orgId, options: { connection_scenarios: 3 } })
      const codesOf = async (id: string): Promise<string[]> => {
        await evaluate(caller, [id])
        return (await call(url, caller, 'GET', `/scenarios/${id}/results`)).body.data.violations.map(({ code }: { code: string }) => code)
      }
      const first = await importFlow(caller, using('First'))
      await importFlow(caller, using('First'))
      await importFlow(caller, using('Second'))
      t.notOk((await codesOf(first)).includes('ACC-006'), 'two imports of one scenario are one')
      const third = await importFlow(caller, using('Third'))
      t.same([await codesOf(first), await codesOf(third)].map((codes) => codes.includes('ACC-006')), [true, true])
      t.same((await summary(caller)).widest_connections, [{ connection: '77', platform: 'make', scenarios: 3 }])
      const other = await newReader()
      await importFlow(other, using('Fourth'))
      t.same((await summary(other)).widest_connections, [], 'another organization is in no number')
    })

    await t.test('options of the organization hold for its next judgement, and damaged ones are refused whole', async (t) => {
      const caller = await newReader()
      const custom = await importFlow(caller, { name: 'Custom', flow: [{ id: 1, module: 'app#acme-1x2:getThing', version: 1, parameters: {}, mapper: {} }], metadata: { version: 1 } })
      const codes = async (): Promise<string[]> => {
        await evaluate(caller, [custom])
        return (await call(url, caller, 'GET', `/scenarios/${custom}/results`)).body.data.violations.map(({ code }: { code: string }) => code)
      }
      t.same(await codes(), ['CMP-001'])
      await operate(runtime, 'options.set', { org: caller.orgId, options: { allowed: ['app#acme-1x2'] } })
      t.match(await operate(runtime, 'options.show', { org: caller.orgId }), { options: { allowed: ['app#acme-1x2'], modules: 50 } })
      t.same(await codes(), [])
      await t.rejects(operate(runtime, 'options.set', { org: caller.orgId, options: { allowed: [7] } }), { message: /allowed must be a list/ })
      t.same(await codes(), [], 'what was refused changed nothing')
    })

    await t.test('remediation has ordered steps for every open violation, each with its module', async (t) => {
      const caller = await newReader()
      const id = await importFlow(caller, FLOW)
      t.equal((await call(url, caller, 'GET', `/scenarios/${id}/remediation`)).status, 404, 'not judged yet')
      await evaluate(caller, [id])
      const results = (await call(url, caller, 'GET', `/scenarios/${id}/results`)).body.data
      const { data } = (await call(url, caller, 'GET', `/scenarios/${id}/remediation`)).body
      t.match(data, { id, evaluation_id: results.evaluation_id, evaluated_at: results.evaluated_at, score: results.score })
      t.same(data.remediation.map(({ code, module }: { code: string, module: object }) => ({ code, module })), results.violations.map(({ code, module }: { code: string, module: object }) => ({ code, module })))
      for (const { order, steps, ref } of data.remediation) {
        t.ok(order >= 1 && steps.length > 0)
        t.match(ref, /^vr_/)
      }
      t.notMatch(JSON.stringify(data), /CANARY|fingerprint|plain-host/)
    })

    await t.test('another organization is in no number, and its scenarios have no remediation here', async (t) => {
      const [caller, other] = [await newReader(), await newReader()]
      const id = await importFlow(other, FLOW)
      await evaluate(other, [id])
      t.match(await summary(caller), { scenarios: 0, score: null })
      t.match((await call(url, caller, 'GET', `/scenarios/${id}/remediation`)).body, { code: 'organization_mismatch' })
      t.equal((await call(url, caller, 'GET', `/scenarios/${mintRecordId('scn', caller.orgId, runtime.config.secrets.recordId)}/remediation`)).status, 404)
      t.equal((await call(url, caller, 'GET', '/scenarios/nonsense/remediation')).status, 404)
    })
  })
}

t.test('Mondays are midnights in UTC, a week apart, none in the future', async (t) => {
  for (const now of [Date.UTC(2026, 10, 23), Date.UTC(2026, 10, 23) - 1, Date.UTC(2026, 10, 29, 23)]) {
    const mondays = lastMondays(now)
    t.equal(mondays.length, 12)
    for (const at of mondays) t.equal(at.getUTCDay(), 1)
    const newest = mondays.at(-1)?.getTime() ?? 0
    t.ok(newest <= now && now - newest < 7 * 86_400_000)
    t.match(mondays[0]?.toISOString(), /T00:00:00\.000Z$/)
  }
})

// On one pair of stores, as onEachStore (helper/fronts.ts) has it.
if (realStores === null || process.env['EVERY_STORE'] === '1') suite(embedded())
if (realStores === null) t.test('summary on PostgreSQL and Redis', { skip: 'no PostgreSQL and Redis answered (TEST_DATABASE_URL, TEST_REDIS_URL)' }, async () => {})
else suite(realStores)
