import t from 'tap'
import { anomalyResponse, type AnomalyStore } from '../../../plugins/support/anomaly-response.ts'
import type { DetectedAnomaly } from '../../../plugins/lib/anomaly/detector.ts'
import { DEFAULT_THRESHOLDS, SIGNAL_TABLE, type Signal } from '../../../plugins/lib/anomaly/thresholds.ts'

function anomaly (signal: Signal, over: Partial<DetectedAnomaly> = {}): DetectedAnomaly {
  const { severity, isCertain } = SIGNAL_TABLE[signal]
  return { signal, severity, isCertain, orgId: 'org_1', keyId: 'key_1', atMs: 0, numbers: {}, threshold: DEFAULT_THRESHOLDS[signal], watermarks: [], ip: '192.0.2.1', userAgent: null, ...over }
}

function setUp (autoSuspend: boolean, over: Partial<AnomalyStore> = {}, bumpEpoch: () => Promise<void> = async () => {}) {
  const done: string[] = []
  const store: AnomalyStore = {
    record: async ({ signal }) => { done.push(`record ${signal}`); return 7 },
    signalsOf: async () => ['scope_probing'],
    suspend: async (_keyId, { isTrial, isCertain }) => { done.push(`suspend${isTrial ? ' trial' : ''}${isCertain ? ' certain' : ''}`); return 'suspended' },
    setAction: async (_id, action) => { done.push(action) },
    ...over
  }
  const say = (fields: object, message: string): void => { done.push(`log ${message.slice(0, 24)}`) }
  const respond = anomalyResponse({
    inTransaction: async (work) => {
      done.push('begin')
      const result = await work(store)
      done.push('commit')
      return result
    },
    bumpEpoch: async () => { await bumpEpoch(); done.push('bump') },
    autoSuspend,
    logger: { warn: say, error: say }
  })
  return { respond, done }
}

t.test('event, decision and suspension are one transaction, and the instances are told after it', async (t) => {
  const { respond, done } = setUp(true)
  await respond(anomaly('foreign_address'))
  t.same(done, ['begin', 'record foreign_address', 'suspend certain', 'suspended', 'commit', 'log anomaly', 'bump'])
})

t.test('off, what would have come of it is worked out and nothing is changed', async (t) => {
  for (const [outcome, action] of [['suspended', 'would_suspend'], ['declined_last_key', 'would_decline_last_key'], ['not_active', 'not_active']] as const) {
    const trials: boolean[] = []
    const { respond, done } = setUp(false, { signalsOf: async () => ['scope_probing', 'distinct_networks'], suspend: async (_keyId, { isTrial }) => { trials.push(isTrial); return outcome } })
    await respond(anomaly('scope_probing'))
    t.same(trials, [true])
    t.ok(done.includes(action) && !done.includes('bump'), action)
  }
})

t.test('one signal, two of one family, a low one, an organization or a canary suspend nothing', async (t) => {
  for (const [one, signals] of [
    [anomaly('scope_probing'), ['scope_probing']], [anomaly('scope_probing'), ['scope_probing', 'foreign_organization']], [anomaly('rate_storm'), ['scope_probing', 'distinct_networks']],
    [anomaly('token_presented_twice', { keyId: null }), []], [anomaly('canary_used'), []]
  ] as Array<[DetectedAnomaly, Signal[]]>) {
    const { respond, done } = setUp(true, { signalsOf: async () => signals })
    await respond(one)
    t.notMatch(done.join(), /suspend/, one.signal)
  }
})

t.test('an event inside its cool-down is nothing, and instances that cannot be told are an error in the log', async (t) => {
  const quiet = setUp(true, { record: async () => null })
  await quiet.respond(anomaly('foreign_address'))
  t.same(quiet.done, ['begin', 'commit'])
  const deaf = setUp(true, {}, async () => { throw new Error('away') })
  await deaf.respond(anomaly('foreign_address'))
  t.match(deaf.done.at(-1), /a key was suspended, but/)
})
