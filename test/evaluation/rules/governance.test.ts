import t from 'tap'
import type { FlowNode, Platform } from '../../../evaluation/graph/types.ts'
import { BOTH, graph, node, outcome, quietTrigger } from '../graph-builder.ts'

const nodes = (platform: Platform, count: number): FlowNode[] => [quietTrigger(platform), ...Array.from({ length: count - 1 }, (_, index) => node(`n${index}`))]

for (const platform of BOTH) {
  t.test(`remarks on eight ${platform} modules without a note, and not on seven`, async (t) => {
    t.same(outcome(graph(platform, nodes(platform, 8)), 'GOV-005').severities, ['info'])
    t.notOk(outcome(graph(platform, nodes(platform, 7)), 'GOV-005').evaluated)
  })

  t.test(`passes a ${platform} scenario with a canvas note or a module note`, async (t) => {
    const { evaluated, severities } = outcome(graph(platform, nodes(platform, 8), { notes: 1 }), 'GOV-005')
    t.ok(evaluated)
    t.same(severities, [])
    const noted = [...nodes(platform, 7), node('noted', { noted: true })]
    t.same(outcome(graph(platform, noted), 'GOV-005').severities, [])
  })
}
