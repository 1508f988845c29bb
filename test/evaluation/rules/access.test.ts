import t from 'tap'
import type { FlowNode } from '../../../evaluation/graph/types.ts'
import { edge, fact, graph, node, outcome, WEBHOOK } from '../graph-builder.ts'

const hook = (parts: Partial<FlowNode> = {}): FlowNode => node('hook', { type: WEBHOOK, kind: 'trigger', effects: ['INGRESS', 'OPEN'], ...parts })
const check = node('check', { kind: 'branch', facts: [fact(['auth-check'])] })
const write = (key = 'write'): FlowNode => node(key, { effects: ['WRITE'] })
const pay = node('pay', { effects: ['MONEY', 'WRITE'] })

for (const authentication of [undefined, 'none']) {
  t.test(`refuses to pass a webhook whose authentication is ${authentication ?? 'absent'}`, async (t) => {
    const subject = hook(authentication === undefined ? {} : { authentication })
    t.same(outcome(graph('n8n', [subject, write()]), 'ACC-001').severities, ['high'])
  })
}

t.test('passes a webhook with header authentication', async (t) => {
  const { evaluated, severities } = outcome(graph('n8n', [hook({ authentication: 'headerAuth' }), pay]), 'ACC-001')
  t.ok(evaluated)
  t.same(severities, [])
})

t.test('does not judge Make hooks, whose protection the blueprint does not show', async (t) => {
  t.notOk(outcome(graph('make', [hook(), pay]), 'ACC-001').evaluated)
})

t.test('does not count as evaluated without a webhook', async (t) => {
  t.notOk(outcome(graph('n8n', [node('form', { kind: 'trigger', effects: ['OPEN'] })]), 'ACC-001').evaluated)
})

t.test('is critical when it leads unguarded to money, and not when a branch stands between', async (t) => {
  t.same(outcome(graph('n8n', [hook(), pay]), 'ACC-001').severities, ['critical'])
  t.same(outcome(graph('n8n', [hook(), node('if', { kind: 'branch' }), pay]), 'ACC-001').severities, ['high'])
  t.same(outcome(graph('n8n', [hook(), node('ask', { approval: true, kind: 'wait' }), pay]), 'ACC-001').severities, ['high'])
})

t.test('is lowered when a condition compares a header before anything happens', async (t) => {
  const { severities, messages } = outcome(graph('n8n', [hook(), check, write()]), 'ACC-001')
  t.same(severities, ['medium'])
  t.match(messages[0], /Lowered: a condition compares/)
})

t.test('is not lowered by a check that a parallel path goes around', async (t) => {
  const subject = graph('n8n', [hook(), check, write(), write('aside')], { edges: [edge(0, 1), edge(1, 2), edge(0, 3)] })
  t.same(outcome(subject, 'ACC-001').severities, ['high'])
})

t.test('is not lowered by an ordinary condition or by code that mentions a signature', async (t) => {
  t.same(outcome(graph('n8n', [hook(), node('if', { kind: 'branch' }), write()]), 'ACC-001').severities, ['high'])
  const code = node('code', { kind: 'code', facts: [fact(['auth-check'], { kind: 'code' })] })
  t.same(outcome(graph('n8n', [hook(), code, write()]), 'ACC-001').severities, ['high'])
})

t.test('is lowered, not dropped, when the webhook is disabled or the workflow inactive', async (t) => {
  t.same(outcome(graph('n8n', [hook({ disabled: true }), write()], { entries: [] }), 'ACC-001').severities, ['medium'])
  t.same(outcome(graph('n8n', [hook(), write()], { settings: { active: false } }), 'ACC-001').severities, ['medium'])
})

t.test('moves by one step only, and reasons up and down cancel', async (t) => {
  t.same(outcome(graph('n8n', [hook(), pay], { settings: { active: false } }), 'ACC-001').severities, ['high'])
  const settings = { active: false, template: true }
  t.same(outcome(graph('n8n', [hook(), write()], { settings }), 'ACC-001').severities, ['medium'])
})

t.test('is lowered for a template only while no connection is bound', async (t) => {
  const bound = node('b', { effects: ['WRITE'], connections: [{ slot: 'api', ref: '7' }] })
  const loose = node('b', { effects: ['WRITE'], connections: [{ slot: 'api', ref: null }] })
  t.same(outcome(graph('n8n', [hook(), bound], { settings: { template: true } }), 'ACC-001').severities, ['high'])
  t.same(outcome(graph('n8n', [hook(), loose], { settings: { template: true } }), 'ACC-001').severities, ['medium'])
})
