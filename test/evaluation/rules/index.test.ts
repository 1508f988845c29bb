import t from 'tap'
import { FACTS_VERSION } from '../../../evaluation/graph/types.ts'
import { CATALOGUE_VERSION, POLICIES, RULES } from '../../../evaluation/rules/index.ts'

t.test('holds the sixty core codes, and no code twice', async (t) => {
  t.match(CATALOGUE_VERSION, /^\d{4}\.\d{1,2}\.\d+$/)
  const ranges = { SEC: 7, ACC: 6, NET: 5, INJ: 5, DAT: 6, AIX: 4, ERR: 8, FLW: 8, CMP: 4, LOG: 1, GOV: 6 }
  const codes = Object.entries(ranges).flatMap(([category, count]) => Array.from({ length: count }, (_, n) => `${category}-00${n + 1}`))
  t.equal(codes.length, 60)
  const held = POLICIES.map(({ code }) => code)
  t.same(codes.filter((code) => !held.includes(code)), [])
  t.equal(new Set(held).size, held.length)
})

t.test('gives every policy a remediation for exactly the platforms it covers', async (t) => {
  for (const { code, platforms, remediation } of POLICIES) {
    t.same(Object.keys(remediation).sort(), [...platforms].sort(), code)
    for (const steps of Object.values(remediation)) t.ok(steps.length > 0, code)
  }
})

t.test('writes every control in the vendor\'s style', async (t) => {
  const style = /^(SOC 2 [A-Z]+\d\.\d|ISO 27001 A\.\d\.\d+|GDPR Art\.\d+|HIPAA 164\.\d+\([a-z]\)(\(\d\))?(\([ivx]+\))?(\([A-Z]\))?|PCI DSS \d+\.\d+\.\d+|NIST 800-53 [A-Z]{2}-\d+(\(\d+\))?|NIST CSF [A-Z]{2}\.[A-Z]{2}-\d\d|OWASP (CD-SEC-\d\d|LLM\d\d)|CWE-\d+)$/
  for (const { code, frameworks } of POLICIES) {
    t.ok(frameworks.length >= 8, code)
    t.equal(new Set(frameworks).size, frameworks.length, code)
    for (const control of frameworks) t.match(control, style, code)
  }
})

t.test('needs no fact that the importers of today do not yet extract', async (t) => {
  for (const { minFacts, policy } of RULES) t.ok(minFacts <= FACTS_VERSION, policy.code)
})
