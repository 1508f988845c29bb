import t from 'tap'
import { LAYER_NAMES, type LayerName } from '../../../plugins/index.ts'
import { mintRecordId } from '../../../plugins/lib/record-id.ts'
import { createMetrics } from '../../../plugins/support/metrics.ts'
import { front, P, sendRaw } from '../../helper/fronts.ts'
import { call, embedded, newCaller, send, start } from '../../helper/service.ts'

const stores = embedded()
t.teardown(() => stores.drop())

t.test('requests are counted by pattern, status and refusing layer; nothing that a caller chose is a label', async (t) => {
  const { runtime, url } = await start(stores, { RUN_WORKER: 'false' })
  t.teardown(() => runtime.close())
  const caller = await newCaller(runtime, { rpm: 3 })
  for (const path of ['/governance/policies', '/evaluations/req_CANARY', '/CANARY', '/scenarios?x=CANARY']) await call(url, caller, 'GET', path)
  await send(url, 'GET', `${P}/scenarios`, { authorization: 'Bearer CANARY', 'user-agent': 'CANARY' })
  await send(url, 'GET', `${P}/results/CANARY`)
  await send(url, 'OPTIONS', `${P}/scenarios`, { origin: 'https://canary.example', 'access-control-request-method': 'GET' })
  await send(url, 'GET', `${P}/governance/health`)
  const answer = await runtime.ops.inject('/metrics')
  t.match(answer.headers['content-type'], /^text\/plain/)
  const text = answer.body
  t.notMatch(text, /canary|fb_live_|wm_|127\.0\.0\.1/i)
  const value = (line: string): string | undefined => text.split('\n').find((one) => one.startsWith(`${line} `))?.slice(line.length + 1)
  t.equal(value(`flowbeacon_requests_total{method="GET",route="${P}/governance/policies",status="200"}`), '1')
  t.equal(value(`flowbeacon_requests_total{method="GET",route="${P}/evaluations/:evaluation_id",status="404"}`), '1')
  t.equal(value('flowbeacon_requests_total{method="GET",route="*",status="404"}'), '1')
  t.equal(value('flowbeacon_layer_refused_total{layer="rate-limits",code="rate_limited"}'), '1')
  t.equal(value('flowbeacon_layer_refused_total{layer="authentication",code="invalid_api_key"}'), '1')
  t.equal(value('flowbeacon_layer_refused_total{layer="transport",code="browser_refused"}'), '1')
  t.equal(value('flowbeacon_layer_passed_total{layer="transport"}'), '7', 'all but the pre-flight')
  t.equal(value('flowbeacon_layer_passed_total{layer="permission-scopes"}'), '4', 'layers that judge keys count requests with keys only')
  t.match(text, /flowbeacon_layer_seconds_count\{layer="signature"\} [1-9]/)
  t.match(text, new RegExp(`flowbeacon_request_seconds_count\\{route="${P}/governance/health"\\} 1`))
})

t.test('each of the ten layers tells what it passed, what it refused by code, and how long both took', async (t) => {
  const { runtime } = await start(stores, { RUN_WORKER: 'false' })
  t.teardown(() => runtime.close())
  const metrics = createMetrics({ timeEvery: 1 })
  let isAuditAway = false
  const deps = {
    metrics,
    audit: { record: async () => { if (isAuditAway) throw new Error('away') } }
  }
  const url = await front(t, runtime, { authFailureLimitPerMinute: 4 }, deps)
  const disabled = await front(t, runtime, { enabled: false }, deps)
  const caller = await newCaller(runtime, { permissions: ['governance:read'], rpm: 3 })
  const listed = await newCaller(runtime, { ip_allow: ['203.0.113.0/24'] })
  const other = await newCaller(runtime)
  const path = `${P}/scenarios`
  const foreign = mintRecordId('req', other.orgId, runtime.config.secrets.recordId)

  await send(url, 'OPTIONS', path, { origin: 'https://a.example', 'access-control-request-method': 'GET' })
  await sendRaw(url, { method: 'GET', path, headers: { 'content-length': '1' }, body: ['x'] })
  await send(disabled, 'GET', path)
  await send(url, 'GET', path)
  await send(url, 'GET', path, { authorization: `Bearer ${caller.key}` })
  await call(url, listed, 'GET', '/scenarios')
  await call(url, caller, 'GET', `/evaluations/${foreign}`)
  await call(url, caller, 'GET', '/evaluations/a.b')
  await call(url, caller, 'POST', '/evaluate', '{}')
  await call(url, other, 'POST', '/evaluate', JSON.stringify({ scenario_ids: ['a'], org_id: caller.orgId }))
  for (let n = 0; n < 4; n++) await call(url, caller, 'GET', '/scenarios')
  isAuditAway = true
  await call(url, other, 'GET', '/scenarios')
  isAuditAway = false
  for (let n = 0; n < 4; n++) await send(url, 'GET', `${P}/results/guess`)
  await call(url, other, 'GET', '/scenarios')
  await send(url, 'GET', `${P}/results/guess`)

  const series = new Map((await metrics.registry.metrics()).split('\n').map((line) => line.split(/ (?=[^ ]+$)/)).map(([name = '', value = '']) => [name, value]))
  const refused = [...series].filter(([name]) => name.startsWith('flowbeacon_layer_refused_total{')).map(([name, value]) => `${/layer="([^"]+)",code="([^"]+)"/.exec(name)?.slice(1).join(' ') ?? ''} ${value}`)
  t.same(refused.sort(), [
    'authentication invalid_api_key 1', 'authentication rate_limited 1', 'ip-allowlist ip_not_allowed 1', 'kill-switch api_disabled 1', 'org-scope malformed_request 1', 'org-scope organization_mismatch 2',
    'permission-scopes insufficient_permission 1', 'rate-limits rate_limited 3', 'signature signature_missing 1', 'transport browser_refused 1', 'transport malformed_request 1', 'watermark unavailable 1'])
  const passed = (layer: LayerName): number => Number(series.get(`flowbeacon_layer_passed_total{layer="${layer}"}`))
  t.same(LAYER_NAMES.map((layer) => [layer, passed(layer)]), [
    ['transport', 19], ['authentication', 11], ['signature', 10], ['ip-allowlist', 9], ['org-scope', 6], ['permission-scopes', 6], ['rate-limits', 5],
    ['anomaly-detection', 21], ['watermark', 20], ['kill-switch', 18]])
  for (const layer of LAYER_NAMES) t.ok(Number(series.get(`flowbeacon_layer_seconds_count{layer="${layer}"}`)) >= passed(layer), layer)
  t.equal(series.get('flowbeacon_layer_seconds_count{layer="authentication"}'), '13', 'what it refused took time as well')
})

t.test('all ten layers are there before the first request', async (t) => {
  const text = await createMetrics().registry.metrics()
  for (const layer of LAYER_NAMES) t.match(text, `flowbeacon_layer_passed_total{layer="${layer}"} 0`)
})

t.test('liveness and readiness are for the operator: never on the public port', async (t) => {
  const { runtime, url } = await start(stores, { RUN_WORKER: 'false' })
  t.teardown(() => runtime.close())
  t.same((await runtime.ops.inject('/livez')).json(), { ok: true })
  const ready = (await runtime.ops.inject('/readyz')).json()
  t.same(ready.checks.map(({ name, ok }: { name: string, ok: boolean }) => [name, ok]), [['database', true], ['windows', true], ['kill-switch', true], ['draining', true]])
  for (const path of ['/metrics', '/livez', '/readyz', `${P}/metrics`]) t.not((await send(url, 'GET', path)).status, 200, path)
})

t.test('all requests are counted for each layer, and one in so many is timed, beginning with the first', async (t) => {
  const { runtime } = await start(stores, { RUN_WORKER: 'false' })
  t.teardown(() => runtime.close())
  const metrics = createMetrics({ timeEvery: 3 })
  const url = await front(t, runtime, {}, { metrics })
  const caller = await newCaller(runtime)
  for (let n = 0; n < 7; n++) await call(url, caller, 'GET', '/scenarios')
  const text = await metrics.registry.metrics()
  for (const layer of LAYER_NAMES) {
    t.match(text, `flowbeacon_layer_passed_total{layer="${layer}"} 7\n`)
    t.match(text, `flowbeacon_layer_seconds_count{layer="${layer}"} 3\n`)
  }
  t.match(text, 'flowbeacon_request_seconds_count{route="/api/public/v1/scenarios"} 7\n')
})
