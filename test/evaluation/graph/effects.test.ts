import t from 'tap'
import { httpEffects, n8nNature } from '../../../evaluation/graph/effects.ts'

t.test('reads a raw call by method and host', async (t) => {
  t.same(httpEffects('', 'https://a.example'), ['EGRESS', 'READ'])
  t.same(httpEffects('post', 'https://api.stripe.com/v1/charges'), ['EGRESS', 'WRITE', 'MONEY'])
  t.same(httpEffects('get', 'https://api.stripe.com/v1/charges'), ['EGRESS', 'READ'])
  t.same(httpEffects('={{ $json.m }}', '={{ $json.u }}'), ['EGRESS', 'WRITE'])
})

t.test('counts an operation that data decides as a change', async (t) => {
  t.ok(n8nNature({ name: 'stripe', community: false, operation: '={{ $json.op }}', resource: '', mode: '' }).effects.includes('MONEY'))
})
