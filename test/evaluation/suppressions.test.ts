import fc from 'fast-check'
import t from 'tap'
import { evaluateGraph } from '../../evaluation/evaluate.ts'
import type { ScenarioResult } from '../../evaluation/graph/types.ts'
import { awaitsApproval, expiryOf, isPolicyCode, openResult, scopeOf, suppressorOf, type Suppression } from '../../evaluation/suppressions.ts'
import { scenarioScore } from '../../evaluation/score.ts'
import { edge, fact, graph, node, quietTrigger } from './graph-builder.ts'

const DAY_MS = 86_400_000
// A critical finding, two medium ones of one code and a low one, on three modules.
const result: ScenarioResult = evaluateGraph(graph('make', [
  quietTrigger('make'),
  node('token', { facts: [fact(['provider-token'])] }),
  node('plain', { effects: ['WRITE'], kind: 'http', facts: [fact(['plain-http-public', 'secret-literal'])] }),
  node('other', { effects: ['WRITE'] })
], { edges: [edge(0, 1), edge(1, 2), edge(2, 3)] }))
const codes = result.violations.map(({ code }) => code)

function suppression (code: string, parts: Partial<Suppression> = {}): Suppression {
  return { id: `sup_${code}`, code, scenarioId: null, fingerprint: null, reason: 'known', expiresAt: new Date(8e12), isApproved: false, ...parts }
}
const open = (...list: Suppression[]) => openResult(result, 'scn_1', suppressorOf(list))

t.test('the fixture has a critical finding, a code with two findings and a module with two codes', async (t) => {
  t.equal(result.critical, 1)
  t.ok(codes.filter((code) => code === 'ERR-001').length >= 2, codes.join())
  t.ok(result.moduleSummary.some((module) => module.codes.length > 1))
})

t.test('without a suppression a result is what it was', async (t) => {
  t.same(open(), { ...result, suppressed: [] })
})

t.test('a suppressed code counts neither as failing nor as passing, and its findings are listed', async (t) => {
  const judged = open(suppression('ERR-001'))
  const before = codes.filter((code) => code === 'ERR-001').length
  t.equal(judged.suppressed.length, before)
  t.notOk(judged.violations.some(({ code }) => code === 'ERR-001'))
  t.equal(judged.failingCount, result.failingCount - 1)
  t.equal(judged.passingCount, result.passingCount)
  t.same(judged.evaluatedCodes, result.evaluatedCodes)
  t.ok(judged.score > result.score)
  t.equal(judged.score, scenarioScore(judged.violations))
  t.notOk(judged.moduleSummary.some((module) => module.codes.includes('ERR-001')))
})

t.test('one finding of a code can be suppressed alone: the code still fails', async (t) => {
  const [one] = result.violations.filter(({ code }) => code === 'ERR-001')
  const judged = open(suppression('ERR-001', { fingerprint: one?.fingerprint ?? '' }))
  t.same(judged.suppressed.map(({ finding }) => finding.fingerprint), [one?.fingerprint])
  t.equal(judged.failingCount, result.failingCount)
})

t.test('a suppression of another scenario, code or finding changes nothing', async (t) => {
  const none = { ...result, suppressed: [] }
  t.same(open(suppression('ERR-001', { scenarioId: 'scn_2' })), none)
  t.same(open(suppression('ERR-001', { fingerprint: '0'.repeat(32) })), none)
  t.same(open(suppression('NET-002')), none)
  t.not(open(suppression('ERR-001', { scenarioId: 'scn_1' })).suppressed.length, 0)
})

t.test('a critical finding, and every finding of a critical policy, stays open until a second actor agrees', async (t) => {
  t.equal(open(suppression('SEC-001')).critical, 1)
  t.equal(open(suppression('SEC-001', { isApproved: true })).critical, 0)
  const lowered = { code: 'SEC-001', severity: 'high' as const, fingerprint: 'f' }
  t.equal(suppressorOf([suppression('SEC-001')])(lowered, 's'), null, 'lowered in its context')
  const raised = { code: 'NET-001', severity: 'critical' as const, fingerprint: 'f' }
  t.equal(suppressorOf([suppression('NET-001')])(raised, 's'), null, 'raised in its context')
  t.ok(suppressorOf([suppression('NET-001')])({ ...raised, severity: 'high' }, 's'))
  t.same([awaitsApproval(suppression('SEC-001')), awaitsApproval(suppression('NET-001')), awaitsApproval(suppression('ERR-003')), awaitsApproval(suppression('SEC-001', { isApproved: true }))], [true, true, false, false])
})

t.test('of several suppressions the most particular speaks, and an approved one where the particular may not', async (t) => {
  const finding = { code: 'SEC-001', severity: 'critical' as const, fingerprint: 'f' }
  const all = [suppression('SEC-001', { id: 'sup_1', isApproved: true }), suppression('SEC-001', { id: 'sup_2', scenarioId: 's', isApproved: true }), suppression('SEC-001', { id: 'sup_3', fingerprint: 'f' })]
  t.equal(suppressorOf(all)(finding, 's')?.id, 'sup_2')
  t.equal(suppressorOf(all.map((one) => ({ ...one, isApproved: true })))(finding, 's')?.id, 'sup_3')
  t.same(all.map(scopeOf), ['organization', 'scenario', 'finding'])
})

t.test('whatever is suppressed, the score never falls, no finding is lost and order does not matter', async (t) => {
  const list = fc.uniqueArray(fc.record({ code: fc.constantFrom(...codes), index: fc.nat(codes.length - 1), isApproved: fc.boolean(), whole: fc.boolean() }), { maxLength: 6 })
  fc.assert(fc.property(list, (picks) => {
    const chosen = picks.map(({ code, index, isApproved, whole }, position) =>
      suppression(code, { id: `sup_${position}`, isApproved, fingerprint: whole ? null : result.violations[index]?.fingerprint ?? null }))
    const judged = open(...chosen)
    if (judged.score < result.score) throw new Error('the score fell')
    if (judged.violations.length + judged.suppressed.length !== codes.length) throw new Error('a finding is lost')
    if (JSON.stringify(open(...[...chosen].reverse())) !== JSON.stringify(judged)) throw new Error('the order matters')
  }))
  t.pass()
})

t.test('a suppression ends: in 90 days, or within a year, never in the past', async (t) => {
  const now = 1_800_000_000_000
  t.equal(expiryOf(undefined, now)?.getTime(), now + 90 * DAY_MS)
  t.equal(expiryOf(new Date(now + 365 * DAY_MS), now)?.getTime(), now + 365 * DAY_MS)
  for (const ms of [now, now - 1, now + 365 * DAY_MS + 1]) t.equal(expiryOf(new Date(ms), now), null)
})

t.test('everything at once is no policy', async (t) => {
  t.same(['*', '', 'XXX-999', 'SEC-001'].map(isPolicyCode), [false, false, false, true])
})
