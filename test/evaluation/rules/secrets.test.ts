import t from 'tap'
import { BOTH, fact, graph, node, outcome, quietTrigger } from '../graph-builder.ts'

for (const platform of BOTH) {
  t.test(`names a provider token on ${platform} once per leaf, and not as SEC-002 too`, async (t) => {
    const facts = [fact(['provider-token', 'secret-literal'], { provider: 'openai' }), fact(['provider-token'], { kind: 'code' })]
    const subject = graph(platform, [quietTrigger(platform), node('a', { facts })])
    t.same(outcome(subject, 'SEC-001').severities, ['critical', 'critical'])
    t.same(outcome(subject, 'SEC-002').severities, [])
  })

  t.test(`names a secret-named literal on ${platform}`, async (t) => {
    const subject = graph(platform, [quietTrigger(platform), node('a', { facts: [fact(['secret-literal'])] })])
    t.same(outcome(subject, 'SEC-002').severities, ['high'])
    t.same(outcome(subject, 'SEC-001').severities, [])
  })

  t.test(`passes a ${platform} module whose fields only read data`, async (t) => {
    const subject = graph(platform, [quietTrigger(platform), node('a', { facts: [fact(['data-reference'], { kind: 'expression' })] })])
    for (const code of ['SEC-001', 'SEC-002']) {
      t.same(outcome(subject, code), { evaluated: true, severities: [], messages: [], modules: [] })
    }
  })
}

t.test('does not lower a secret in a disabled module: the file still holds it', async (t) => {
  const subject = graph('n8n', [quietTrigger('n8n'), node('a', { disabled: true, facts: [fact(['provider-token'])] })], { settings: { active: false } })
  t.same(outcome(subject, 'SEC-001').severities, ['critical'])
})

t.test('says nothing of the file but the label', async (t) => {
  const secret = fact(['provider-token'], { field: 'FIELD', provider: 'PROVIDER' })
  const labelled = graph('make', [quietTrigger('make'), node('a', { label: 'Ask', facts: [secret] })])
  t.same(outcome(labelled, 'SEC-001').messages, ['Module "Ask" holds a provider token in plain text.'])
  const { label, ...bare } = node('KEY', { type: 'TYPE', facts: [secret] })
  t.same(outcome(graph('make', [quietTrigger('make'), bare]), 'SEC-001').messages, ['A module holds a provider token in plain text.'])
})
