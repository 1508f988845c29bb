import t from 'tap'
import { makeN8nNode } from '../../../evaluation/graph/n8n-node.ts'

t.test('takes text with a leading = but no expression for a literal', async (t) => {
  const parameters = { headers: [{ name: 'x-api-key', value: '=959c1a74-0b7e-4d0e-9f63-7a2b11c0d3e8' }] }
  const { facts } = makeN8nNode({ type: 'n8n-nodes-base.httpRequest', parameters }, '/nodes/0', 'a', 'a')
  t.match(facts, [{ pointer: '/nodes/0/parameters/headers/0/value', field: 'x-api-key', kind: 'literal', classes: ['secret-literal'] }])
})
