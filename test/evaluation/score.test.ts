import fc from 'fast-check'
import t from 'tap'
import { deductions, scenarioScore } from '../../evaluation/score.ts'
import { SEVERITIES } from '../../evaluation/rules/severity.ts'
import type { ScoredFinding } from '../../evaluation/score.ts'

const finding = fc.record({ code: fc.constantFrom('A-1', 'B-1', 'C-1', 'D-1', 'E-1'), severity: fc.constantFrom(...SEVERITIES) })
const findings = fc.array(finding, { maxLength: 30 })
const times = (count: number, code: string, severity: ScoredFinding['severity']): ScoredFinding[] => Array.from({ length: count }, () => ({ code, severity }))

t.test('starts at 100 and takes the weight of each severity', async (t) => {
  t.equal(scenarioScore([]), 100)
  for (const [severity, score] of [['critical', 75], ['high', 90], ['medium', 96], ['low', 99], ['info', 100]] as const) {
    t.equal(scenarioScore(times(1, 'A-1', severity)), score, severity)
  }
})

t.test('charges a repeat a quarter and stops at twice the weight', async (t) => {
  for (const [count, score] of [[1, 90], [2, 88], [3, 85], [4, 83], [5, 80], [6, 80], [600, 80]] as const) {
    t.equal(scenarioScore(times(count, 'A-1', 'high')), score, `${count} findings`)
  }
})

t.test('rounds half up: 87.5 is 88', async (t) => {
  t.equal(scenarioScore(times(2, 'A-1', 'high')), 88)
})

t.test('never goes below zero, and no single code brings it there', async (t) => {
  t.equal(scenarioScore(['A', 'B', 'C', 'D', 'E'].flatMap((code) => times(9, code, 'critical'))), 0)
  t.equal(scenarioScore(times(9000, 'A-1', 'critical')), 50)
})

t.test('never rises when a finding is added', async (t) => {
  fc.assert(fc.property(findings, finding, (before, added) => scenarioScore([...before, added]) <= scenarioScore(before)))
})

t.test('never rises when a finding gets worse', async (t) => {
  fc.assert(fc.property(findings, finding, (others, { code, severity }) => {
    const worse = SEVERITIES[Math.max(0, SEVERITIES.indexOf(severity) - 1)] ?? severity
    return scenarioScore([...others, { code, severity: worse }]) <= scenarioScore([...others, { code, severity }])
  }))
})

t.test('does not depend on the order of findings', async (t) => {
  const shuffled = findings.chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })))
  fc.assert(fc.property(shuffled, ([list, other]) => scenarioScore(list) === scenarioScore(other)))
})

t.test('charges nothing for informational findings', async (t) => {
  fc.assert(fc.property(findings, (list) => scenarioScore(list) === scenarioScore(list.filter(({ severity }) => severity !== 'info'))))
})

t.test('is explained point by point by code', async (t) => {
  t.same(deductions([...times(1, 'B-1', 'low'), ...times(2, 'A-1', 'medium'), ...times(1, 'C-1', 'info')]), [
    { code: 'A-1', points: 5 }, { code: 'B-1', points: 1 }
  ])
})
