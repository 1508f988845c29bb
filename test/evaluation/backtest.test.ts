import t from 'tap'
import { createBacktest, type BacktestChange, type BacktestKey, type KeyReport } from '../../evaluation/backtest.ts'
import type { Observation } from '../../plugins/lib/anomaly/detector.ts'
import { DEFAULT_THRESHOLDS } from '../../plugins/lib/anomaly/thresholds.ts'

const START_MS = Date.UTC(2027, 0, 4, 8)
const NOTHING: BacktestChange = { thresholds: { current: DEFAULT_THRESHOLDS, proposed: null }, autoSuspend: false, perMinute: null, perHour: null, ipAllowlist: null, removedScope: null, keyId: null }
const READ = '/api/public/v1/scenarios'
const ADMIN = '/api/public/v1/webhooks'
let rows = 0

function keyOf (keyId: string, over: Partial<BacktestKey> = {}): BacktestKey {
  return { keyId, orgId: 'org_1', prefix: 'fb_live_0000', permissions: ['governance:read'], perMinute: 60, perHour: 1000, isActive: true, ...over }
}

function row (over: Partial<Observation> = {}): Observation {
  return { watermark: `wm_${++rows}`, atMs: START_MS, orgId: 'org_1', keyId: 'key_1', method: 'GET', route: READ, pathHash: 'p', status: 200, code: null, ip: '192.0.2.1', userAgent: null, ...over }
}

function replay (change: Partial<BacktestChange>, keys: readonly BacktestKey[], past: readonly Observation[]): Map<string, KeyReport> {
  const backtest = createBacktest({ ...NOTHING, ...change }, new Map(keys.map((key) => [key.keyId, key])))
  for (const one of past) backtest.observe(one)
  return new Map(backtest.report({ suggest: true }).keys.map((report) => [report.key, report]))
}

t.test('an allowlist is suggested from admitted requests only: a thief\'s address is none of them', async (t) => {
  const past = [row(), row({ status: 404, code: 'not_found' }), row({ ip: '203.0.113.9', status: 403, code: 'signature_invalid' }), row({ ip: '203.0.113.8', status: 403, code: 'ip_not_allowed' }), row({ ip: '203.0.113.7', status: 429, code: 'rate_limited' })]
  t.match(replay({}, [keyOf('key_1')], past).get('key_1'), { requests: 5, suggestion: { ip_allow: [{ range: '192.0.2.1/32', requests: 2 }] } })
})

t.test('an admin key that loses admin keeps what else it was given, and nothing more', async (t) => {
  const past = [row(), row({ route: ADMIN })]
  const of = (permissions: string[]): KeyReport | undefined => replay({ removedScope: 'admin' }, [keyOf('key_1', { permissions })], past).get('key_1')
  t.equal(of(['admin'])?.would_refuse.scope?.requests, 2)
  t.equal(of(['admin', 'governance:read'])?.would_refuse.scope?.requests, 1)
  t.equal(replay({ removedScope: 'governance:read' }, [keyOf('key_1', { permissions: ['admin', 'governance:read'] })], past).get('key_1')?.would_refuse.scope, undefined)
  t.match(replay({}, [keyOf('key_1', { permissions: ['admin'] })], [row()]).get('key_1')?.suggestion, { used_permissions: ['governance:read'], unused_permissions: ['admin'] })
})

t.test('whatever was admitted counts, whatever became of it', async (t) => {
  const past = [row({ status: 422, code: 'blueprint_invalid' }), row({ status: 409, code: 'idempotency_conflict' }), row({ status: 500, code: 'internal_error' }), row({ status: 403, code: 'insufficient_permission' })]
  t.match(replay({ ipAllowlist: ['203.0.113.0/24'] }, [keyOf('key_1')], past).get('key_1')?.would_refuse, { address: { requests: 3, examples: [{}, {}, {}] } })
})

t.test('auto-suspend spares the last active key of an organization unless the case is certain', async (t) => {
  const attack = [
    ...Array.from({ length: 6 }, (_, n) => row({ status: 403, code: 'organization_mismatch', atMs: START_MS + n })),
    ...Array.from({ length: 10 }, (_, n) => row({ ip: `198.51.${n}.9`, atMs: START_MS + 100 + n }))
  ]
  const certain = row({ status: 403, code: 'ip_not_allowed', atMs: START_MS + 200 })
  const after = row({ atMs: START_MS + 300 })
  const last = replay({ autoSuspend: true }, [keyOf('key_1'), keyOf('key_2', { isActive: false }), keyOf('key_3', { orgId: 'org_2' })], [...attack, after]).get('key_1')
  t.match(last, { would_suspend_at: null, would_decline_at: /^2027/ })
  t.match(replay({ autoSuspend: true }, [keyOf('key_1'), keyOf('key_2')], [...attack, after]).get('key_1'), { would_suspend_at: /^2027/, would_decline_at: null, would_refuse: { suspended: { requests: 4 } } })
  t.match(replay({ autoSuspend: true }, [keyOf('key_1')], [...attack, certain, after]).get('key_1'), { would_suspend_at: /^2027/, would_refuse: { suspended: { requests: 1 } } })
})
