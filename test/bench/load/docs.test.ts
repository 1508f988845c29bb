import { readFileSync } from 'node:fs'
import t from 'tap'
import { PERFORMANCE_DOC, withSection } from '../../../bench/load/docs.ts'

t.test('a table goes between the marks of its section, in place of the one before, and nothing else changes', async (t) => {
  const page = 'above\n<!-- one -->\nold\n<!-- /one -->\nbetween\n<!-- two -->\n<!-- /two -->\n'
  t.equal(withSection(page, 'one', 'new\n'), 'above\n<!-- one -->\n```text\nnew\n```\n<!-- /one -->\nbetween\n<!-- two -->\n<!-- /two -->\n')
  t.equal(withSection(withSection(page, 'one', 'new'), 'one', 'newer'), withSection(page, 'one', 'newer'))
  t.throws(() => withSection(page, 'three', ''), /no section three/)
})

t.test('the page has a section for each measurement that writes one', async (t) => {
  const page = readFileSync(PERFORMANCE_DOC, 'utf8')
  for (const section of ['bench', 'window', 'scale']) t.ok(withSection(page, section, 'x').includes('```text\nx\n```'), section)
})
