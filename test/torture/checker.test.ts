import t from 'tap'
import { check } from './checker.ts'
import { mostWithin } from './checks/admissions.ts'
import type { FaultEvent, Operation } from './history.ts'
import type { Facts, Verdict } from './verdict.ts'

let lastId = 0
function operation (changes: Partial<Operation> = {}): Operation {
  const id = ++lastId
  const invokedMs = changes.invokedMs ?? id * 10
  return {
    id,
    client: 'client',
    kind: 'read',
    instance: 'a',
    orgId: 'org_a',
    keyId: 'key_a',
    subject: null,
    invokedMs,
    endedMs: invokedMs + 5,
    outcome: 'ok',
    status: 200,
    code: null,
    watermark: `wm_${id}`,
    isAuthenticated: true,
    evaluationId: null,
    foreignMark: null,
    ...changes
  }
}

const refused = (changes: Partial<Operation>): Operation => operation({ outcome: 'fail', status: 403, ...changes })
const fault = (changes: Partial<FaultEvent>): FaultEvent => ({ name: 'Redis killed', target: 'Redis', startedMs: 1000, endedMs: 2000, cutOff: ['a'], emptied: false, ...changes })

// Every answer has its row, unless a test takes it away.
function factsOf (operations: readonly Operation[], changes: Partial<Facts> = {}): Facts {
  return {
    evaluations: new Map(),
    rows: new Map(operations.map(({ watermark }) => [watermark ?? '', { count: 1, degraded: false, instance: 'a-1' }])),
    subscriptions: [],
    deliveries: [],
    limits: new Map(),
    instances: 2,
    drains: [],
    crashes: [],
    isMarkOurs: () => true,
    ...changes
  }
}

function judge (operations: Operation[], changes: Partial<Facts> = {}, faults: FaultEvent[] = []): Record<string, Verdict> {
  return Object.fromEntries(check({ operations, faults, facts: factsOf(operations, changes) }).map((verdict) => [verdict.promise, verdict]))
}

function broken (operations: Operation[], changes: Partial<Facts> = {}, faults: FaultEvent[] = []): string[] {
  return Object.values(judge(operations, changes, faults)).filter(({ violations }) => violations.length > 0).map(({ promise }) => promise)
}

const LOST = 'no accepted evaluation is lost'
const DELIVERED = 'every completed evaluation is delivered to every active subscription, signed'
const ENDED = 'a process ends when it is told to, with 0 inside 30 s, and never by itself'
const ONCE = 'a result token is redeemed once at most, and is not spent on nobody'
const REPLAYED = 'a signed request that changes state is accepted once'
const MARKED = 'each watermark seen is ours and has exactly one audit row'
const LIMITED = 'no true 60 s and no hour holds more admissions of a key than its limit'
const REVOKED = 'no request that begins after a revocation returned succeeds'
const KILLED = 'the kill switch arrives on every instance, and then nothing of its target is served'
const SEPARATE = 'no byte of one organization stands in an answer to another'
const REFUSED = 'what cannot be served is refused as what it is: no 500, no 401 for a good key, nothing forged accepted'
const RECOVERED = 'the service answers again within 2 s of the return of a store'

t.test('an empty history and a good one break nothing, and every promise is judged', async (t) => {
  const submitted = operation({ kind: 'submit', evaluationId: 'req_1' })
  const good = [submitted, operation(), refused({ code: 'result_token_used', status: 410, kind: 'redeem', subject: String(submitted.id) }), operation({ kind: 'redeem', subject: String(submitted.id) })]
  const facts = {
    evaluations: new Map([['req_1', { orgId: 'org_a', state: 'complete' }]]),
    subscriptions: [{ id: 'sub_1', orgId: 'org_a' }, { id: 'sub_2', orgId: 'org_b' }],
    deliveries: [{ subscriptionId: 'sub_1', evaluationId: 'req_1', isValid: true, foreignMark: null }]
  }
  t.same(broken([]), [])
  t.same(broken(good, facts), [])
  t.same(Object.keys(judge([])).sort(), [LOST, DELIVERED, ENDED, ONCE, REPLAYED, MARKED, LIMITED, REVOKED, KILLED, SEPARATE, REFUSED, RECOVERED].sort())
})

t.test('an accepted evaluation that is gone, open or in error is lost', async (t) => {
  const accepted = operation({ kind: 'submit', evaluationId: 'req_1' })
  for (const state of ['processing', 'error', null]) {
    t.same(broken([accepted], { evaluations: new Map(state === null ? [] : [['req_1', { orgId: 'org_a', state }]]) }), [LOST], String(state))
  }
})

t.test('a completed evaluation that a subscriber never received, or received unsigned, breaks the promise', async (t) => {
  const evaluations = new Map([['req_1', { orgId: 'org_a', state: 'complete' }]])
  const subscriptions = [{ id: 'sub_1', orgId: 'org_a' }, { id: 'sub_2', orgId: 'org_a' }]
  const delivered = { subscriptionId: 'sub_1', evaluationId: 'req_1', isValid: true, foreignMark: null }
  t.same(broken([], { evaluations, subscriptions, deliveries: [delivered] }), [DELIVERED])
  t.same(broken([], { evaluations, subscriptions: subscriptions.slice(0, 1), deliveries: [{ ...delivered, isValid: false }] }), [DELIVERED])
  t.same(broken([], { evaluations, subscriptions: subscriptions.slice(0, 1), deliveries: [delivered, delivered] }), [], 'twice is at least once')
})

t.test('a process that crashes, ends badly or hangs breaks the promise', async (t) => {
  t.same(broken([], { crashes: ['a-1 ended by itself'] }), [ENDED])
  t.same(broken([], { drains: [{ process: 'a', exit: 1, ms: 10 }] }), [ENDED])
  t.same(broken([], { drains: [{ process: 'a', exit: 0, ms: 31_000 }] }), [ENDED])
  t.same(broken([], { drains: [{ process: 'a', exit: 0, ms: 900 }] }), [])
})

t.test('two winners of a token, and a token that was spent on nobody, are found; a cut connection may have won', async (t) => {
  const issue = operation({ kind: 'submit', invokedMs: 1 })
  const redeem = (changes: Partial<Operation>): Operation => operation({ kind: 'redeem', subject: String(issue.id), keyId: null, isAuthenticated: false, ...changes })
  const used = redeem({ outcome: 'fail', status: 410, code: 'result_token_used' })
  const unknown = redeem({ outcome: 'unknown', status: null, code: 'ECONNRESET', watermark: null })
  const invalid = redeem({ outcome: 'fail', status: 401, code: 'result_token_invalid', invokedMs: 5000 })
  t.same(broken([issue, redeem({}), redeem({})]), [ONCE])
  t.same(broken([issue, used]), [ONCE])
  t.same(broken([issue, used, unknown]), [])
  t.same(broken([issue, invalid]), [ONCE])
  t.same(broken([issue, invalid], {}, [fault({ emptied: true, cutOff: [] })]), [], 'its record was lost with the store')
  t.same(broken([issue, redeem({ outcome: 'fail', status: 401, code: 'result_token_invalid', invokedMs: 900_000 })]), [], 'it had expired')
})

t.test('a signed request that was accepted twice is found', async (t) => {
  const replay = (changes: Partial<Operation> = {}): Operation => operation({ kind: 'replay', subject: 'alpha 1', ...changes })
  t.same(broken([replay(), replay()]), [REPLAYED])
  t.same(broken([replay(), replay({ outcome: 'fail', status: 403, code: 'signature_replayed' }), replay({ subject: 'alpha 2' })]), [])
})

t.test('a watermark without a row, with two, forged, repeated or missing is found; a 503 needs no row', async (t) => {
  const one = operation()
  t.same(broken([one], { rows: new Map() }), [MARKED])
  t.same(broken([one], { rows: new Map([[one.watermark ?? '', { count: 2, degraded: false, instance: 'a-1' }]]) }), [MARKED])
  t.same(broken([one], { isMarkOurs: () => false }), [MARKED])
  t.same(broken([one, { ...one, id: 10_000 }]), [MARKED])
  t.same(broken([operation({ watermark: null })]), [MARKED])
  t.same(broken([operation({ outcome: 'unknown', status: 503, code: 'unavailable' })], { rows: new Map() }), [])
  t.same(broken([refused({ kind: 'foreign', code: 'organization_mismatch' })], { rows: new Map() }), [MARKED], 'also a refusal of a caller who is known')
  t.same(broken([refused({ kind: 'forge', status: 401, code: 'invalid_api_key', isAuthenticated: false })], { rows: new Map() }), [])
})

t.test('the 61st admission inside one minute is found, whoever admitted it', async (t) => {
  const limits = new Map([['key_a', { perMinute: 60, perHour: 1000 }]])
  const admissions = (count: number, fromMs: number, stepMs: number): Operation[] => Array.from({ length: count }, (_, at) => operation({ kind: 'limit', invokedMs: fromMs + at * stepMs }))
  const rowsOf = (operations: Operation[], degraded: boolean): Facts['rows'] => new Map(operations.map(({ watermark }) => [watermark ?? '', { count: 1, degraded, instance: 'a-1' }]))
  const sixtyOne = admissions(61, 0, 100)
  t.same(broken(sixtyOne, { limits }), [LIMITED])
  t.same(broken(admissions(61, 0, 1000), { limits }), [], 'the 61st came after 60 s')
  t.same(broken([...admissions(60, 0, 1), ...admissions(60, 60_100, 1)], { limits }), [])
  const alone = admissions(31, 0, 10)
  t.same(broken(alone, { limits, rows: rowsOf(alone, true) }), [LIMITED], 'a process alone has its share only')
  const shared = admissions(60, 0, 10)
  const share = admissions(30, 0, 10)
  t.same(broken([...shared, ...share], { limits, rows: new Map([...rowsOf(shared, false), ...rowsOf(share, true)]) }), [])
  const emptied = fault({ startedMs: 5000, endedMs: 6000, emptied: true, cutOff: [] })
  t.same(broken([...admissions(60, 0, 10), ...admissions(60, 7000, 10)], { limits }, [emptied]), [], 'one fresh window for each loss of the data')
  t.same(broken([...admissions(60, 0, 10), ...admissions(61, 7000, 10)], { limits }, [emptied]), [LIMITED])
  t.same(broken(admissions(1001, 0, 3000), { limits }), [LIMITED], 'the hour')
})

t.test('only admissions that lie inside a span as a whole are counted in it', async (t) => {
  const at = (invokedMs: number, endedMs: number): Operation => operation({ invokedMs, endedMs })
  t.equal(mostWithin([at(0, 10), at(5, 20), at(50, 61)], 60).length, 2)
  t.equal(mostWithin([at(0, 10), at(5, 20), at(50, 60)], 60).length, 3)
  t.equal(mostWithin([], 60).length, 0)
})

t.test('a success that began after its key was revoked is found; one that began before is not', async (t) => {
  const revoke = operation({ kind: 'revoke', keyId: null, subject: 'key_a', invokedMs: 100, endedMs: 200, status: null, watermark: null })
  const use = (changes: Partial<Operation>): Operation => operation({ kind: 'use', ...changes })
  t.same(broken([revoke, use({ invokedMs: 201 })]), [REVOKED])
  t.same(broken([revoke, use({ invokedMs: 199, endedMs: 260 })]), [])
  t.same(broken([revoke, use({ invokedMs: 201, outcome: 'fail', status: 429, code: 'rate_limited' })]), [REVOKED], 'it was still known')
  t.same(broken([revoke, use({ invokedMs: 201, outcome: 'fail', status: 401, code: 'invalid_api_key', isAuthenticated: false })]), [])
  t.same(broken([{ ...revoke, outcome: 'unknown' }, use({ invokedMs: 201 })]), [], 'a revocation that did not return promises nothing yet')
})

t.test('what is served while a kill switch is thrown is found, and one that does not arrive', async (t) => {
  const kill = operation({ kind: 'kill', instance: 'operator', orgId: null, keyId: null, subject: 'org_a', invokedMs: 0, endedMs: 100, status: null, watermark: null })
  const lift = operation({ kind: 'lift', instance: 'operator', orgId: null, keyId: null, subject: 'org_a', invokedMs: 9000, endedMs: 9100, status: null, watermark: null })
  const disabled = operation({ invokedMs: 4000, outcome: 'unknown', status: 503, code: 'api_disabled' })
  t.same(broken([kill, lift, operation({ invokedMs: 3000 })]), [KILLED])
  t.same(broken([kill, lift, operation({ invokedMs: 50 }), disabled, operation({ invokedMs: 9500 }), operation({ invokedMs: 3000, orgId: 'org_b' })]), [])
  t.same(broken([{ ...kill, outcome: 'unknown' }, lift]), [KILLED])
  t.same(broken([{ ...kill, outcome: 'unknown', endedMs: 5000 }, lift], {}, [fault({ cutOff: [] })]), [], 'a fault held it up')
  const late = { ...kill, outcome: 'unknown' as const, invokedMs: 10_500, endedMs: 15_500 }
  t.same(broken([late], {}, [fault({ name: 'kill -9 of an instance', cutOff: [] })]), [], 'a process that was killed is waited for while it counts as running')
  t.same(broken([{ ...late, invokedMs: 13_500 }], {}, [fault({ name: 'kill -9 of an instance', cutOff: [] })]), [KILLED], 'and no longer')
  t.same(broken([late], {}, [fault({ cutOff: [] })]), [KILLED], 'a store that is back is not')
  t.same(broken([disabled]), [REFUSED], 'nobody had thrown it')
})

t.test('a byte of another organization is found in an answer, a record and a delivery', async (t) => {
  t.same(broken([operation({ foreignMark: 'bravo' })]), [SEPARATE])
  t.same(broken([operation({ kind: 'foreign' })]), [SEPARATE, REFUSED])
  t.same(broken([], { deliveries: [{ subscriptionId: 'sub_1', evaluationId: null, isValid: true, foreignMark: 'bravo' }] }), [SEPARATE])
})

t.test('a 500, a 401 for a good key and an accepted forgery are found', async (t) => {
  t.same(broken([operation({ outcome: 'unknown', status: 500, code: 'internal_error' })]), [REFUSED])
  t.same(broken([operation({ outcome: 'fail', status: 401, code: 'invalid_api_key', isAuthenticated: false })]), [REFUSED])
  t.same(broken([operation({ kind: 'use', outcome: 'fail', status: 401, code: 'invalid_api_key', isAuthenticated: false })]), [REFUSED], 'nobody had revoked it')
  t.same(broken([operation({ kind: 'forge' })]), [REFUSED])
  t.same(broken([operation({ outcome: 'unknown', status: 503, code: 'unavailable' })]), [])
})

t.test('a service that needs longer than 2 s to answer again is found', async (t) => {
  const probes = (untilMs: number): Operation[] => Array.from({ length: 60 }, (_, at) => 2000 + at * 100)
    .map((invokedMs) => operation(invokedMs < untilMs ? { kind: 'probe', invokedMs, outcome: 'unknown', status: 503, code: 'unavailable' } : { kind: 'probe', invokedMs }))
  t.same(broken(probes(3900), {}, [fault({})]), [])
  t.same(broken(probes(4200), {}, [fault({})]), [RECOVERED])
  t.same(broken(probes(100_000), {}, [fault({})]), [RECOVERED])
  t.same(broken(probes(100_000), {}, [fault({}), fault({ startedMs: 2500, endedMs: 2600, cutOff: [] })]), [], 'the next fault came too soon to tell')
  t.equal(judge(probes(2300), {}, [fault({})])[RECOVERED]?.counts['longest, ms'], 300)
})
