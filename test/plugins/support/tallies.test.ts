import { Counter, Histogram, Registry } from 'prom-client'
import t from 'tap'
import { countTally, LatencyTally } from '../../../plugins/support/tallies.ts'

t.test('tallies read as what the library itself would have counted', async (t) => {
  const ours = new Registry()
  const theirs = new Registry()
  const buckets = [0.001, 0.01, 0.1]
  const counts = countTally({ name: 'answers', help: 'Answers', labelNames: ['route', 'status'], registers: [ours] })
  const counter = new Counter({ name: 'answers', help: 'Answers', labelNames: ['route', 'status'], registers: [theirs] })
  const latencies = new LatencyTally({ name: 'seconds', help: 'Seconds', label: 'route', buckets, registers: [ours] })
  const histogram = new Histogram({ name: 'seconds', help: 'Seconds', labelNames: ['route'], buckets, registers: [theirs] })
  for (const [route, status, seconds] of [['/a', 200, 0.0005], ['/b', 404, 0.001], ['/a', 200, 0.05], ['/a', 500, 3]] as const) {
    counts.adder({ route, status })()
    counter.inc({ route, status })
    latencies.add(route, seconds)
    histogram.observe({ route }, seconds)
  }
  const lines = async (registry: Registry): Promise<string[]> => (await registry.metrics()).split('\n').sort()
  t.same(await lines(ours), await lines(theirs))
  t.same(await lines(ours), await lines(theirs), 'a second scrape counts nothing twice')
})

t.test('a series is there from the start when it is told of', async (t) => {
  const registry = new Registry()
  countTally({ name: 'passed', help: 'Passed', labelNames: ['layer'], registers: [registry] }).adder({ layer: 'one' })
  t.match(await registry.metrics(), 'passed{layer="one"} 0')
})
