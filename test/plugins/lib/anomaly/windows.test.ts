import t from 'tap'
import fc from 'fast-check'
import { DistinctWithin, HourlyHistory, SlidingCount } from '../../../../plugins/lib/anomaly/windows.ts'

t.test('a sliding count never counts what is older than its window, and always what is younger by a thirtieth', async (t) => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 1_000_000 }), { maxLength: 200 }), (times) => {
    const sorted = times.sort((a, b) => a - b)
    const counter = new SlidingCount(300_000)
    for (const atMs of sorted) counter.add(atMs)
    const nowMs = sorted.at(-1) ?? 0
    const most = sorted.filter((atMs) => atMs > nowMs - 300_000).length
    const least = sorted.filter((atMs) => atMs > nowMs - 290_000).length
    const total = counter.total(nowMs)
    return total <= most && total >= least
  }))
  t.pass()
})

t.test('distinct values are counted once and forgotten after the window', async (t) => {
  const distinct = new DistinctWithin(1000, 100)
  t.ok(distinct.add('a', 0))
  t.notOk(distinct.add('a', 500))
  t.ok(distinct.add('b', 600))
  t.equal(distinct.total(900), 2)
  t.equal(distinct.total(1550), 1)
  t.equal(distinct.total(5000), 0)
  for (let n = 0; n < 1000; n++) distinct.add(String(n), 6000)
  t.equal(distinct.total(6000), 100, 'bounded')
})

t.test('the past leaves out the hour under way and the one before', async (t) => {
  const hours = new HourlyHistory()
  const HOUR = 3_600_000
  for (const [hour, count] of [[10, 5], [11, 50], [12, 7], [13, 900], [14, 900]] as const) hours.add(hour * HOUR, count)
  t.match(hours.past(14.5 * HOUR), { busiest: 50, activeHours: 3 })
  t.match(hours.past((14 + 168) * HOUR), { busiest: 0, activeHours: 0 })
})
