import t from 'tap'
import { failureBudget } from '../../../plugins/lib/failure-budget.ts'

t.test('failures are paid from a budget that refills evenly, successes are free', async (t) => {
  let nowMs = 5000
  const budget = failureBudget({ perSecondMax: 12, underWayMax: 10, now: () => nowMs })
  const once = async (hasFailed: boolean): Promise<string> => {
    const turn = await budget.begin()
    if (turn === 'go') budget.end(hasFailed)
    return turn
  }
  const run = async (...failed: boolean[]): Promise<string[]> => {
    const turns: string[] = []
    for (const hasFailed of failed) turns.push(await once(hasFailed))
    return turns
  }
  for (let n = 0; n < 100; n++) t.equal(await once(false), 'go')
  t.same(await run(true, true, true, false, true), ['go', 'go', 'go', 'spent', 'spent'], 'a quarter of a second\'s at once')
  nowMs += 80
  t.same(await run(false), ['spent'])
  nowMs += 4
  t.same(await run(true, true), ['go', 'spent'], 'one more for each twelfth of a second')
  nowMs -= 10_000
  t.same(await run(true), ['spent'], 'a clock that is set back pays nothing')
  nowMs += 250
  t.same(await run(true, true, true, true), ['go', 'go', 'go', 'spent'], 'and holds nobody off for it')
  let admitted = 0
  const startedMs = nowMs
  for (; nowMs < startedMs + 10_000; nowMs += 3) if (await once(true) === 'go') admitted++
  t.ok(admitted >= 115 && admitted <= 123, `${admitted} in ten seconds`)
})

t.test('no more are under way at a time than were allowed; the others wait their turn', async (t) => {
  const budget = failureBudget({ perSecondMax: 100, underWayMax: 2, waitingMax: 2, now: () => 0 })
  t.same([await budget.begin(), await budget.begin()], ['go', 'go'])
  const order: string[] = []
  const third = budget.begin().then((turn) => { order.push(`third ${turn}`) })
  const fourth = budget.begin().then((turn) => { order.push(`fourth ${turn}`) })
  t.equal(await budget.begin(), 'spent', 'the line has an end')
  t.same(order, [])
  budget.end(true)
  await third
  t.same(order, ['third go'])
  budget.end(false)
  await fourth
  t.same(order, ['third go', 'fourth go'])
})

t.test('who waits too long is told so, and its place is free again', async (t) => {
  const budget = failureBudget({ perSecondMax: 100, underWayMax: 1, waitingMax: 1, waitMs: 20, now: () => 0 })
  t.equal(await budget.begin(), 'go')
  t.equal(await budget.begin(), 'late')
  const next = budget.begin()
  budget.end(false)
  t.equal(await next, 'go')
})

t.test('who waits is refused once those before it have spent the budget', async (t) => {
  const budget = failureBudget({ perSecondMax: 4, underWayMax: 1, now: () => 0 })
  t.equal(await budget.begin(), 'go')
  const waiting = [budget.begin(), budget.begin()]
  budget.end(true)
  t.same(await Promise.all(waiting), ['spent', 'spent'])
})

t.test('a budget of nothing is not built', async (t) => {
  t.throws(() => failureBudget({ perSecondMax: 0, underWayMax: 1, now: Date.now }), /perSecondMax/)
  t.throws(() => failureBudget({ perSecondMax: 1, underWayMax: Number.NaN, now: Date.now }), /underWayMax/)
  t.throws(() => failureBudget({ perSecondMax: 1, underWayMax: 1, waitingMax: 0, now: Date.now }), /waitingMax/)
})
