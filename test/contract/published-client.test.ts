// A partner's program as the vendor's public guide has it, with node:crypto and fetch and nothing of ours: Bearer key, `t=…,v1=…` over
// compact JSON, a look every two seconds, and the very same headers again after a 429.
import { createHmac } from 'node:crypto'
import t from 'tap'
import { onEachStore } from '../helper/fronts.ts'
import { startReceiver } from '../helper/receiver.ts'
import { FLOW, newCaller, real, start } from '../helper/service.ts'

const POLL_MS = 2000
const sleep = async (ms: number): Promise<void> => { await new Promise((resolve) => setTimeout(resolve, ms)) }

function sign (apiKey: string, method: string, path: string, body: string): string {
  const t = Math.floor(Date.now() / 1000).toString()
  const v1 = createHmac('sha256', apiKey).update(`${t}.${method}.${path}.${body}`).digest('hex')
  return `t=${t},v1=${v1}`
}

async function api (base: string, apiKey: string, method: string, path: string, payload?: object): Promise<any> {
  const body = payload === undefined ? '' : JSON.stringify(payload)
  const init = {
    method,
    headers: { Authorization: `Bearer ${apiKey}`, 'Content-Type': 'application/json', 'X-FB-Signature': sign(apiKey, method, path.split('?')[0] ?? '', body) },
    ...(body === '' ? {} : { body })
  }
  let response = await fetch(base + path, init)
  if (response.status === 429) {
    await sleep(Number(response.headers.get('Retry-After')) * 1000)
    response = await fetch(base + path, init)
  }
  const json: any = await response.json()
  if (json.ok !== true) throw new Error(`${response.status} ${json.error}`)
  return json.data
}

// The wait for a whole minute is made once: where there are servers, there.
const servers = await real()
await servers?.drop()

await onEachStore(t, 'a program written from the published guide', async (t, stores) => {
  const { runtime, url } = await start(stores, { WEBHOOK_UNSAFE_ALLOWED_RANGES: '127.0.0.1/32' })
  t.teardown(() => runtime.close())

  await t.test('evaluates imported scenarios, polls, redeems the token and reads the results, unmodified', async (t) => {
    const caller = await newCaller(runtime)
    const scenarioId = await saved(caller.key)
    t.match(await (await fetch(`${url}/api/public/v1/governance/health`)).json(), { ok: true, service: 'flowbeacon-public-api', version: '1.0.0' })
    const { policies } = await api(url, caller.key, 'GET', '/api/public/v1/governance/policies')
    t.same(Object.keys(policies[0]).sort(), ['code', 'description', 'frameworks', 'severity', 'title'])
    const submitted = await api(url, caller.key, 'POST', '/api/public/v1/evaluate', { scenario_ids: [scenarioId], org_id: caller.orgId })
    t.match(submitted, { evaluation_id: /^req_/, status: 'processing', total_scenarios: 1, result_token: /^[\w-]+\.[\w-]+\.[\w-]+$/ })
    let evaluation
    do {
      await sleep(POLL_MS)
      evaluation = await api(url, caller.key, 'GET', `/api/public/v1/evaluations/${submitted.evaluation_id}`)
    } while (evaluation.status === 'pending' || evaluation.status === 'processing')
    t.match(evaluation, { status: 'complete', completed: 1, scenarios: [{ id: scenarioId, score: /^\d+$/, violations: /^\d+$/, critical: /^\d+$/, compliance_gaps: Array, modules: 2 }] })
    const results: any = await (await fetch(`${url}/api/public/v1/results/${submitted.result_token}`)).json()
    t.match(results, { ok: true, data: { scenarios: [{ id: scenarioId }] }, meta: { watermark: /^wm_/ } })
    t.match(await (await fetch(`${url}/api/public/v1/results/${submitted.result_token}`)).json(), { ok: false, error: 'Result token already used' })
    t.match(await api(url, caller.key, 'GET', `/api/public/v1/scenarios/${scenarioId}/results`), { evaluation_status: 'complete', violations: Array, module_summary: Array, evaluated_codes: Array, passing_count: /^\d+$/, failing_count: /^\d+$/ })
  })

  await t.test('a request that got 429 is accepted when the same headers are sent again', { timeout: 150_000, skip: servers !== null && stores.env['REDIS_URL'] === undefined ? 'made on PostgreSQL and Redis' : false }, async (t) => {
    const caller = await newCaller(runtime, { rpm: 2 })
    const began = Date.now()
    for (const id of ['a', 'b']) await api(url, caller.key, 'POST', '/api/public/v1/evaluate', { blueprints: [{ id, blueprint: FLOW }] })
    t.match(await api(url, caller.key, 'POST', '/api/public/v1/evaluate', { blueprints: [{ id: 'c', blueprint: FLOW }] }), { status: 'processing' })
    t.ok(Date.now() - began > 55_000, 'it had to wait for the minute')
  })

  await t.test('a receiver written from the guide verifies a webhook', async (t) => {
    const caller = await newCaller(runtime, { permissions: ['admin'] })
    const receiver = await startReceiver()
    t.teardown(() => receiver.close())
    const { id, is_active: isActive, signing_secret: secret } = await api(url, caller.key, 'POST', '/api/public/v1/webhooks', { url: receiver.url, events: ['evaluation.complete'] })
    t.match([id, isActive, secret], [/^sub_/, true, /^whsec_/])
    await api(url, caller.key, 'POST', '/api/public/v1/evaluate', { blueprints: [{ id: 'w', blueprint: FLOW }] })
    const [received] = await receiver.next(1)
    const [, time = '', mac = ''] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(received?.headers['x-fb-signature'] ?? '') ?? []
    t.equal(createHmac('sha256', secret).update(`${time}.`).update(received?.body ?? '').digest('hex'), mac)
    t.match(received?.json, { event: 'evaluation.complete', evaluation_id: /^req_/, organization_id: caller.orgId, scenarios: Array })
  })

  async function saved (key: string): Promise<string> {
    const { evaluation_id: id } = await api(url, key, 'POST', '/api/public/v1/evaluate', { blueprints: [{ id: 'saved', blueprint: FLOW, save: true }] })
    while ((await api(url, key, 'GET', `/api/public/v1/evaluations/${id}`)).status !== 'complete') await sleep(POLL_MS)
    return (await api(url, key, 'GET', '/api/public/v1/scenarios')).scenarios[0].id
  }
})
