import t from 'tap'
import anomalyDetection, { type AnomalyEvent } from '../../plugins/anomaly-detection.ts'
import { ApiError, type ErrorCode } from '../../errors.ts'
import { bareApp, leavePrincipal, NOW_MS, principal } from '../helper/bare.ts'

async function build (code: ErrorCode, options: { autoSuspend?: boolean, now?: () => number, suspended?: string[] } = {}): Promise<{ events: AnomalyEvent[], hit: () => Promise<void> }> {
  const events: AnomalyEvent[] = []
  const app = await bareApp()
  leavePrincipal(app, principal())
  await app.register(anomalyDetection, {
    record: async (event) => { events.push(event) },
    suspend: async (_orgId, keyId) => {
      options.suspended?.push(keyId)
      return true
    },
    autoSuspend: options.autoSuspend ?? false,
    now: options.now ?? (() => NOW_MS)
  })
  app.get('/thing', async () => { throw new ApiError(code) })
  return { events, hit: async () => { await app.inject('/thing') } }
}

t.test('raises one event at the threshold, with the numbers that caused it', async (t) => {
  const { events, hit } = await build('signature_invalid')
  for (let count = 0; count < 19; count++) await hit()
  t.equal(events.length, 0)
  for (let count = 0; count < 5; count++) await hit()
  t.equal(events.length, 1)
  t.match(events[0], { signal: 'signature_failures', count: 20, threshold: 20, keyId: 'key_1', orgId: 'org_1', action: 'none' })
})

t.test('counts afresh in the next window', async (t) => {
  let now = NOW_MS
  const { events, hit } = await build('ip_not_allowed', { now: () => now })
  await hit()
  await hit()
  t.equal(events.length, 1)
  now += 300_000
  await hit()
  t.equal(events.length, 2)
})

t.test('suspends only when opted in, and otherwise records what it would have done', async (t) => {
  const suspended: string[] = []
  const off = await build('ip_not_allowed', { suspended })
  await off.hit()
  t.equal(off.events[0]?.action, 'would_suspend')
  t.same(suspended, [])
  const on = await build('ip_not_allowed', { autoSuspend: true, suspended })
  await on.hit()
  await new Promise(setImmediate)
  t.equal(on.events[0]?.action, 'suspended')
  t.same(suspended, ['key_1'])
})
