import t from 'tap'
import { cleanName, cleanText, under } from '../../../evaluation/graph/shape.ts'

t.test('keeps labels to one short line', async (t) => {
  t.equal(cleanText(' a\u0000\n\u202eb\u001b ', 80), 'ab')
  t.equal([...cleanText('🚀'.repeat(200), 80)].length, 80)
  t.equal(cleanText(`x AKIA\u200eQ3EGRIM7YB2KXW4P AKIAQ3EGRIM7YB2KXW4P ${'y'.repeat(200)}`, 80), '(redacted)')
  t.equal(cleanName('n'.repeat(100)).length, 64)
})

t.test('escapes pointer segments', async (t) => {
  t.equal(under('/a', 'b/c~d'), '/a/b~1c~0d')
  t.equal(under('', 3), '/3')
})
