import t from 'tap'
import { failureBudget } from '../../../plugins/lib/failure-budget.ts'

t.test('failures are paid from a second\'s budget, successes are free', async (t) => {
  let nowMs = 5000
  const budget = failureBudget({ perSecondMax: 3, underWayMax: 10, now: () => nowMs })
  const once = (hasFailed: boolean): string => {
    const turn = budget.begin()
    if (turn === 'go') budget.end(hasFailed)
    return turn
  }
  for (let n = 0; n < 100; n++) t.equal(once(false), 'go')
  t.same([once(true), once(true), once(true), once(false), once(true)], ['go', 'go', 'go', 'spent', 'spent'])
  nowMs = 5999
  t.equal(once(false), 'spent')
  nowMs = 6000
  t.equal(once(true), 'go', 'the next second has its own')
})

t.test('no more are under way at a time than were allowed, whatever becomes of them', async (t) => {
  const budget = failureBudget({ perSecondMax: 100, underWayMax: 2, now: () => 0 })
  t.same([budget.begin(), budget.begin(), budget.begin()], ['go', 'go', 'busy'])
  budget.end(true)
  t.same([budget.begin(), budget.begin()], ['go', 'busy'])
})

t.test('a budget of nothing is not built', async (t) => {
  t.throws(() => failureBudget({ perSecondMax: 0, underWayMax: 1, now: Date.now }), /perSecondMax/)
  t.throws(() => failureBudget({ perSecondMax: 1, underWayMax: Number.NaN, now: Date.now }), /underWayMax/)
})
