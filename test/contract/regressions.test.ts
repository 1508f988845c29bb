import t from 'tap'
import { sql } from 'drizzle-orm'
import { rowsOf } from '../../db/rows.ts'
import { failInserts, failStatements, front, judge, onEachStore, P, stateRows, submit } from '../helper/fronts.ts'
import { spawnServer } from '../helper/process.ts'
import { call, FLOW, newCaller, send, start, type Answer } from '../helper/service.ts'

const PRELOAD = new URL('../helper/hanging-thread.js', import.meta.url).href
const named = (id: string, name: string): object => ({ id, name: id, blueprint: { ...FLOW, name } })

await onEachStore(t, 'a redemption that cannot be undone', async (t, stores) => {
  const { runtime, url } = await start(stores, { RUN_WORKER: 'false' })
  t.teardown(() => runtime.close())
  const caller = await newCaller(runtime)
  const fetchResults = async (token: string, target = url): Promise<Answer> => await send(target, 'GET', `${P}/results/${token}`)
  const unavailable = (answer: Answer): void => {
    t.equal(answer.status, 503)
    t.same(Object.keys(answer.body).sort(), ['code', 'error', 'meta', 'ok'])
    t.match(answer.body, { code: 'unavailable', error: 'Service temporarily unavailable' })
    t.notMatch(JSON.stringify([answer.body, ...answer.headers]), /CANARY|violations/)
  }

  await t.test('answers 503, not 200, when neither its audit row nor its undo can be written', async () => {
    const { id, token } = await submit(url, caller)
    await judge(runtime, id)
    const mendAudit = await failInserts(runtime, 'audit_rows', "new.status = 200 and new.route like '%/results/%'")
    const mendDelete = await failStatements(runtime, 'redemptions', 'delete')
    unavailable(await fetchResults(token))
    await mendDelete()
    await mendAudit()
    // It is given back in the background, now that it can be: once.
    let answer = await fetchResults(token)
    while (answer.status === 410) answer = await fetchResults(token)
    t.equal(answer.status, 200)
    t.equal((await fetchResults(token)).status, 410)
  })

  await t.test('answers 503 when the windows store cannot take it back either, and goes on to the next request', async () => {
    const { singleUse } = runtime
    const gone = async (): Promise<never> => { throw new Error('CANARY') }
    const narrow = await front(t, runtime, {}, { audit: { record: gone }, singleUse: { issue: gone, take: (jti) => singleUse.take(jti), giveBack: gone } })
    for (let n = 0; n < 3; n++) {
      const { id, token } = await submit(url, caller)
      await judge(runtime, id)
      unavailable(await fetchResults(token, narrow))
    }
    t.equal((await send(narrow, 'GET', `${P}/governance/health`)).status, 200)
  })
})

await onEachStore(t, 'texts that a database could trip over', async (t, stores) => {
  const { runtime, url } = await start(stores, { RUN_WORKER: 'false' })
  t.teardown(() => runtime.close())
  const caller = await newCaller(runtime, { permissions: ['admin'], rpm: 10_000, rph: 100_000 })

  await t.test('in any place of a path or a query they are 400, 403 or 404, never 500 or 503', async (t) => {
    const strange = ['%00', 'req_%00', 'scn_%00', `req_${'0'.repeat(25)}%00`, `scn_${'0'.repeat(26)}%00`, '%00%00', '%ff', '%c0%80', '%ed%a0%80', '%F0%9F%92%A9', "'", '%27%20or%201=1--', '%5c', '%22', '%0a', '%25', 'x'.repeat(2000), '..%2f..', '$1', '%7b%7d', '__proto__', 'constructor']
    const statuses = new Map<number, number>()
    for (const text of strange) {
      for (const path of [`/evaluations/${text}`, `/scenarios/${text}/results`, `/scenarios/${text}/remediation`, `/webhooks/${text}`, `/webhooks/${text}/deliveries`, `/watermarks/${text}`, `/governance/policies/${text}`, `/results/${text}`,
        `/scenarios?cursor=${text}`, `/scenarios?limit=${text}`, `/requests?watermark=${text}`, `/requests?since=${text}`, `/requests?cursor=${text}`, `/suppressions?cursor=${text}`, `/${text}`]) {
        const answer = await call(url, caller, 'GET', path)
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
        if (![200, 400, 401, 403, 404].includes(answer.status)) t.fail(`${path}: ${answer.status} ${answer.body.code}`)
      }
    }
    t.comment(JSON.stringify(Object.fromEntries(statuses)))
    t.ok((statuses.get(404) ?? 0) > 20)
  })

  await t.test('in any text of a body they are refused or kept apart, never 500 or 503', async (t) => {
    const rows = await stateRows(runtime)
    for (const text of ['\\u0000', 'a\\u0000b', '\\ud800', '\\udc00\\ud800']) {
      for (const body of [`{"scenario_ids":["${text}"],"org_id":"${caller.orgId}"}`, `{"blueprints":[{"id":"${text}","blueprint":${JSON.stringify(FLOW)}}]}`, `{"blueprints":[{"id":"a","name":"${text}","blueprint":${JSON.stringify(FLOW)}}]}`,
        `{"blueprints":[{"id":"a","blueprint":{"name":"${text}","flow":[]}}]}`, `{"blueprints":[{"id":"a","blueprint":{"flow":[],"${text}":1}}]}`]) {
        const answer = await call(url, caller, 'POST', '/evaluate', body)
        t.match([answer.status, answer.body.code], [400, 'malformed_request'], body.slice(0, 60))
      }
    }
    t.same(await stateRows(runtime), rows)
  })

  await t.test('an inline blueprint under the id of a scenario is 400, also under an own one, and nothing is written', async (t) => {
    await submit(url, caller, [{ id: 'a', save: true, blueprint: FLOW }])
    const own = (await call(url, caller, 'GET', '/scenarios')).body.data.scenarios[0].id
    const rows = await stateRows(runtime)
    for (const id of [own, `scn_${'0'.repeat(26)}`, `scn_${'Z'.repeat(26)}`]) {
      const answer = await call(url, caller, 'POST', '/evaluate', JSON.stringify({ blueprints: [{ id, blueprint: FLOW }] }))
      t.match(answer.body, { code: 'malformed_request', detail: [{ path: '/blueprints/0/id' }] })
    }
    t.same(await stateRows(runtime), rows)
  })
})

await onEachStore(t, 'a judgement that goes wrong', async (t, stores) => {
  const first = await start(stores, { RUN_WORKER: 'false' })
  const caller = await newCaller(first.runtime, { rpm: 10_000, rph: 100_000 })
  await first.runtime.close()
  const server = await spawnServer({ ...stores.env, NODE_OPTIONS: `--import=${PRELOAD}`, LOG_LEVEL: 'warn' })
  t.teardown(() => server.stop())
  let leftBehind = ''

  await t.test('a thread that hangs past its deadline, and one that dies, fail their own scenario only; the service answers meanwhile', async (t) => {
    const { id } = await submit(server.url, caller, [named('one', 'Good'), named('two', 'HANG'), named('three', 'Good'), named('four', 'DIE'), named('five', 'Good')])
    const beside = await submit(server.url, caller, [named('six', 'Good')])
    let slowestMs = 0
    let body: any
    let completeBeside = 0
    const startedMs = performance.now()
    do {
      const askedMs = performance.now();
      ({ body } = await call(server.url, caller, 'GET', `/evaluations/${id}`))
      slowestMs = Math.max(slowestMs, performance.now() - askedMs)
      if (completeBeside === 0 && (await call(server.url, caller, 'GET', `/evaluations/${beside.id}`)).body.data.status === 'complete') completeBeside = performance.now() - startedMs
      await new Promise((resolve) => setTimeout(resolve, 100))
    } while (body.data.status !== 'complete' && performance.now() - startedMs < 40_000)
    t.same(body.data.scenarios.map(({ id, error }: { id: string, error?: string }) => [id, error ?? null]),
      [['one', null], ['two', 'Evaluation took too long'], ['three', null], ['four', 'Scenario could not be evaluated'], ['five', null]])
    t.ok(performance.now() - startedMs > 9_000, 'the deadline was waited for')
    t.ok(completeBeside > 0 && completeBeside < 8_000, `another evaluation was judged meanwhile (${Math.round(completeBeside)} ms)`)
    t.ok(slowestMs < 2_000, `the slowest answer took ${Math.round(slowestMs)} ms`)
  })

  await t.test('a worker that is stopped during a judgement ends in time, records nothing of it and gives the evaluation back', async (t) => {
    const { id } = await submit(server.url, caller, [named('one', 'Good'), named('two', 'HANG'), named('three', 'Good')])
    leftBehind = id
    let completed = 0
    while (completed < 1) completed = (await call(server.url, caller, 'GET', `/evaluations/${id}`)).body.data.completed
    const startedMs = performance.now()
    t.equal(await server.stop(), 0)
    t.ok(performance.now() - startedMs < 15_000, `${Math.round(performance.now() - startedMs)} ms`)
  })

  await t.test('and the next worker goes on with what was left, to the same end as if nothing had happened', async (t) => {
    const { runtime, url } = await start(stores, { RUN_WORKER: 'false' })
    t.teardown(() => runtime.close())
    const [left] = rowsOf(await runtime.database.db.execute(sql`select state, attempt, lease_until from evaluations where id = ${leftBehind}`))
    t.same(left, { state: 'pending', attempt: 0, lease_until: null }, 'nobody waits for a lease')
    const items = rowsOf(await runtime.database.db.execute(sql`select position, finished_at is not null as finished, error from evaluation_items where evaluation_id = ${leftBehind} order by position`))
    t.same(items.map(({ finished, error }) => [finished, error]), [[true, null], [false, null], [false, null]])
    await judge(runtime, leftBehind)
    const { body } = await call(url, caller, 'GET', `/evaluations/${leftBehind}`)
    t.equal(body.data.status, 'complete')
    t.same(body.data.scenarios.map(({ id, error }: { id: string, error?: string }) => [id, error ?? null]), [['one', null], ['two', null], ['three', null]])
  })
})
