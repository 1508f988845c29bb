import t from 'tap'
import { sql } from 'drizzle-orm'
import { rowsOf } from '../../db/rows.ts'
import { asOwner, auditRowOf, judge, onEachStore, P, stateRows, submit } from '../helper/fronts.ts'
import { call, FLOW, headersFor, newCaller, operate, send, start } from '../helper/service.ts'

await onEachStore(t, 'key sharing across organizations: a good key of one reaches nothing of another', async (t, stores) => {
  const { runtime, url } = await start(stores, { RUN_WORKER: 'false' })
  t.teardown(() => runtime.close())
  const thief = await newCaller(runtime, { permissions: ['admin'], rpm: 10_000, rph: 100_000 })
  const victim = await newCaller(runtime, { permissions: ['admin'], rpm: 10_000, rph: 100_000 })
  const { id: evaluation } = await submit(url, victim, [{ id: 'a', name: 'VICTIM-ONE', blueprint: FLOW, save: true }])
  await judge(runtime, evaluation)
  const scenario = (await call(url, victim, 'GET', '/scenarios')).body.data.scenarios[0].id
  const webhook = (await call(url, victim, 'POST', '/webhooks', JSON.stringify({ url: 'https://victim.example/in', events: ['evaluation.complete'] }))).body.data.id
  await call(url, victim, 'POST', `/webhooks/${webhook}/test`, '{}')
  const delivery = (await call(url, victim, 'GET', `/webhooks/${webhook}/deliveries`)).body.data.deliveries[0]?.id

  const suppression = (await call(url, victim, 'POST', '/suppressions', JSON.stringify({ code: 'NET-001', reason: 'VICTIM-REASON' }))).body.data.id
  const mark = (await call(url, victim, 'GET', '/scenarios')).body.meta.watermark

  await t.test('every route with a record id of the other organization: 403, the same whether the record exists or not, nothing changed', async (t) => {
    const rows = await stateRows(runtime)
    const routes: Array<[string, string, string?]> = [
      ['GET', `/evaluations/${evaluation}`], ['GET', `/scenarios/${scenario}/results`], ['GET', `/scenarios/${scenario}/remediation`],
      ['DELETE', `/suppressions/${suppression}`], ['POST', `/suppressions/${suppression}/approve`, '{}'], ['GET', `/webhooks/${webhook}`], ['PATCH', `/webhooks/${webhook}`, '{"is_active":false}'],
      ['DELETE', `/webhooks/${webhook}`], ['POST', `/webhooks/${webhook}/rotate-secret`, '{}'], ['POST', `/webhooks/${webhook}/test`, '{}'], ['GET', `/webhooks/${webhook}/deliveries`],
      ['POST', `/webhooks/${webhook}/deliveries/${delivery ?? `dlv_${webhook.slice(4)}`}/replay`, '{}']
    ]
    for (const [method, path, body] of routes) {
      const answer = await call(url, thief, method, path, body)
      t.equal(answer.status, 403, `${method} ${path}`)
      t.match(answer.body, { ok: false, code: 'organization_mismatch', error: 'Organization mismatch' })
      t.notOk('detail' in answer.body)
      t.match(await auditRowOf(runtime, answer), { code: 'organization_mismatch', orgId: thief.orgId, keyId: thief.keyId }, 'the thief\'s row, not the victim\'s')
    }
    await asOwner(runtime, `delete from webhook_deliveries where subscription_id = '${webhook}'`)
    await asOwner(runtime, `delete from webhook_subscriptions where id = '${webhook}'`)
    const gone = await call(url, thief, 'GET', `/webhooks/${webhook}`)
    t.match([gone.status, gone.body.code], [403, 'organization_mismatch'], 'a record that is gone looks the same')
    t.equal((await call(url, victim, 'GET', `/webhooks/${webhook}`)).status, 404)
    t.same({ ...await stateRows(runtime), subscriptions: 0, deliveries: 0 }, { ...rows, subscriptions: 0, deliveries: 0 })
  })

  await t.test('what a body names of another organization is refused before anything is written', async (t) => {
    const rows = await stateRows(runtime)
    for (const body of [
      { scenario_ids: [scenario], org_id: thief.orgId }, { scenario_ids: [scenario], org_id: victim.orgId }, { scenario_ids: ['own', scenario], org_id: thief.orgId },
      { blueprints: [{ id: 'a', blueprint: FLOW, save: true }], org_id: victim.orgId }
    ]) t.match((await call(url, thief, 'POST', '/evaluate', JSON.stringify(body))).body, { code: 'organization_mismatch' })
    t.same(await stateRows(runtime), rows)
  })

  await t.test('an id cannot be bent into one\'s own: every changed tag is somebody else\'s', async (t) => {
    const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
    const own = (await submit(url, thief)).id
    let accepted = 0
    for (let at = own.length - 8; at < own.length; at++) {
      for (const char of alphabet) {
        if (char === own[at]) continue
        const { status } = await call(url, thief, 'GET', `/evaluations/${own.slice(0, at)}${char}${own.slice(at + 1)}`)
        if (status !== 403) accepted++
      }
    }
    t.equal(accepted, 0, '248 forged ids')
    for (const id of [evaluation.toLowerCase(), evaluation.replace('req_', 'scn_'), `${evaluation}0`, evaluation.slice(0, -1), `%20${evaluation}`]) t.equal((await call(url, thief, 'GET', `/evaluations/${id}`)).status, 404, id)
    t.equal((await call(url, thief, 'GET', `/evaluations/${evaluation}%00`)).status, 400, 'an escaped NUL is no path')
  })

  await t.test('lists, cursors and saved scenarios show the caller\'s own only', async (t) => {
    await submit(url, thief, [{ id: 'b', name: 'THIEF-ONE', blueprint: FLOW, save: true }])
    const { body } = await call(url, thief, 'GET', '/scenarios?limit=100')
    t.same(body.data.scenarios.map(({ name }: { name: string }) => name), ['THIEF-ONE'])
    t.notMatch(JSON.stringify(body), /VICTIM/)
    const cursor = Buffer.from(scenario).toString('base64url')
    t.match((await call(url, thief, 'GET', `/scenarios?cursor=${cursor}`)).body, { code: 'malformed_request' })
    t.same((await call(url, thief, 'GET', '/webhooks')).body.data.webhooks, [])
    t.same((await call(url, thief, 'GET', '/suppressions?state=all')).body.data.suppressions, [])
    for (const path of ['/requests?limit=100', '/governance/summary']) {
      const seen = JSON.stringify((await call(url, thief, 'GET', path)).body.data)
      t.notMatch(seen, new RegExp(`VICTIM|${victim.keyId}|${victim.key.slice(0, 12)}|${mark}`), path)
    }
    t.equal((await call(url, thief, 'GET', `/watermarks/${mark}`)).status, 404)
    t.equal((await call(url, victim, 'GET', `/watermarks/${mark}`)).status, 200)
  })

  await t.test('a scenario id that slipped past the routes is still not judged for another organization', async (t) => {
    const submitted = await submit(url, thief)
    await asOwner(runtime, `update evaluation_items set scenario_id = '${scenario}', graph = null where evaluation_id = '${submitted.id}'`)
    await judge(runtime, submitted.id)
    const { body } = await send(url, 'GET', `${P}/results/${submitted.token}`)
    t.match(body.data.scenarios, [{ error: 'Scenario not found' }])
    t.notMatch(JSON.stringify(body), /VICTIM/)
  })

  await t.test('behind the routes stands the database: in one organization\'s transaction the other\'s rows do not exist', async (t) => {
    const counts = async (orgId: string): Promise<unknown> => await runtime.database.asOrganization(orgId, async (tx) => {
      const seen: Record<string, unknown> = {}
      for (const table of ['evaluations', 'evaluation_items', 'scenarios', 'redemptions', 'api_keys', 'audit_rows', 'webhook_subscriptions', 'webhook_deliveries', 'suppressions']) {
        const [row] = rowsOf(await tx.execute(sql`select count(*)::int as foreign_rows from ${sql.identifier(table)} where org_id <> ${orgId}`))
        seen[table] = row?.['foreign_rows']
      }
      return seen
    })
    const nothing = { evaluations: 0, evaluation_items: 0, scenarios: 0, redemptions: 0, api_keys: 0, audit_rows: 0, webhook_subscriptions: 0, webhook_deliveries: 0, suppressions: 0 }
    t.same(await counts(thief.orgId), nothing)
    t.same(await counts(victim.orgId), nothing)
  })

  await t.test('an idempotency key speaks for its own organization only', async (t) => {
    const body = JSON.stringify({ blueprints: [{ id: 'a', blueprint: FLOW }] })
    const answers = []
    for (const caller of [victim, thief]) {
      answers.push(await send(url, 'POST', `${P}/evaluate`, { ...headersFor(caller, 'POST', `${P}/evaluate`, body), 'idempotency-key': 'shared' }, body))
    }
    t.same(answers.map(({ status }) => status), [200, 200])
    t.not(answers[0]?.body.data.evaluation_id, answers[1]?.body.data.evaluation_id)
  })

  await t.test('whoever probes is seen: each refusal names the prober\'s key in the audit trail', async (t) => {
    const keys = await operate(runtime, 'key.list', { org: thief.orgId })
    t.equal(keys.keys.length, 1)
    const [row] = rowsOf(await runtime.database.db.execute(sql`select count(*)::int as probes from audit_rows where key_id = ${thief.keyId} and code = 'organization_mismatch'`))
    t.ok(Number(row?.['probes']) > 250)
  })
})
