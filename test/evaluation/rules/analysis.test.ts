import t from 'tap'
import { analyse } from '../../../evaluation/rules/analysis.ts'
import { edge, graph, node } from '../graph-builder.ts'

const entry = node('in', { kind: 'trigger', effects: ['INGRESS', 'OPEN'] })
const sorted = (set: ReadonlySet<number>): number[] => [...set].sort((a, b) => a - b)

t.test('ends the unguarded walk at a gate, a branch and an approval, and goes on elsewhere', async (t) => {
  const nodes = [entry, node('gated', { gated: true }), node('branch', { kind: 'branch' }), node('c'), node('ask', { approval: true }), node('e'), node('f')]
  const edges = [edge(0, 1, { gated: true }), edge(0, 2), edge(2, 3), edge(0, 4), edge(4, 5), edge(0, 6)]
  const sets = analyse(graph('make', nodes, { edges }))
  t.same(sorted(sets.unguarded), [0, 2, 4, 6])
  t.same(sorted(sets.fromIn), [0, 1, 2, 3, 4, 5, 6])
})

t.test('takes a router for a guard on n8n only, where it always decides', async (t) => {
  const nodes = [entry, node('router', { kind: 'router' }), node('c')]
  t.same(sorted(analyse(graph('n8n', nodes)).unguarded), [0, 1])
  t.same(sorted(analyse(graph('make', nodes)).unguarded), [0, 1, 2])
})

t.test('does not call an entry open that asks for authentication', async (t) => {
  t.same(sorted(analyse(graph('n8n', [entry, node('a')])).fromOpen), [0, 1])
  t.same(sorted(analyse(graph('n8n', [{ ...entry, authentication: 'basicAuth' }, node('a')])).fromOpen), [])
})

t.test('ends on a cycle and on a node that feeds itself', async (t) => {
  const nodes = [entry, node('a'), node('b')]
  t.same(sorted(analyse(graph('n8n', nodes, { edges: [edge(0, 1), edge(1, 2), edge(2, 1), edge(2, 2)] })).reach), [0, 1, 2])
})
