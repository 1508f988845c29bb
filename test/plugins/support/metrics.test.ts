import t from 'tap'
import { call, embedded, newCaller, send, start } from '../../helper/service.ts'

const P = '/api/public/v1'
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
  t.match(text, /flowbeacon_layer_seconds_count\{layer="signature"\} [1-9]/)
  t.match(text, new RegExp(`flowbeacon_request_seconds_count\\{route="${P}/governance/health"\\} 1`))
})

t.test('liveness and readiness are for the operator: never on the public port', async (t) => {
  const { runtime, url } = await start(stores, { RUN_WORKER: 'false' })
  t.teardown(() => runtime.close())
  t.same((await runtime.ops.inject('/livez')).json(), { ok: true })
  const ready = (await runtime.ops.inject('/readyz')).json()
  t.same(ready.checks.map(({ name, ok }: { name: string, ok: boolean }) => [name, ok]), [['database', true], ['windows', true], ['draining', true]])
  for (const path of ['/metrics', '/livez', '/readyz', `${P}/metrics`]) t.not((await send(url, 'GET', path)).status, 200, path)
})
