import t from 'tap'
import { checkText, violationOnWire } from '../../evaluation/check.ts'
import { evaluateGraph } from '../../evaluation/evaluate.ts'
import { fact, graph, node, quietTrigger } from './graph-builder.ts'

t.test('lets exactly six fields of a finding out', async (t) => {
  const { violations } = evaluateGraph(graph('make', [quietTrigger('make'), node('a', { facts: [fact(['provider-token'])] })]))
  const wires = violations.map(violationOnWire)
  t.same(wires.map((wire) => Object.keys(wire)), [['code', 'title', 'severity', 'module', 'message', 'frameworks']])
  t.same(wires[0]?.module, { id: 'a', name: 'Step a', type: 'test:step' })
})

t.test('checks an n8n workflow from its text', async (t) => {
  const workflow = {
    name: 'Orders',
    nodes: [{ id: '1', name: 'Hook', type: 'n8n-nodes-base.webhook', typeVersion: 2, position: [0, 0], parameters: { path: 'orders' } }],
    connections: {}
  }
  const checked = checkText('flows/orders.json', JSON.stringify(workflow))
  t.equal(checked.path, 'flows/orders.json')
  t.equal(checked.platform, 'n8n')
  t.type(checked.score, 'number')
  t.ok(checked.violations?.some(({ code }) => code === 'ACC-001'))
  t.notOk('refused' in checked)
})

t.test('says why a text is no blueprint and gives it neither score nor findings', async (t) => {
  for (const text of ['', 'CANARY {', '[]', '{"hello":"CANARY"}']) {
    const checked = checkText('notes.json', text)
    t.same(Object.keys(checked), ['path', 'refused'])
    t.type(checked.refused, 'string')
    t.notMatch(checked.refused, 'CANARY')
  }
})
