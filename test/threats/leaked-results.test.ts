import t from 'tap'
import { sql } from 'drizzle-orm'
import { rowsOf } from '../../db/rows.ts'
import { mintWatermark, verifyWatermark } from '../../plugins/lib/watermark-id.ts'
import { judge, onEachStore, P, submit } from '../helper/fronts.ts'
import { call, newCaller, operate, send, start, type Answer } from '../helper/service.ts'

interface Finding { ref: string, code: string }

await onEachStore(t, 'leaked results: what turns up elsewhere names the answer it was taken from', async (t, stores) => {
  const { runtime, url } = await start(stores, { RUN_WORKER: 'false' })
  t.teardown(() => runtime.close())
  const { watermark: secret } = runtime.config.secrets
  const owner = await newCaller(runtime, { rpm: 10_000, rph: 100_000 })
  const blueprints = [{ id: 'a', name: 'Leaky', save: true, blueprint: { name: 'Leaky', flow: [1, 2, 3].map((id) => ({ id, module: 'http:ActionSendData', version: 3, parameters: {}, mapper: { url: `http://api.plain-host${id}.net/x`, method: 'post' } })) } }]
  const findingsOf = (answer: Answer): Finding[] => (answer.body.data.scenarios?.[0] ?? answer.body.data).violations

  await t.test('every answer to every caller has a mark of its own, in the header and in the body, and none comes twice', async (t) => {
    const answers = [...await Promise.all(Array.from({ length: 100 }, () => call(url, owner, 'GET', '/governance/policies'))), await call(url, owner, 'GET', '/nothing'), await send(url, 'GET', `${P}/scenarios`), await send(url, 'GET', '/elsewhere')]
    const marks = answers.map(({ headers, body }) => {
      t.equal(body.meta.watermark, headers.get('x-fb-watermark'))
      return body.meta.watermark as string
    })
    t.equal(new Set(marks).size, marks.length)
    for (const mark of marks) t.ok(/^wm_[0-9a-z]{36}$/.test(mark) && verifyWatermark(mark, secret))
  })

  await t.test('a whole answer is traced to who asked, when, from where and for what', async (t) => {
    const { id, token } = await submit(url, owner, blueprints)
    await judge(runtime, id)
    const reader = await newCaller(runtime)
    for (const [answer, expected] of [
      [await call(url, owner, 'GET', `/evaluations/${id}`), { org_id: owner.orgId, key_id: owner.keyId, key_prefix: owner.key.slice(0, 12), route: `${P}/evaluations/:evaluation_id` }],
      [await call(url, reader, 'GET', '/scenarios'), { org_id: reader.orgId, key_id: reader.keyId, route: `${P}/scenarios` }],
      [await send(url, 'GET', `${P}/results/${token}`, { 'user-agent': 'mail client' }), { org_id: owner.orgId, key_id: null, route: `${P}/results/:token`, jti: /^[0-9a-f]{32}$/, user_agent: 'mail client' }]
    ] as const) t.match(await operate(runtime, 'trace', { watermark: answer.body.meta.watermark }), { ...expected, status: 200, ip: /127\.0\.0\.1/, method: 'GET' })
  })

  await t.test('one finding alone, without its mark, fits one answer of all that showed it, and no other', async (t) => {
    const { id, token } = await submit(url, owner, blueprints)
    await judge(runtime, id)
    const scenario = (await call(url, owner, 'GET', '/scenarios')).body.data.scenarios[0].id
    const shown = [await send(url, 'GET', `${P}/results/${token}`), ...await Promise.all(Array.from({ length: 20 }, () => call(url, owner, 'GET', `/scenarios/${scenario}/results`)))]
    t.ok(findingsOf(shown[0] as Answer).length >= 3)
    for (const answer of shown) {
      for (const { ref } of findingsOf(answer)) {
        const traced = await operate(runtime, 'trace', { watermark: ref })
        t.match([traced.watermark, traced.org_id, traced.status], [answer.body.meta.watermark, owner.orgId, 200])
      }
    }
    const refs = shown.flatMap((answer) => findingsOf(answer).map(({ ref }) => ref))
    t.equal(new Set(refs).size, refs.length, 'no two answers share a reference, no two findings do')
    const stored = rowsOf(await runtime.database.db.execute(sql`select result from evaluation_items where evaluation_id = ${id}`))
    const fingerprints = stored.flatMap(({ result }) => (result as { violations: Array<{ fingerprint: string }> }).violations.map(({ fingerprint }) => fingerprint))
    const bodies = JSON.stringify(shown.map(({ body }) => body))
    t.ok(fingerprints.length >= 3 && !fingerprints.some((fingerprint) => bodies.includes(fingerprint)), 'what would join two answers is not shown')
    await t.rejects(operate(runtime, 'trace', { watermark: `vr_${'0'.repeat(44)}` }), /not a reference of this service/)
  })

  await t.test('a mark that was forged, changed or taken from another installation is recognised without a look-up', async (t) => {
    const { body } = await call(url, owner, 'GET', '/scenarios')
    const mark: string = body.meta.watermark
    const forged = [mintWatermark(Buffer.alloc(32, 1)), `wm_${'0'.repeat(36)}`, mark.toUpperCase(), `${mark}0`, mark.slice(0, -1), ` ${mark}`, mark.replace('wm_', 'wn_')]
    for (let at = 3; at < mark.length; at++) forged.push(`${mark.slice(0, at)}${mark[at] === 'a' ? 'b' : 'a'}${mark.slice(at + 1)}`)
    for (const text of forged) t.notOk(verifyWatermark(text, secret), text)
    await t.rejects(operate(runtime, 'trace', { watermark: forged[0] }), /not a watermark of this service/)
  })

  await t.test('refusals of a known caller are marked and traced too', async (t) => {
    const answer = await call(url, owner, 'GET', '/evaluations/req_a.b')
    t.equal(answer.status, 400)
    t.match(await operate(runtime, 'trace', { watermark: answer.body.meta.watermark }), { key_id: owner.keyId, status: 400, code: 'malformed_request' })
  })

  await t.test('the trail cannot be made to forget: audit rows are neither changed nor deleted, by either role of the service', async (t) => {
    const { body } = await call(url, owner, 'GET', '/scenarios')
    const { database } = runtime
    for (const statement of [sql`delete from audit_rows where watermark = ${body.meta.watermark}`, sql`update audit_rows set org_id = 'other' where watermark = ${body.meta.watermark}`, sql`truncate audit_rows`]) {
      await t.rejects(database.db.execute(statement))
      await t.rejects(database.asOrganization(owner.orgId, (tx) => tx.execute(statement)))
    }
    t.match(await operate(runtime, 'trace', { watermark: body.meta.watermark }), { org_id: owner.orgId })
  })
})
