import t from 'tap'
import { seenBefore, SETTLING_MS } from '../../../bin/fb/seen.ts'

const ids = (...numbers: number[]): Array<{ id: number }> => numbers.map((id) => ({ id }))

t.test('tells each event once, also one that is committed after a later one', async (t) => {
  const seen = seenBefore(ids(7, 6, 4), 0, 0)
  t.equal(seen.floor(), 0, 'what was drawn before the oldest may be on its way too')
  t.same(seen.add(ids(3, 4, 5, 6, 7, 9), 1000), ids(3, 5, 9), 'the fifth was drawn before the sixth and committed after it, the third before all')
  t.same(seen.add(ids(5, 6, 7, 8, 9), 2000), ids(8))
  t.same(seen.add(ids(5, 6, 7, 8, 9), 3000), [])
})

t.test('asks again only from where nothing can come any more', async (t) => {
  const seen = seenBefore(ids(2, 1), 1, 0)
  seen.add(ids(3, 5), 1000)
  seen.settle(SETTLING_MS - 1)
  t.equal(seen.floor(), 1)
  seen.settle(SETTLING_MS)
  t.equal(seen.floor(), 2)
  seen.add(ids(4), SETTLING_MS)
  seen.settle(SETTLING_MS + 1000)
  t.equal(seen.floor(), 3, 'the fourth has not settled, so the fifth cannot have')
  seen.settle(2 * SETTLING_MS)
  t.equal(seen.floor(), 5)
  t.same(seen.add([], 3 * SETTLING_MS), [])
})

t.test('begins below every id where nothing was there', async (t) => {
  t.equal(seenBefore([], 0).floor(), 0)
  const texts = seenBefore<string>([], 'kev_')
  t.same(texts.add([{ id: 'kev_B' }, { id: 'kev_C' }], 0), [{ id: 'kev_B' }, { id: 'kev_C' }])
  texts.settle(SETTLING_MS)
  t.equal(texts.floor(), 'kev_C')
})
