import t from 'tap'
import { FACTS_VERSION } from '../../../evaluation/graph/types.ts'
import { CATALOGUE_VERSION, POLICIES, RULES } from '../../../evaluation/rules/index.ts'

t.test('lists the twelve codes of this catalogue, each once', async (t) => {
  t.equal(CATALOGUE_VERSION, '2026.11.0')
  t.same(POLICIES.map(({ code }) => code).sort(), [
    'ACC-001', 'AIX-001', 'ERR-001', 'ERR-002', 'ERR-003', 'FLW-001', 'FLW-002', 'GOV-005', 'INJ-001', 'NET-001', 'SEC-001', 'SEC-002'
  ])
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
