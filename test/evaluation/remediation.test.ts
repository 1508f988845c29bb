import { readFileSync, readdirSync } from 'node:fs'
import t from 'tap'
import { evaluateGraph } from '../../evaluation/evaluate.ts'
import { parseBlueprint } from '../../evaluation/graph/import.ts'
import { remediationOnWire } from '../../evaluation/remediation.ts'
import { POLICIES } from '../../evaluation/rules/index.ts'
import { openResult, suppressorOf, type Suppression } from '../../evaluation/suppressions.ts'
import { openRef } from '../../plugins/lib/finding-ref.ts'
import { mintWatermark } from '../../plugins/lib/watermark-id.ts'

const secret = Buffer.alloc(32, 4)
const watermark = mintWatermark(secret)
const results = ['examples/make', 'examples/n8n'].flatMap((folder) => readdirSync(folder).map((name) => {
  const imported = parseBlueprint(readFileSync(`${folder}/${name}`, 'utf8'))
  if (!imported.ok) throw new Error(imported.reason)
  return evaluateGraph(imported.graph)
}))
const remedies = (result: typeof results[number], ...list: Suppression[]) => remediationOnWire(openResult(result, 's', suppressorOf(list)), watermark, secret)

t.test('every open violation of every example has steps for its platform, in the order to work in', async (t) => {
  for (const result of results) {
    const { remediation, score, deductions } = remedies(result)
    t.same(remediation.map(({ order }) => order), result.violations.map((_finding, index) => index + 1))
    t.same(remediation.map(({ code, module }) => ({ code, module })), result.violations.map(({ code, module }) => ({ code, module })))
    for (const { code, steps } of remediation) {
      t.ok(steps.length > 0, code)
      t.same(steps, POLICIES.find((policy) => policy.code === code)?.remediation[result.platform])
    }
    t.equal(score, Math.max(0, Math.round(100 - deductions.reduce((sum, { points }) => sum + points, 0))), 'every lost point is explained')
  }
})

t.test('every reference leads back to the answer, and nothing inner leaves', async (t) => {
  for (const result of results) {
    for (const remedy of remedies(result).remediation) {
      t.equal(openRef(remedy.ref, secret)?.watermark, watermark)
      t.same(Object.keys(remedy).sort(), ['code', 'frameworks', 'message', 'module', 'order', 'ref', 'severity', 'steps', 'title'])
    }
  }
})

t.test('what is suppressed needs no step', async (t) => {
  const [result] = results.filter(({ violations }) => violations.some(({ code }) => code === 'ERR-001'))
  if (result === undefined) return t.fail('no example has ERR-001')
  const left = remedies(result, { id: 's', code: 'ERR-001', scenarioId: null, fingerprint: null, reason: 'r', expiresAt: new Date(8e12), isApproved: false })
  t.notOk(left.remediation.some(({ code }) => code === 'ERR-001'))
  t.same(left.remediation.map(({ order }) => order), left.remediation.map((_remedy, index) => index + 1))
})

t.test('a code that the catalogue no longer has asks for another evaluation', async (t) => {
  const [result] = results.filter(({ violations }) => violations.length > 0)
  if (result === undefined) return t.fail('no example has findings')
  const old = { ...result, violations: result.violations.map((finding) => ({ ...finding, code: 'OLD-001' })) }
  t.match(remedies(old).remediation[0]?.steps, [/no longer in the catalogue/])
})
