import { readFileSync } from 'node:fs'
import t from 'tap'
import { ERROR_CATALOGUE } from '../../errors.ts'

const documented = new Map(readFileSync('docs/errors.md', 'utf8').split('\n').flatMap((line) => {
  const match = /^\| (\d{3}) \| `([^`]+)` \| `([a-z_]+)` \|/.exec(line)
  return match === null ? [] : [[match[3], { status: Number(match[1]), sentence: match[2] }] as const]
}))

t.test('docs/errors.md and the catalogue name the same refusals', async (t) => {
  t.same(Object.fromEntries(documented), ERROR_CATALOGUE)
})
