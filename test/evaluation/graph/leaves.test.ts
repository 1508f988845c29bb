import t from 'tap'
import { leavesOf } from '../../../evaluation/graph/leaves.ts'

t.test('names a leaf by the name beside its value', async (t) => {
  const leaves = leavesOf({ headers: [{ name: 'Authorization', value: 'v' }], doc: { __rl: true, value: 'w' }, __proto__x: 'u' }, '/p')
  t.same(leaves.map(({ pointer, field, value }) => [pointer, field, value]), [
    ['/p/headers/0/name', 'name', 'Authorization'], ['/p/headers/0/value', 'Authorization', 'v'], ['/p/doc/value', 'doc', 'w'], ['/p/__proto__x', '__proto__x', 'u']
  ])
})

t.test('marks both sides of a comparison, but not of a test for existence', async (t) => {
  const compared = (value: object): boolean => leavesOf(value, '').some((leaf) => leaf.compared)
  t.equal(compared({ a: 'x', o: 'text:equal', b: 'y' }), true)
  t.equal(compared({ a: 'x', o: 'exist' }), false)
  t.equal(compared({ leftValue: 'x', operator: { operation: 'equals' } }), true)
})

t.test('walks a hundred thousand levels with pointers that stop growing', async (t) => {
  let value: unknown = 'deep'
  for (let i = 0; i < 100_000; i++) value = { a: value }
  const [leaf] = leavesOf(value, '')
  t.equal(leaf?.value, 'deep')
  t.ok((leaf?.pointer.length ?? 0) <= 512)
})
