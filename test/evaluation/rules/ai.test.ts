import t from 'tap'
import type { Effect, FactGraph, FlowNode, Platform } from '../../../evaluation/graph/types.ts'
import { BOTH, edge, graph, node, outcome, quietTrigger } from '../graph-builder.ts'

const agent = node('agent', { kind: 'agent', effects: ['AI'] })
const open = node('open', { kind: 'trigger', effects: ['INGRESS', 'OPEN'] })
const mail = node('mail', { kind: 'trigger', effects: ['INGRESS'] })

function withTool (platform: Platform, tool: FlowNode, start: FlowNode = quietTrigger(platform)): FactGraph {
  const wired = platform === 'n8n' ? edge(2, 1, { kind: 'tool' }) : edge(1, 2, { kind: 'tool' })
  return graph(platform, [start, agent, tool], { edges: [edge(0, 1), wired] })
}

for (const platform of BOTH) {
  t.test(`names a ${platform} agent with a tool that acts`, async (t) => {
    for (const effect of ['WRITE', 'DELETE', 'MONEY', 'IDENTITY', 'SHELL', 'CODE', 'SQL'] satisfies Effect[]) {
      const { severities, modules } = outcome(withTool(platform, node('tool', { effects: [effect] })), 'AIX-001')
      t.same(severities, ['high'], effect)
      t.same(modules, ['agent'])
    }
  })

  t.test(`passes a ${platform} agent whose tools only read, or that has none`, async (t) => {
    const { evaluated, severities } = outcome(withTool(platform, node('tool', { effects: ['READ'] })), 'AIX-001')
    t.ok(evaluated)
    t.same(severities, [])
    const alone = graph(platform, [quietTrigger(platform), agent, node('write', { effects: ['WRITE'] })])
    t.same(outcome(alone, 'AIX-001').severities, [])
  })

  t.test(`passes a ${platform} tool that waits for a human`, async (t) => {
    const approved = node('tool', { effects: ['WRITE'], approval: true })
    t.same(outcome(withTool(platform, approved), 'AIX-001').severities, [])
  })

  t.test(`ignores a disabled tool on ${platform}`, async (t) => {
    t.same(outcome(withTool(platform, node('tool', { effects: ['WRITE'], disabled: true })), 'AIX-001').severities, [])
  })

  t.test(`is critical on ${platform} when anyone can reach the agent`, async (t) => {
    const tool = node('tool', { effects: ['WRITE'] })
    t.same(outcome(withTool(platform, tool, open), 'AIX-001').severities, ['critical'])
    t.same(outcome(withTool(platform, tool, { ...open, authentication: 'headerAuth' }), 'AIX-001').severities, ['high'])
  })

  t.test(`is critical on ${platform} when an outside event leads unguarded to money`, async (t) => {
    t.same(outcome(withTool(platform, node('tool', { effects: ['MONEY'] }), mail), 'AIX-001').severities, ['critical'])
    t.same(outcome(withTool(platform, node('tool', { effects: ['WRITE'] }), mail), 'AIX-001').severities, ['high'])
  })
}

t.test('finds the action deep inside a Make tool flow, and not behind an approval', async (t) => {
  const edges = [edge(0, 1), edge(1, 2, { kind: 'tool' }), edge(2, 3)]
  const act = node('act', { effects: ['WRITE'] })
  const start = quietTrigger('make')
  t.same(outcome(graph('make', [start, agent, node('first'), act], { edges }), 'AIX-001').severities, ['high'])
  t.same(outcome(graph('make', [start, agent, node('first', { approval: true }), act], { edges }), 'AIX-001').severities, [])
})

t.test('finds the action of an agent that is itself a tool', async (t) => {
  const inner = node('inner', { kind: 'agent' })
  const edges = [edge(0, 1), edge(2, 1, { kind: 'tool' }), edge(3, 2, { kind: 'tool' })]
  const subject = graph('n8n', [quietTrigger('n8n'), agent, inner, node('act', { effects: ['DELETE'] })], { edges })
  t.same(outcome(subject, 'AIX-001').modules, ['agent', 'inner'])
})

t.test('does not take a memory that writes for a tool', async (t) => {
  const subject = graph('n8n', [quietTrigger('n8n'), agent, node('memory', { effects: ['WRITE', 'SQL'] })], { edges: [edge(0, 1), edge(2, 1, { kind: 'ai' })] })
  t.same(outcome(subject, 'AIX-001').severities, [])
})
