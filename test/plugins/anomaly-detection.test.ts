import t from 'tap'
import anomalyDetection, { type AnomalyDetectionOptions, type InstantAnomaly } from '../../plugins/anomaly-detection.ts'
import { ApiError, type ErrorCode } from '../../errors.ts'
import { changeThresholds } from '../../plugins/lib/anomaly/thresholds.ts'
import { bareApp, KEY, leavePrincipal, NOW_MS, principal, record } from '../helper/bare.ts'

async function build (code: ErrorCode | null, options: Partial<AnomalyDetectionOptions> = {}, isCanary = false): Promise<{ raised: InstantAnomaly[], hit: (headers?: Record<string, string>) => Promise<void> }> {
  const raised: InstantAnomaly[] = []
  const app = await bareApp()
  if (!isCanary && code !== 'https_required') leavePrincipal(app, principal())
  await app.register(anomalyDetection, { raise: async (anomaly) => { raised.push(anomaly) }, now: () => NOW_MS, ...options })
  app.get('/thing', async (request) => {
    if (isCanary) request.refusedKey = record({ state: 'inactive', canaryLabel: 'wiki' })
    if (code !== null) throw new ApiError(code)
    return { ok: true }
  })
  return { raised, hit: async (headers = {}) => { await app.inject({ url: '/thing', headers: { 'user-agent': 'thief/1.0', ...headers } }) } }
}

t.test('a canary key raises a critical, certain event with address, user agent and label', async (t) => {
  const { raised, hit } = await build('invalid_api_key', {}, true)
  await hit()
  t.match(raised, [{ signal: 'canary_used', severity: 'critical', isCertain: true, keyId: 'key_1', orgId: 'org_1', label: 'wiki', ip: '127.0.0.1', userAgent: 'thief/1.0', numbers: { count: 1 } }])
})

t.test('a valid key from a foreign address is raised at once', async (t) => {
  const { raised, hit } = await build('ip_not_allowed')
  await hit()
  t.match(raised, [{ signal: 'foreign_address', isCertain: true, label: null }])
  const thresholds = changeThresholds({ foreign_address: { count: 3 } })
  const counted = await build('ip_not_allowed', { thresholds })
  await counted.hit()
  t.same(counted.raised, [], 'where several are asked for, one is not enough')
})

t.test('a known key over plain HTTP is recognised, an unknown one is not', async (t) => {
  const keys = { findByDigest: async () => record() }
  const known = await build('https_required', { keys })
  await known.hit({ authorization: `Bearer ${KEY}` })
  await new Promise(setImmediate)
  t.match(known.raised, [{ signal: 'plain_http', keyId: 'key_1' }])
  const planted = await build('https_required', { keys: { findByDigest: async () => record({ state: 'inactive', canaryLabel: 'wiki' }) } })
  await planted.hit({ authorization: `Bearer ${KEY}` })
  await new Promise(setImmediate)
  t.match(planted.raised, [{ signal: 'canary_used', label: 'wiki' }])
  const unknown = await build('https_required', { keys: { findByDigest: async () => null } })
  await unknown.hit({ authorization: `Bearer ${KEY}` })
  await unknown.hit()
  await new Promise(setImmediate)
  t.equal(unknown.raised.length, 0)
})

t.test('a flood raises one event a minute, and the next one says how many there were', async (t) => {
  let nowMs = NOW_MS
  const { raised, hit } = await build('ip_not_allowed', { now: () => nowMs })
  for (let n = 0; n < 50; n++) await hit()
  t.equal(raised.length, 1)
  nowMs += 60_000
  await hit()
  t.same(raised.map(({ numbers }) => numbers['count']), [1, 50])
})

t.test('what cannot be raised is not an error of the request, and ordinary outcomes raise nothing', async (t) => {
  const failing = await build('ip_not_allowed', { raise: async () => { throw new Error('away') } })
  await failing.hit()
  for (const code of [null, 'not_found', 'signature_invalid', 'rate_limited', 'invalid_api_key'] as const) {
    const { raised, hit } = await build(code)
    await hit()
    t.same(raised, [], String(code))
  }
})

t.test('a missing port is refused at boot', async (t) => {
  const app = await bareApp()
  await t.rejects(async () => { await app.register(anomalyDetection, {} as never) }, { message: /raise must be a function/ })
  const other = await bareApp()
  await t.rejects(async () => { await other.register(anomalyDetection, { raise: async () => {}, keys: {} } as never) }, { message: /keys must be a KeyStore/ })
})
