import t from 'tap'
import { CONTROLS, splitControl } from '../../../evaluation/rules/controls.ts'
import { POLICIES } from '../../../evaluation/rules/index.ts'
import { PROFILE_CONTROLS } from '../../../evaluation/rules/profiles.ts'

t.test('a control is split from its framework', async (t) => {
  for (const [text, framework, control] of [['SOC 2 CC6.1', 'SOC 2', 'CC6.1'], ['NIST 800-53 IA-5(7)', 'NIST 800-53', 'IA-5(7)'], ['NIST CSF PR.AA-03', 'NIST CSF', 'PR.AA-03'],
    ['GDPR Art.32', 'GDPR', 'Art.32'], ['OWASP CD-SEC-05', 'OWASP', 'CD-SEC-05'], ['CWE-319', 'CWE', '319']] as const) {
    t.same(splitControl(text), { text, framework, control })
  }
})

t.test('every control that a policy or a profile names is known, once', async (t) => {
  const known = CONTROLS.map(({ text }) => text)
  t.equal(new Set(known).size, known.length)
  for (const text of [...PROFILE_CONTROLS, ...POLICIES.flatMap(({ frameworks }) => frameworks)]) t.ok(known.includes(text), text)
})
