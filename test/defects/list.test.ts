import { existsSync, readFileSync } from 'node:fs'
import t from 'tap'
import { planted, placeOf } from './defect.ts'
import { DEFECTS } from './list.ts'

const DEFECTS_MIN = 40
const LAYERS = ['plugins/transport.ts', 'plugins/authentication.ts', 'plugins/signature.ts', 'plugins/ip-allowlist.ts', 'plugins/org-scope.ts', 'plugins/permission-scopes.ts',
  'plugins/rate-limits.ts', 'plugins/anomaly-detection.ts', 'plugins/watermark.ts', 'plugins/kill-switch.ts']

t.test('every planted defect still has its line, exactly once, and changes it', async (t) => {
  for (const defect of DEFECTS) {
    const text = readFileSync(defect.file, 'utf8')
    t.doesNotThrow(() => placeOf(defect, text), defect.name)
    t.not(defect.line, defect.instead, `${defect.name} changes something`)
  }
})

t.test('every planted defect names the promise that it breaks and tests that exist', async (t) => {
  for (const { name, breaks, tests } of DEFECTS) {
    t.not(breaks, '', name)
    t.ok(tests.length > 0 && tests.every((test) => test.endsWith('.test.ts') && existsSync(test)), `${name}: ${tests.join(', ')}`)
  }
})

t.test('the list is long enough, names each defect once, and reaches every layer', async (t) => {
  t.ok(DEFECTS.length >= DEFECTS_MIN, `${DEFECTS.length} defects`)
  t.equal(new Set(DEFECTS.map(({ name }) => name)).size, DEFECTS.length)
  t.same(LAYERS.filter((layer) => !DEFECTS.some(({ file }) => file === layer)), [])
})

t.test('a line that is gone, stands twice or only begins alike is refused', async (t) => {
  const defect = { name: 'one', file: 'a.ts', line: 'return 1', instead: 'return 2', breaks: 'everything', tests: [] }
  t.equal(planted(defect, 'a\n  return 1\nreturn 10\n'), 'a\n  return 2\nreturn 10\n')
  t.throws(() => planted(defect, 'return 10\n'), /0 times/)
  t.throws(() => planted(defect, 'return 1\n return 1\n'), /2 times/)
})
