import t from 'tap'
import { evaluateGraph } from '../../../evaluation/evaluate.ts'
import { importBlueprint } from '../../../evaluation/graph/import.ts'
import type { ScenarioResult } from '../../../evaluation/graph/types.ts'
import { RULES } from '../../../evaluation/rules/index.ts'
import { CASES } from './cases.ts'

function judge (blueprint: object): ScenarioResult {
  const imported = importBlueprint(JSON.parse(JSON.stringify(blueprint)))
  if (!imported.ok) throw new Error(imported.reason)
  return evaluateGraph(imported.graph)
}

function codesOf (result: ScenarioResult): string[] {
  return [...new Set(result.violations.map(({ code }) => code))].sort()
}

t.test('every rule has a failing and a passing flow on every platform that it covers', async (t) => {
  const missing = RULES.flatMap(({ policy }) => policy.platforms.filter((platform) => !CASES.some((one) => one.code === policy.code && one.platform === platform)).map((platform) => `${policy.code} ${platform}`))
  t.same(missing, [])
})

for (const { code, platform, fail, pass, also = [] } of CASES) {
  t.test(`${code} on ${platform}: the fault is found, and mending it removes exactly that finding`, async (t) => {
    const [failing, passing] = [judge(fail), judge(pass)]
    t.ok(codesOf(failing).includes(code), `found ${codesOf(failing).join(' ')}`)
    t.notOk(codesOf(passing).includes(code), `found ${codesOf(passing).join(' ')}`)
    const removed = codesOf(failing).filter((one) => !codesOf(passing).includes(one))
    t.same(removed.filter((one) => !also.includes(one)), [code])
    t.ok(failing.evaluatedCodes.includes(code))
    t.ok(failing.score <= passing.score)
    t.same(judge(fail), failing, 'the same input gives the same result')
  })
}
