import t from 'tap'
import { drop, newDraft, report, uniqueKey } from '../../../evaluation/graph/draft.ts'

t.test('gives every key once, even when the file uses our suffix', async (t) => {
  const draft = newDraft('n8n', 'x')
  t.same(['a', 'a#2', 'a', 'a', '__proto__', '__proto__'].map((key) => uniqueKey(draft, key)), ['a', 'a#2', 'a#3', 'a#4', '__proto__', '__proto__#2'])
})

t.test('lists a bounded number of problems', async (t) => {
  const draft = newDraft('make', null)
  for (let i = 0; i < 2000; i++) report(draft, 'dangling_edge', '/x', 'm')
  t.equal(draft.graph.problems.length, 501)
  t.equal(draft.graph.problems.at(-1)?.code, 'more_problems')
})

t.test('refuses when the places alone would fill the memory', async (t) => {
  const draft = newDraft('make', null)
  t.throws(() => { for (let i = 0; i < 100; i++) drop(draft, 'x'.repeat(1_000_000)) }, /nests too much/)
})
