import t from 'tap'
import { SEVERITIES, settle } from '../../../evaluation/rules/severity.ts'

t.test('moves one step however many reasons agree', async (t) => {
  t.same(settle('high', ['open-entry', 'dangerous-path'], []), { severity: 'critical', reason: 'open-entry' })
  t.same(settle('high', [], ['inactive', 'cannot-run']), { severity: 'medium', reason: 'inactive' })
})

t.test('stays with the catalogue when reasons disagree or are absent', async (t) => {
  for (const severity of SEVERITIES) {
    t.same(settle(severity, [], []), { severity, reason: null })
    t.same(settle(severity, ['open-entry'], ['inactive']), { severity, reason: null })
  }
})

t.test('never exceeds critical, never drops below info, never lifts info above low', async (t) => {
  t.same(settle('critical', ['open-entry'], []), { severity: 'critical', reason: null })
  t.same(settle('info', [], ['inactive']), { severity: 'info', reason: null })
  t.equal(settle('info', ['open-entry'], []).severity, 'low')
})
