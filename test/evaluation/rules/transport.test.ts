import t from 'tap'
import { BOTH, fact, graph, node, outcome, quietTrigger } from '../graph-builder.ts'

for (const platform of BOTH) {
  const start = quietTrigger(platform)

  t.test(`names a plain HTTP call on ${platform}`, async (t) => {
    const subject = graph(platform, [start, node('a', { kind: 'http', facts: [fact(['plain-http-public'])] })])
    t.same(outcome(subject, 'NET-001').severities, ['high'])
  })

  t.test(`passes an encrypted call on ${platform} and skips a scenario without calls`, async (t) => {
    const { evaluated, severities } = outcome(graph(platform, [start, node('a', { kind: 'http' })]), 'NET-001')
    t.ok(evaluated)
    t.same(severities, [])
    t.notOk(outcome(graph(platform, [start, node('a')]), 'NET-001').evaluated)
  })

  t.test(`lowers a plain HTTP call that cannot run on ${platform}`, async (t) => {
    const call = node('a', { kind: 'http', orphan: true, facts: [fact(['plain-http-public'])] })
    const { severities, messages } = outcome(graph(platform, [start, call], { edges: [] }), 'NET-001')
    t.same(severities, ['medium'])
    t.match(messages[0], /cannot run\.$/)
  })
}
