import fc from 'fast-check'
import t from 'tap'
import type { Severity } from '../../evaluation/graph/types.ts'
import { bandOf, createRollup, openStanding, type Rollup, type Standing } from '../../evaluation/rollup.ts'
import { POLICIES } from '../../evaluation/rules/index.ts'
import { suppressorOf, type Suppressor } from '../../evaluation/suppressions.ts'

function standing (scenarioId: string, codes: string[], parts: Partial<Standing> = {}): Standing {
  const severityOf = (code: string): Severity => POLICIES.find((policy) => policy.code === code)?.severity ?? 'low'
  const findings = codes.map((code, index) => ({ code, severity: severityOf(code), fingerprint: `${scenarioId}${index}` }))
  return { scenarioId, modules: 1, isActive: true, findings, evaluatedCodes: ['ERR-001', 'NET-001', 'SEC-001'], ...parts }
}
function rollUp (standings: Standing[], suppressor: Suppressor = () => null): Rollup {
  const builder = createRollup()
  for (const one of standings) builder.add(openStanding(one, suppressor))
  return builder.finish()
}
const coverage = (rollup: Rollup, framework: string) => rollup.framework_coverage.find((one) => one.framework === framework)

t.test('an organization without results has no score, and nothing was assessed', async (t) => {
  const empty = rollUp([])
  t.match(empty, { score: null, band: null, worst_score: null, scenarios_evaluated: 0, top_violations: [] })
  for (const { assessed, gaps, clear, coverage, not_assessed: notAssessed } of empty.framework_coverage) {
    t.same([assessed, gaps, clear, coverage], [0, 0, 0, null])
    t.ok(notAssessed > 0)
  }
})

t.test('larger scenarios weigh more, by the logarithm of their modules', async (t) => {
  // 90 with weight 1 + log2(2) = 2, 100 with weight 1 + log2(8) = 4: 580 / 6.
  t.equal(rollUp([standing('a', ['NET-001']), standing('b', [], { modules: 7 })]).score, Math.round((90 * 2 + 100 * 4) / 6))
})

t.test('an inactive scenario weighs half, one that does not say weighs whole', async (t) => {
  t.equal(rollUp([standing('a', ['NET-001'], { isActive: false }), standing('b', [])]).score, Math.round((90 + 200) / 3))
  t.equal(rollUp([standing('a', ['NET-001'], { isActive: null }), standing('b', [])]).score, 95)
})

t.test('numbers are of open findings; what is suppressed is counted beside them', async (t) => {
  const suppressor = suppressorOf([{ id: 's', code: 'NET-001', scenarioId: 'a', fingerprint: null, reason: 'r', expiresAt: new Date(8e12), isApproved: false }])
  const rollup = rollUp([standing('a', ['NET-001', 'ERR-001']), standing('b', ['NET-001', 'SEC-001'])], suppressor)
  t.match(rollup, { scenarios_evaluated: 2, scenarios_with_critical: 1, suppressed_violations: 1, worst_score: 65, open_violations: { critical: 1, high: 1, medium: 0 } })
})

t.test('top violations come by weight times scenarios affected', async (t) => {
  const rollup = rollUp([standing('a', ['SEC-001']), ...['b', 'c', 'd'].map((id) => standing(id, ['NET-001', 'NET-001'])), standing('e', ['ERR-001'])])
  t.match(rollup.top_violations, [{ code: 'NET-001', scenarios: 3, violations: 6 }, { code: 'SEC-001', scenarios: 1 }, { code: 'ERR-001' }])
})

t.test('a control is assessed when a policy that bears on it was judged, and a gap when one is open', async (t) => {
  const clean = coverage(rollUp([standing('a', [])]), 'SOC 2')
  const failing = coverage(rollUp([standing('a', ['NET-001'])]), 'SOC 2')
  t.equal(clean?.gaps, 0)
  t.equal(clean?.coverage, 1)
  t.equal(failing?.assessed, clean?.assessed)
  t.same(failing?.gap_controls, ['CC6.7'])
  t.equal(failing?.clear, (clean?.assessed ?? 0) - 1)
  const all = rollUp([standing('a', [])]).framework_coverage
  for (const { assessed, gaps, clear, not_assessed: notAssessed } of all) t.ok(assessed === gaps + clear && notAssessed >= 0)
  t.ok(all.some(({ not_assessed: notAssessed }) => notAssessed > 0), 'what was not assessed is told beside it')
})

t.test('a code whose findings are all suppressed speaks neither for nor against a control', async (t) => {
  const only = { evaluatedCodes: ['NET-001'] }
  const suppressor = suppressorOf([{ id: 's', code: 'NET-001', scenarioId: null, fingerprint: 'a0', reason: 'r', expiresAt: new Date(8e12), isApproved: false }])
  t.match(coverage(rollUp([standing('a', ['NET-001'], only)], suppressor), 'SOC 2'), { assessed: 0, gaps: 0, clear: 0, coverage: null })
  t.match(coverage(rollUp([standing('a', ['NET-001', 'NET-001'], only)], suppressor), 'SOC 2'), { assessed: 1, gaps: 1 }, 'one of two')
})

t.test('bands follow the score, and an open critical finding caps them at C', async (t) => {
  t.same([100, 90, 89, 75, 74, 55, 54, 0].map((score) => bandOf(score, false)), ['A', 'A', 'B', 'B', 'C', 'C', 'D', 'D'])
  t.same([100, 80, 60, 40].map((score) => bandOf(score, true)), ['C', 'C', 'C', 'D'])
})

t.test('order does not matter, another finding never raises the score', async (t) => {
  const codes = POLICIES.map(({ code }) => code)
  const any = fc.record({ codes: fc.array(fc.constantFrom(...codes), { maxLength: 8 }), modules: fc.nat(200), isActive: fc.constantFrom(true, false, null) })
  fc.assert(fc.property(fc.array(any, { minLength: 1, maxLength: 8 }), fc.constantFrom(...codes), (list, added) => {
    const standings = list.map((one, index) => standing(`s${index}`, one.codes, { modules: one.modules, isActive: one.isActive }))
    const rollup = rollUp(standings)
    const reversed = rollUp([...standings].reverse())
    // A weighted mean of fractions may round the other way.
    if (Math.abs((rollup.score ?? 0) - (reversed.score ?? 0)) > 1) throw new Error('the order matters')
    const sums = ({ score, band, ...rest }: Rollup): string => JSON.stringify(rest)
    if (sums(rollup) !== sums(reversed)) throw new Error('the order matters')
    const more = rollUp(standings.map((one, index) => index > 0 ? one : standing('s0', [...list[0]?.codes ?? [], added], { modules: one.modules, isActive: one.isActive })))
    if ((more.score ?? 0) > (rollup.score ?? 0)) throw new Error('the score rose')
  }))
  t.pass()
})
