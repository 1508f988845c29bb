import { sql } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { FlowBeacon, type FlowBeaconOptions } from '../../clients/typescript/src/index.ts'
import { rowsOf } from '../../db/rows.ts'
import { onEachStore } from '../helper/fronts.ts'
import { startFaultyProxy, type Fault, type FaultyProxy, type Seen } from '../helper/http-faults.ts'
import { FLOW, newCaller, start, type Caller } from '../helper/service.ts'

const TEN_MINUTES_MS = 600_000
const refusal = (status: number, code: string, error: string, retryAfter: string): Fault => ({ status, headers: { 'retry-after': retryAfter }, body: JSON.stringify({ ok: false, error, code, meta: { watermark: 'wm_injected' } }) })
const LIMITED = refusal(429, 'rate_limited', 'Rate limit exceeded', '1')
const AWAY = refusal(503, 'unavailable', 'Service temporarily unavailable', '0')
const isSubmission = ({ method, path }: Seen): boolean => method === 'POST' && path.endsWith('/evaluate')
const isRedemption = ({ path }: Seen): boolean => path.includes('/results/')

// The first `times` requests that match meet the fault; the rest pass.
const first = (times: number, fault: Fault, matches: (seen: Seen) => boolean = () => true): () => (seen: Seen) => Fault | null => () => {
  let left = times
  return (seen) => matches(seen) && left-- > 0 ? fault : null
}
// Every request meets the fault once and passes the second time.
const eachOnce = (fault: Fault): () => (seen: Seen) => Fault | null => () => {
  let count = 0
  return () => ++count % 2 === 1 ? fault : null
}

interface Case { name: string, faults: () => (seen: Seen) => Fault | null, options?: Partial<FlowBeaconOptions>, check?: (t: Test, proxy: FaultyProxy, tookMs: number) => void }

const CASES: Case[] = [
  {
    name: '429 to a submission, twice',
    faults: first(2, LIMITED, isSubmission),
    check: (t, { seen }, tookMs) => {
      const submissions = seen.filter(isSubmission)
      t.equal(submissions.length, 3)
      t.ok(tookMs >= 2000, 'Retry-After was waited for')
      t.equal(new Set(submissions.map(({ headers }) => headers['x-fb-signature'])).size, 3, 'each with a fresh signature')
      t.equal(new Set(submissions.map(({ headers }) => headers['idempotency-key'])).size, 1)
    }
  },
  { name: '503 to every request, once each', faults: eachOnce(AWAY) },
  { name: 'a gateway that answers 502 with a page, once each', faults: eachOnce({ status: 502, headers: { 'content-type': 'text/html' }, body: '<html>' }) },
  { name: 'connections cut before the service has the request, once each', faults: eachOnce({ cut: 'before' }) },
  { name: 'a submission whose answer is lost, twice', faults: first(2, { cut: 'after' }, isSubmission), check: (t, { seen }) => t.equal(seen.filter(isSubmission).length, 3) },
  {
    name: 'a redemption whose answer is lost: the token is spent, the results are had all the same',
    faults: first(1, { cut: 'after' }, isRedemption),
    check: (t, { seen }) => t.equal(new Set(seen.filter(isRedemption).map(({ path }) => path)).size, 2, 'a fresh token for the same evaluation')
  },
  { name: 'results that break off in the middle', faults: first(1, { cutAnswerAfterBytes: 100 }, isRedemption) },
  { name: 'answers that come too late, once each', faults: eachOnce({ waitMs: 1500 }), options: { timeoutMs: 500 } },
  ...[-TEN_MINUTES_MS, TEN_MINUTES_MS].map((skewMs): Case => ({
    name: `a clock that is ${skewMs / 60_000} minutes off`,
    faults: () => () => null,
    options: { now: () => Date.now() + skewMs },
    check: (t, { seen }) => t.equal(seen.filter(isSubmission).length, 2, 'the first refusal corrected it, for good')
  }))
]

await onEachStore(t, 'the client through a network with faults', async (t, stores) => {
  const { runtime, url } = await start(stores)
  t.teardown(() => runtime.close())
  const evaluationsOf = async ({ orgId }: Caller): Promise<number> => Number(rowsOf(await runtime.database.asOrganization(orgId, (tx) => tx.execute(sql`select count(*)::int as n from evaluations where org_id = ${orgId}`)))[0]?.['n'])
  const through = async (t: Test, faults: Case['faults']): Promise<FaultyProxy> => {
    const proxy = await startFaultyProxy(url, faults())
    t.teardown(() => proxy.close())
    return proxy
  }

  for (const { name, faults, options = {}, check } of CASES) {
    await t.test(`finishes with the results and exactly one evaluation: ${name}`, async (t) => {
      const caller = await newCaller(runtime, { rpm: 1000 })
      const proxy = await through(t, faults)
      const client = new FlowBeacon({ baseUrl: proxy.url, apiKey: caller.key, ...options })
      const began = performance.now()
      const done = await client.evaluateAndWait({ blueprints: [{ id: 'a', blueprint: FLOW }] }, { pollMs: 100 })
      t.match(done.results.scenarios, [{ id: 'a', violations: [{ code: 'NET-001' }] }])
      t.equal(done.results.evaluation_id, done.evaluationId)
      t.equal(await evaluationsOf(caller), 1)
      check?.(t, proxy, performance.now() - began)
    })
  }

  await t.test('what a second arrival could double is sent once', async (t) => {
    const caller = await newCaller(runtime, { permissions: ['admin'] })
    for (const fault of [{ cut: 'after' }, AWAY] as const) {
      const proxy = await through(t, first(9, fault))
      const client = new FlowBeacon({ baseUrl: proxy.url, apiKey: caller.key })
      await t.rejects(client.createEvaluation({ blueprints: [{ id: 'a', blueprint: FLOW }] }), { code: 'cut' in fault ? 'connection_failed' : 'unavailable' })
      await t.rejects(client.createSuppression({ code: 'NET-001', reason: 'x' }))
      t.equal(proxy.seen.length, 2)
    }
  })

  await t.test('retries are bounded, and a Retry-After that is too long is left to the caller', async (t) => {
    const caller = await newCaller(runtime)
    const broken = await through(t, first(99, { cut: 'before' }))
    await t.rejects(new FlowBeacon({ baseUrl: broken.url, apiKey: caller.key, retriesMax: 2 }).getSummary(), { name: 'ConnectionError', code: 'connection_failed' })
    t.equal(broken.seen.length, 3)
    const hourly = await through(t, first(99, refusal(429, 'rate_limited', 'Rate limit exceeded', '1800')))
    await t.rejects(new FlowBeacon({ baseUrl: hourly.url, apiKey: caller.key }).getSummary(), { code: 'rate_limited', status: 429, retryAfterSeconds: 1800, attempts: 1 })
    t.equal(hourly.seen.length, 1)
  })

  await t.test('a real 429 says how long to wait', async (t) => {
    const caller = await newCaller(runtime, { rpm: 1 })
    const client = new FlowBeacon({ baseUrl: url, apiKey: caller.key, retryAfterMsMax: 1000 })
    t.match(await client.getSummary(), { rateLimit: { limit: 1, remaining: 0 } })
    await t.rejects(client.getSummary(), { code: 'rate_limited', retryAfterSeconds: /^(?:60|59)$/, detail: /minute/ })
  })

  await t.test('a wrong key is not taken for a wrong clock, and a redirect is not followed with it', async (t) => {
    const caller = await newCaller(runtime)
    const other = await newCaller(runtime)
    const proxy = await through(t, () => ({ path }) => path.endsWith('summary') ? { status: 307, headers: { location: `${url}/api/public/v1/governance/summary` }, body: '' } : null)
    const client = new FlowBeacon({ baseUrl: proxy.url, apiKey: caller.key, signingSecret: `fbs_${'0'.repeat(64)}`, retriesMax: 0 })
    await t.rejects(client.listScenarios(), { code: 'signature_invalid', attempts: 1 })
    await t.rejects(new FlowBeacon({ baseUrl: proxy.url, apiKey: other.key, retriesMax: 0 }).getSummary(), { code: 'connection_failed' })
    t.equal(proxy.seen.length, 2)
  })
})
