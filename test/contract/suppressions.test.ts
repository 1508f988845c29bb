import t from 'tap'
import { sql } from 'drizzle-orm'
import { safeDatabaseError } from '../../db/client.ts'
import { insertSuppression, suppressionsAt, withdrawSuppression } from '../../db/queries/suppressions.ts'
import { mintRecordId } from '../../plugins/lib/record-id.ts'
import { call, embedded, FLOW, newCaller, operate, real, start, type Answer, type Caller, type Stores } from '../helper/service.ts'

const DAY_MS = 86_400_000
const TOKEN_FLOW = {
  ...FLOW,
  name: 'With a token',
  flow: [...FLOW.flow, { id: 3, module: 'http:ActionSendData', version: 3, parameters: {}, mapper: { url: 'https://api.example.net/x', method: 'post', headers: [{ name: 'Authorization', value: `Bearer sk-proj-${'aB3dE5gH7jK9mN1p'.repeat(3)}` }] } }]
}
const realStores = await real()

interface Admin extends Caller { scenario: string }

function suite (stores: Stores): void {
  t.test(`suppressions on ${stores.name}`, async (t) => {
    t.comment(`stores: ${stores.name}`)
    const { runtime, url } = await start(stores)
    t.teardown(async () => {
      await runtime.close()
      await stores.drop()
    })
    const { database, config } = runtime
    const secondKey = async ({ orgId }: Caller): Promise<Caller> => {
      const key = await operate(runtime, 'key.create', { org: orgId, name: 'second', permissions: ['admin'], rpm: 1000 })
      return { orgId, keyId: key.id, key: key.key }
    }
    const evaluate = async (caller: Caller, scenario: string): Promise<string> => {
      const { body } = await call(url, caller, 'POST', '/evaluate', JSON.stringify({ scenario_ids: [scenario], org_id: caller.orgId }))
      for (;;) {
        const { body: now } = await call(url, caller, 'GET', `/evaluations/${body.data.evaluation_id}`)
        if (now.data.status === 'complete') return body.data.evaluation_id
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
    const newAdmin = async (flow: object = FLOW): Promise<Admin & { evaluation: string }> => {
      const caller = await newCaller(runtime, { permissions: ['admin'], rpm: 10_000, rph: 100_000 })
      const { imported } = await operate(runtime, 'import', { org: caller.orgId, files: [{ path: 'a.json', text: JSON.stringify(flow) }] })
      const scenario = imported[0].id
      return { ...caller, scenario, evaluation: await evaluate(caller, scenario) }
    }
    const results = async (caller: Admin): Promise<any> => (await call(url, caller, 'GET', `/scenarios/${caller.scenario}/results`)).body.data
    const suppress = async (caller: Caller, body: object): Promise<Answer> => await call(url, caller, 'POST', '/suppressions', JSON.stringify({ reason: 'known and planned', ...body }))

    await t.test('a suppressed code leaves the numbers of every answer and is listed with its reason', async (t) => {
      const caller = await newAdmin()
      const before = await results(caller)
      t.same(before.suppressed, [])
      const made = await suppress(caller, { code: 'NET-001' })
      t.match(made.body.data, { id: /^sup_/, code: 'NET-001', scope: 'organization', state: 'active', created_by: caller.keyId, approved_by: null, withdrawn_at: null })
      const after = await results(caller)
      const codesIn = (answer: { violations: { code: string }[] }): string[] => answer.violations.map(({ code }) => code)
      t.same(codesIn(after), codesIn(before).filter((code) => code !== 'NET-001'))
      t.match(after.suppressed, [{ code: 'NET-001', ref: /^vr_/, suppression: { id: made.body.data.id, reason: 'known and planned' } }])
      t.equal(after.passing_count, before.passing_count)
      t.equal(after.failing_count, before.failing_count - 1)
      t.ok(after.score > before.score)
      const [line] = (await call(url, caller, 'GET', `/evaluations/${caller.evaluation}`)).body.data.scenarios
      t.match(line, { score: after.score, violations: after.violations.length })
      t.notMatch(JSON.stringify(after), /fingerprint|CANARY/)
    })

    await t.test('one finding is named by its reference, and stays suppressed when the scenario is imported again', async (t) => {
      const caller = await newAdmin()
      const [violation] = (await results(caller)).violations.filter(({ code }: { code: string }) => code === 'NET-001')
      const finding = { scenario_id: caller.scenario, ref: violation.ref }
      t.equal((await suppress(caller, { code: 'ERR-001', finding })).status, 400, 'the code must be that of the finding')
      t.match((await suppress(caller, { code: 'NET-001', finding })).body.data, { scope: 'finding', scenario_id: null })
      const { imported } = await operate(runtime, 'import', { org: caller.orgId, files: [{ path: 'again.json', text: JSON.stringify(FLOW) }] })
      await evaluate(caller, imported[0].id)
      const again = await results({ ...caller, scenario: imported[0].id })
      t.same(again.suppressed.map(({ code }: { code: string }) => code), ['NET-001'])
    })

    await t.test('what expired or was withdrawn is open again, with another ETag each time', async (t) => {
      const caller = await newAdmin()
      const etagOf = async (): Promise<string> => String((await call(url, caller, 'GET', `/scenarios/${caller.scenario}/results`)).headers.get('etag'))
      const openTag = await etagOf()
      const createdAt = new Date(Date.now() - 91 * DAY_MS)
      const expired = mintRecordId('sup', caller.orgId, config.secrets.recordId, createdAt.getTime())
      await database.asOrganization(caller.orgId, (tx) => insertSuppression(tx, caller.orgId, { id: expired, code: 'NET-001', scenarioId: null, fingerprint: null, reason: 'old', createdBy: 'x', createdAt, expiresAt: new Date(Date.now() - 1000) }, 10))
      t.equal(await etagOf(), openTag)
      const { body } = await suppress(caller, { code: 'NET-001', scenario_id: caller.scenario })
      t.not(await etagOf(), openTag)
      const withdrawn = await call(url, caller, 'DELETE', `/suppressions/${body.data.id}`)
      t.match(withdrawn.body.data, { state: 'withdrawn', withdrawn_by: caller.keyId, withdrawn_at: /Z$/ })
      t.equal(await etagOf(), openTag)
      // The same request in the same second is a replay, so another key asks.
      t.equal((await call(url, await secondKey(caller), 'DELETE', `/suppressions/${body.data.id}`)).status, 404)
      t.equal((await call(url, caller, 'DELETE', `/suppressions/${expired}`)).status, 404)
      const listed = async (query: string): Promise<string[]> => (await call(url, caller, 'GET', `/suppressions${query}`)).body.data.suppressions.map(({ id }: { id: string }) => id)
      t.same(await listed(''), [])
      t.same(await listed('?state=expired'), [expired])
      t.same(await listed('?state=withdrawn'), [body.data.id])
      t.same(await listed('?state=all'), [body.data.id, expired])
      const first = (await call(url, caller, 'GET', '/suppressions?state=all&limit=1')).body.data
      t.same(await listed(`?state=all&limit=1&cursor=${first.next_cursor}`), [expired])
    })

    await t.test('a critical finding stays open until another key approves', async (t) => {
      const caller = await newAdmin(TOKEN_FLOW)
      const critical = async (): Promise<number> => (await results(caller)).violations.filter(({ severity }: { severity: string }) => severity === 'critical').length
      t.equal(await critical(), 1)
      const { body } = await suppress(caller, { code: 'SEC-001' })
      t.equal(body.data.awaits_approval, true)
      t.equal(await critical(), 1)
      const own = await call(url, caller, 'POST', `/suppressions/${body.data.id}/approve`)
      t.equal(own.status, 403)
      t.match(own.body, { code: 'insufficient_permission' })
      t.equal(await critical(), 1)
      const second = await secondKey(caller)
      const approved = await call(url, second, 'POST', `/suppressions/${body.data.id}/approve`)
      t.match(approved.body.data, { approved_by: second.keyId, awaits_approval: false })
      t.equal(await critical(), 0)
      t.equal((await call(url, await secondKey(caller), 'POST', `/suppressions/${body.data.id}/approve`)).body.data.approved_by, second.keyId, 'the first approval stands')
    })

    await t.test('a suppression needs one policy, a reason and an end within a year', async (t) => {
      const caller = await newAdmin()
      const soon = new Date(Date.now() + DAY_MS).toISOString()
      for (const body of [{ code: '*' }, { code: 'XXX-999' }, { code: 'net-001' }, {}, { code: 'NET-001', reason: '' }, { code: 'NET-001', reason: '  ' }, { code: 'NET-001', reason: 'a\u001b[31m' }, { code: 'NET-001', reason: 'x'.repeat(501) },
        { code: 'NET-001', expires_at: 'tomorrow' }, { code: 'NET-001', expires_at: new Date(0).toISOString() }, { code: 'NET-001', expires_at: new Date(Date.now() + 400 * DAY_MS).toISOString() },
        { code: 'NET-001', scenario_id: 'scn_x' }, { code: 'NET-001', scenario_id: mintRecordId('scn', caller.orgId, config.secrets.recordId) },
        { code: 'NET-001', scenario_id: caller.scenario, finding: { scenario_id: caller.scenario, ref: 'vr_x' } }, { code: 'NET-001', finding: { scenario_id: caller.scenario, ref: 'vr_x' } }, { code: 'NET-001', extra: 1 }]) {
        t.equal((await suppress(caller, body)).status, 400, JSON.stringify(body))
      }
      t.equal((await suppress(caller, { code: 'NET-001', expires_at: soon })).body.data.expires_at, soon)
      t.equal((await call(url, caller, 'GET', '/suppressions?state=all')).body.data.suppressions.length, 1, 'nothing refused was written')
    })

    await t.test('another organization neither sees, ends nor approves it, and no reader may suppress', async (t) => {
      const caller = await newAdmin()
      const other = await newAdmin()
      const { body } = await suppress(caller, { code: 'NET-001' })
      const { id } = body.data
      for (const [method, path] of [['DELETE', `/suppressions/${id}`], ['POST', `/suppressions/${id}/approve`]] as const) {
        t.match((await call(url, other, method, path)).body, { code: 'organization_mismatch' })
      }
      t.match((await suppress(other, { code: 'NET-001', scenario_id: caller.scenario })).body, { code: 'organization_mismatch' })
      t.match((await suppress(other, { code: 'NET-001', finding: { scenario_id: caller.scenario, ref: 'vr_x' } })).body, { code: 'organization_mismatch' })
      t.same((await call(url, other, 'GET', '/suppressions?state=all')).body.data.suppressions, [])
      t.same((await results(other)).suppressed, [])
      const reader = await newCaller(runtime)
      for (const [method, path, text] of [['GET', '/suppressions', ''], ['POST', '/suppressions', '{"code":"NET-001","reason":"x"}'], ['DELETE', `/suppressions/${mintRecordId('sup', reader.orgId, config.secrets.recordId)}`, '']] as const) {
        t.equal((await call(url, reader, method, path, text)).status, 403, path)
      }
      t.same(await database.asOrganization(other.orgId, (tx) => suppressionsAt(tx, caller.orgId, new Date())), [], 'row-level security stands behind')
      for (const statement of ['delete from suppressions', "update suppressions set expires_at = expires_at + interval '1 day'", "update suppressions set reason = 'x'"]) {
        const refusal = await database.asOrganization(caller.orgId, (tx) => tx.execute(sql.raw(statement))).then(() => 'done', (err: unknown) => safeDatabaseError(err).code)
        t.equal(refusal, '42501', statement)
      }
    })

    await t.test('what held at a moment can be told later', async (t) => {
      const { orgId } = await newCaller(runtime)
      const [made, ended] = [new Date(Date.now() - 5 * DAY_MS), new Date(Date.now() - 3 * DAY_MS)]
      const id = mintRecordId('sup', orgId, config.secrets.recordId, made.getTime())
      await database.asOrganization(orgId, async (tx) => {
        await insertSuppression(tx, orgId, { id, code: 'NET-001', scenarioId: null, fingerprint: null, reason: 'r', createdBy: 'x', createdAt: made, expiresAt: new Date(Date.now() + DAY_MS) }, 10)
        await withdrawSuppression(tx, orgId, id, { actor: 'y', at: ended })
      })
      const held = async (daysAgo: number): Promise<number> => (await suppressionsAt(database.db, orgId, new Date(Date.now() - daysAgo * DAY_MS))).length
      t.same([await held(6), await held(4), await held(2), await held(0)], [0, 1, 0, 0])
    })

    await t.test('of ten simultaneous ones no more than there is room for are kept', async (t) => {
      const { orgId } = await newCaller(runtime)
      const at = new Date()
      const kept = await Promise.all(Array.from({ length: 10 }, () => database.asOrganization(orgId, (tx) => insertSuppression(tx, orgId, {
        id: mintRecordId('sup', orgId, config.secrets.recordId), code: 'NET-001', scenarioId: null, fingerprint: null, reason: 'r', createdBy: 'x', createdAt: at, expiresAt: new Date(at.getTime() + DAY_MS)
      }, 3))))
      t.equal(kept.filter(Boolean).length, 3)
    })

    await t.test('an operator suppresses by fingerprint, and cannot approve alone', async (t) => {
      const caller = await newAdmin(TOKEN_FLOW)
      const org = caller.orgId
      const made = await operate(runtime, 'suppression.create', { org, code: 'SEC-001', reason: 'synthetic token' })
      await t.rejects(operate(runtime, 'suppression.approve', { org, id: made.id }), { kind: 'failed', message: /somebody else/ })
      t.equal((await call(url, caller, 'POST', `/suppressions/${made.id}/approve`)).body.data.awaits_approval, false)
      t.match(await operate(runtime, 'suppression.list', { org, state: 'active' }), { org, suppressions: [{ id: made.id, created_by: 'test', approved_by: caller.keyId }] })
      t.match(await operate(runtime, 'suppression.withdraw', { org, id: made.id }), { state: 'withdrawn' })
      t.match(await operate(runtime, 'suppression.withdraw', { org, id: made.id }), { state: 'withdrawn' }, 'may be repeated')
      await t.rejects(operate(runtime, 'suppression.approve', { org, id: made.id }), { name: 'OperationError', kind: 'failed' })
      t.match(await operate(runtime, 'suppression.create', { org, code: 'NET-001', fingerprint: '0'.repeat(32), reason: 'r' }), { scope: 'finding', fingerprint: '0'.repeat(32) })
      for (const args of [{ code: '*' }, { code: 'NET-001', fingerprint: 'x' }, { code: 'NET-001', expires: '2999-01-01' }, { code: 'NET-001', scenario: caller.scenario, fingerprint: '0'.repeat(32) }, { code: 'NET-001', reason: '' }]) {
        await t.rejects(operate(runtime, 'suppression.create', { org, reason: 'r', ...args }), { name: 'OperationError', kind: 'usage' }, JSON.stringify(args))
      }
      await t.rejects(operate(runtime, 'suppression.create', { org, code: 'NET-001', scenario: 'scn_none', reason: 'r' }), { name: 'OperationError', kind: 'failed' })
    })
  })
}

// On one pair of stores, as onEachStore (helper/fronts.ts) has it.
if (realStores === null || process.env['EVERY_STORE'] === '1') suite(embedded())
if (realStores === null) t.test('suppressions on PostgreSQL and Redis', { skip: 'no PostgreSQL and Redis answered (TEST_DATABASE_URL, TEST_REDIS_URL)' }, async () => {})
else suite(realStores)
