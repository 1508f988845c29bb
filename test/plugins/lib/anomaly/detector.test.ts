import t from 'tap'
import { createDetector, SPREAD, type DetectedAnomaly, type Detector, type Observation } from '../../../../plugins/lib/anomaly/detector.ts'
import { changeThresholds, DEFAULT_THRESHOLDS } from '../../../../plugins/lib/anomaly/thresholds.ts'

const START_MS = Date.UTC(2027, 0, 4, 8)
const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
let rows = 0

function row (over: Partial<Observation> = {}): Observation {
  return { watermark: `wm_${++rows}`, atMs: START_MS, orgId: 'org_1', keyId: 'key_1', method: 'GET', route: '/api/public/v1/scenarios', pathHash: 'p', status: 200, code: null, ip: '192.0.2.1', userAgent: 'agent', ...over }
}

function feed (detector: Detector, count: number, make: (n: number) => Observation): DetectedAnomaly[] {
  return Array.from({ length: count }, (_, n) => detector.observe(make(n))).flat()
}

const refused = (code: string, status = 403) => (n: number): Observation => row({ code, status, atMs: START_MS + n * 100 })

t.test('each attack raises exactly its own signal, once, with the numbers, the threshold and the rows behind it', async (t) => {
  const attacks: Array<[string, number, (n: number) => Observation]> = [
    ['signature_failures', 30, refused('signature_invalid')],
    ['foreign_address', 3, refused('ip_not_allowed')],
    ['scope_probing', 15, refused('insufficient_permission')],
    ['foreign_organization', 8, refused('organization_mismatch')],
    ['rate_storm', 300, refused('rate_limited', 429)],
    ['distinct_networks', 12, (n) => row({ ip: `198.51.${n}.7`, atMs: START_MS + n * 1000 })],
    ['record_sweep', 600, (n) => row({ route: '/api/public/v1/scenarios/:id/results', pathHash: `p${n}`, atMs: START_MS + n * 1000 })]
  ]
  for (const [signal, count, make] of attacks) {
    const raised = feed(createDetector(), count, make)
    t.same(raised.map((one) => one.signal), [signal])
    const [one] = raised
    t.ok(Number(one?.numbers['count']) >= (one?.threshold.count ?? Number.NaN), JSON.stringify(one?.numbers))
    t.ok((one?.watermarks.length ?? 0) > 0 && (one?.watermarks.length ?? 99) <= 10)
  }
})

t.test('the threshold is exact: one less raises nothing', async (t) => {
  for (const [signal, code, status] of [['signature_failures', 'signature_invalid', 403], ['scope_probing', 'insufficient_permission', 403], ['foreign_organization', 'organization_mismatch', 403], ['rate_storm', 'rate_limited', 429]] as const) {
    const { count } = DEFAULT_THRESHOLDS[signal]
    t.equal(feed(createDetector(), count - 1, refused(code, status)).length, 0, signal)
    t.equal(feed(createDetector(), count, refused(code, status)).length, 1, signal)
  }
})

t.test('a share of good requests keeps failures from being a signal', async (t) => {
  t.equal(feed(createDetector(), 100, (n) => row({ atMs: START_MS + n * 100, ...(n % 3 === 0 ? { code: 'signature_invalid', status: 403 } : {}) })).length, 0)
})

t.test('what lies further back than the window does not count', async (t) => {
  t.equal(feed(createDetector(), 40, (n) => row({ code: 'insufficient_permission', status: 403, atMs: START_MS + n * MINUTE_MS })).length, 0)
})

t.test('a signal is told once per cool-down, then as going on, and after it was over as a new one', async (t) => {
  const detector = createDetector()
  const bad = (atMs: number): Observation => row({ code: 'organization_mismatch', status: 403, atMs })
  const raised: DetectedAnomaly[] = []
  for (let atMs = START_MS; atMs < START_MS + 2.5 * HOUR_MS; atMs += 20_000) raised.push(...detector.observe(bad(atMs)))
  t.equal(raised.length, 3)
  t.same(raised.map(({ numbers }) => 'going_on_since' in numbers), [false, true, true])
  detector.observe(row({ atMs: START_MS + 5 * HOUR_MS }))
  const again = feed(detector, 5, (n) => bad(START_MS + 5 * HOUR_MS + n))
  t.match(again, [{ signal: 'foreign_organization' }])
  t.notOk('going_on_since' in (again[0]?.numbers ?? {}))
})

t.test('each key is judged for itself', async (t) => {
  t.equal(feed(createDetector(), 40, (n) => row({ keyId: `key_${n % 10}`, code: 'insufficient_permission', status: 403 })).length, 0)
})

t.test('volume is judged against the key\'s own past, and only when there is one', async (t) => {
  const burst = (n: number): Observation => row({ atMs: START_MS + n * 1000 })
  t.equal(feed(createDetector(), 3000, burst).length, 0, 'a key without a past')
  const steady = createDetector()
  for (let hour = 2; hour < 50; hour++) steady.seedHour('key_1', START_MS - hour * HOUR_MS, 100)
  t.match(feed(steady, 3000, burst), [{ signal: 'unusual_volume', numbers: { busiest_hour: 100, active_hours: 48, multiple: 4 } }])
  const busy = createDetector()
  for (let hour = 2; hour < 50; hour++) busy.seedHour('key_1', START_MS - hour * HOUR_MS, 900)
  t.equal(feed(busy, 3000, burst).length, 0, 'a key that is always busy')
  const young = createDetector()
  for (let hour = 2; hour < 12; hour++) young.seedHour('key_1', START_MS - hour * HOUR_MS, 100)
  t.equal(feed(young, 3000, burst).length, 0, 'a key in its warm-up')
})

t.test('a token presented again is low from the address that redeemed it, and certain from another', async (t) => {
  const token = (over: Partial<Observation>): Observation => row({ keyId: null, route: '/api/public/v1/results/:token', pathHash: 'token', ...over })
  for (const [ip, severity, isCertain] of [['192.0.2.1', 'low', false], ['203.0.113.9', 'high', true]] as const) {
    const detector = createDetector()
    t.equal(detector.observe(token({ status: 200 })).length, 0)
    t.match(detector.observe(token({ status: 410, code: 'result_token_used', ip })), [{ signal: 'token_presented_twice', severity, isCertain, orgId: 'org_1', keyId: null }])
  }
})

t.test('what was raised before a change of leader is not raised again', async (t) => {
  const detector = createDetector()
  detector.seedRaised('scope_probing', 'key_1', START_MS - 1000)
  t.equal(feed(detector, 30, refused('insufficient_permission')).length, 0)
})

t.test('an honest partner\'s day raises nothing: bursts, retries, a rotated key, a new egress address', async (t) => {
  const detector = createDetector()
  const raised: DetectedAnomaly[] = []
  const see = (over: Partial<Observation>): void => { raised.push(...detector.observe(row(over))) }
  for (let hour = 0; hour < 24 * 8; hour++) {
    const hourMs = START_MS + hour * HOUR_MS
    // Key rotation on the fifth day: an hour with both keys, then the new one.
    const keyId = hour < 24 * 5 ? 'key_1' : 'key_2'
    // A new egress address on the third day, and one address of a colleague's machine now and then.
    const ip = hour >= 24 * 3 ? '198.51.100.7' : hour % 40 === 7 ? '203.0.113.20' : '192.0.2.1'
    for (let poll = 0; poll < 12; poll++) see({ atMs: hourMs + poll * 5 * MINUTE_MS, keyId, ip, route: '/api/public/v1/evaluations/:evaluation_id', pathHash: `e${hour}` })
    if (hour % 24 === 2) {
      // The nightly run: a burst into the limit, retried politely, every scenario read once.
      for (let n = 0; n < 400; n++) {
        const atMs = hourMs + n * 1000
        const isLimited = n % 60 > 50
        see({ atMs, keyId, ip, route: '/api/public/v1/scenarios/:id/results', pathHash: `s${n}`, ...(isLimited ? { status: 429, code: 'rate_limited' } : {}) })
      }
      see({ atMs: hourMs + 500_000, keyId: null, route: '/api/public/v1/results/:token', pathHash: `t${hour}`, status: 409, code: 'evaluation_incomplete', ip })
      see({ atMs: hourMs + 510_000, keyId: null, route: '/api/public/v1/results/:token', pathHash: `t${hour}`, status: 200, ip })
    }
    // A clock that drifts for a while, a mistyped scenario, a scope that was forgotten once.
    if (hour === 30) for (let n = 0; n < 8; n++) see({ atMs: hourMs + n * 10_000, keyId, ip, status: 403, code: 'signature_invalid' })
    if (hour === 50) see({ atMs: hourMs, keyId, ip, status: 404, code: 'not_found', route: '/api/public/v1/scenarios/:id/results', pathHash: 'gone' })
    if (hour === 51) for (let n = 0; n < 3; n++) see({ atMs: hourMs + n, keyId, ip, status: 403, code: 'insufficient_permission' })
    if (hour === 24 * 5) for (let n = 0; n < 12; n++) see({ atMs: hourMs + n * 5 * MINUTE_MS, keyId: 'key_1', ip })
  }
  t.same(raised.map(({ signal, numbers }) => [signal, numbers]), [])
})

t.test('thresholds are changed strictly, and every problem is named', async (t) => {
  const changed = changeThresholds({ rate_storm: { count: 10 }, scope_probing: { windowMs: 60_000 } })
  t.match([changed.rate_storm.count, changed.scope_probing.windowMs, changed.scope_probing.count], [10, 60_000, 10])
  t.equal(DEFAULT_THRESHOLDS.rate_storm.count, 200)
  for (const [changes, message] of [
    [null, /must be an object/], [[], /must be an object/], [{ unknown: {} }, /unknown is not a signal/], [{ rate_storm: { counts: 1 } }, /rate_storm.counts is not a field/],
    [{ rate_storm: { count: 0 } }, /whole number from 1/], [{ canary_used: { count: 2 } }, /always 1/], [{ rate_storm: { count: '5' } }, /must be a number/], [{ rate_storm: { windowMs: 7_200_000 } }, /windowMs must be from/],
    [{ rate_storm: 5 }, /must be an object of fields/], [{ rate_storm: { clearShare: 2 } }, /at most 1/], [{ a: {}, b: {} }, /a is not a signal.*b is not a signal/s]
  ] as const) t.throws(() => changeThresholds(changes), { message })
})

t.test('what many keys of one organization do together is told of the organization, unless a key was told of', async (t) => {
  for (const code of ['signature_invalid', 'insufficient_permission', 'organization_mismatch']) {
    const spread = (keys: number) => (n: number): Observation => row({ keyId: `key_${n % keys}`, code, status: 403, atMs: START_MS + n * 100 })
    const signal = code === 'signature_invalid' ? 'signature_failures' : code === 'insufficient_permission' ? 'scope_probing' : 'foreign_organization'
    const count = DEFAULT_THRESHOLDS[signal].count * SPREAD.multiple
    t.same(feed(createDetector(), count - 1, spread(count)), [], 'one less raises nothing')
    const raised = feed(createDetector(), count + 10, spread(count))
    t.match(raised, [{ signal, keyId: null, orgId: 'org_1', isCertain: false, numbers: { count, keys: count }, threshold: { count } }])
    t.equal(raised.length, 1)
    const single = feed(createDetector(), count + 10, spread(1))
    t.same(single.map(({ keyId }) => keyId), ['key_0'], 'a key that was told of stands for its organization')
  }
})

t.test('a signal that nobody gave for long is a new one, also when one hit is enough', async (t) => {
  const detector = createDetector()
  const foreign = (atMs: number): Observation => row({ code: 'ip_not_allowed', status: 403, atMs })
  t.match(detector.observe(foreign(START_MS)), [{ signal: 'foreign_address' }])
  const [again] = detector.observe(foreign(START_MS + 8 * HOUR_MS))
  t.equal(again?.signal, 'foreign_address')
  t.notOk('going_on_since' in (again?.numbers ?? {}))
})
