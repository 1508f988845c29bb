import t from 'tap'
import { BOTH, edge, graph, node, outcome, quietTrigger } from '../graph-builder.ts'

for (const platform of BOTH) {
  const start = quietTrigger(platform)

  t.test(`FLW-001 reports each connected group of dead ${platform} modules once`, async (t) => {
    const nodes = [start, node('a'), node('b'), node('c'), node('d')]
    const subject = graph(platform, nodes, { edges: [edge(0, 1), edge(3, 2)] })
    const { modules, severities } = outcome(subject, 'FLW-001')
    t.same(modules, ['b', 'd'])
    t.same(severities, ['low', 'low'])
  })

  t.test(`FLW-001 passes a ${platform} flow in which everything is wired`, async (t) => {
    const { evaluated, severities } = outcome(graph(platform, [start, node('a'), node('b')]), 'FLW-001')
    t.ok(evaluated)
    t.same(severities, [])
  })
}

t.test('FLW-001 counts sub-nodes and tools of reached nodes as reached, in the direction each platform wires them', async (t) => {
  const agent = node('agent', { kind: 'agent' })
  const nodes = (platform: 'make' | 'n8n') => [quietTrigger(platform), agent, node('model'), node('tool')]
  const n8n = graph('n8n', nodes('n8n'), { edges: [edge(0, 1), edge(2, 1, { kind: 'ai' }), edge(3, 1, { kind: 'tool' })] })
  t.same(outcome(n8n, 'FLW-001').modules, [])
  const make = graph('make', nodes('make'), { edges: [edge(0, 1), edge(1, 2, { kind: 'tool' }), edge(2, 3)] })
  t.same(outcome(make, 'FLW-001').modules, [])
})

t.test('FLW-001 does not follow the feed of an aggregator', async (t) => {
  const subject = graph('make', [quietTrigger('make'), node('a')], { edges: [edge(0, 1, { kind: 'feed' })] })
  t.same(outcome(subject, 'FLW-001').modules, ['a'])
})

t.test('FLW-001 leaves modules alone that were switched off on purpose, and names what hangs on them', async (t) => {
  const trigger = quietTrigger('n8n')
  const off = node('off', { disabled: true, kind: 'trigger' })
  t.same(outcome(graph('n8n', [trigger, off], { edges: [] }), 'FLW-001').modules, [])
  t.same(outcome(graph('n8n', [trigger, off, node('b')], { edges: [edge(1, 2)] }), 'FLW-001').modules, ['b'])
})

t.test('FLW-001 knows that a disabled n8n node hands its input on and a disabled Make module does not', async (t) => {
  const off = node('off', { disabled: true })
  t.same(outcome(graph('n8n', [quietTrigger('n8n'), off, node('b')]), 'FLW-001').modules, [])
  t.same(outcome(graph('make', [quietTrigger('make'), off, node('b')]), 'FLW-001').modules, ['b'])
})

t.test('FLW-002 names an n8n workflow without trigger, and says it instead of FLW-001', async (t) => {
  const subject = graph('n8n', [node('a'), node('b')], { entries: [] })
  t.same(outcome(subject, 'FLW-002').severities, ['medium'])
  t.same(outcome(subject, 'FLW-002').modules, [null])
  t.same(outcome(subject, 'FLW-001').severities, [])
})

t.test('FLW-002 passes a sub-workflow and a workflow with trigger', async (t) => {
  t.same(outcome(graph('n8n', [node('a')], { entries: [], settings: { subWorkflow: true } }), 'FLW-002').severities, [])
  const { evaluated, severities } = outcome(graph('n8n', [quietTrigger('n8n')]), 'FLW-002')
  t.ok(evaluated)
  t.same(severities, [])
})

t.test('FLW-002 names a Make trigger that does not stand first', async (t) => {
  const late = node('late', { kind: 'trigger' })
  t.same(outcome(graph('make', [quietTrigger('make'), late]), 'FLW-002').modules, ['late'])
  t.same(outcome(graph('make', [quietTrigger('make'), { ...late, orphan: true }]), 'FLW-002').modules, [])
})

t.test('FLW-002 passes a Make scenario that starts with an action on a schedule', async (t) => {
  t.same(outcome(graph('make', [node('a'), node('b')]), 'FLW-002').modules, [])
})
