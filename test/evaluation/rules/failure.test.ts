import t from 'tap'
import type { Effect } from '../../../evaluation/graph/types.ts'
import { edge, graph, node, outcome, quietTrigger } from '../graph-builder.ts'

const make = quietTrigger('make')
const n8n = quietTrigger('n8n')
const exposed = { settings: { errorWorkflow: false } }

t.test('ERR-001 names an outside write without handler', async (t) => {
  for (const kind of ['action', 'http'] as const) {
    t.same(outcome(graph('make', [make, node('a', { kind, effects: ['WRITE'] })]), 'ERR-001').severities, ['low'])
  }
})

t.test('ERR-001 passes a module with a handler, whatever ends it', async (t) => {
  for (const directive of ['Break', null]) {
    const { evaluated, severities } = outcome(graph('make', [make, node('a', { effects: ['WRITE'], directive })]), 'ERR-001')
    t.ok(evaluated)
    t.same(severities, [])
  }
})

t.test('ERR-001 is medium where money or deletion is concerned', async (t) => {
  for (const effect of ['MONEY', 'DELETE'] satisfies Effect[]) {
    t.same(outcome(graph('make', [make, node('a', { effects: ['WRITE', effect] })]), 'ERR-001').severities, ['medium'])
  }
})

t.test('ERR-001 asks no handler of a step inside a handler, and does not judge n8n', async (t) => {
  const steps = [make, node('a', { effects: ['WRITE'], directive: null }), node('alert', { effects: ['WRITE'] })]
  t.same(outcome(graph('make', steps, { edges: [edge(0, 1), edge(1, 2, { kind: 'error' })] }), 'ERR-001').severities, [])
  t.notOk(outcome(graph('n8n', [n8n, node('a', { effects: ['WRITE'] })]), 'ERR-001').evaluated)
})

t.test('ERR-001 drops to informational for a module that cannot run', async (t) => {
  const subject = graph('make', [make, node('a', { effects: ['WRITE'], orphan: true })], { edges: [] })
  t.same(outcome(subject, 'ERR-001').severities, ['info'])
})

t.test('ERR-002 is said once per workflow and belongs to no module', async (t) => {
  const { severities, modules } = outcome(graph('n8n', [n8n, { ...n8n, key: 'second' }, node('a')], exposed), 'ERR-002')
  t.same(severities, ['low'])
  t.same(modules, [null])
})

t.test('ERR-002 is medium where money, deletion or identities are concerned', async (t) => {
  for (const effect of ['MONEY', 'DELETE', 'IDENTITY'] satisfies Effect[]) {
    t.same(outcome(graph('n8n', [n8n, node('a', { effects: [effect] })], exposed), 'ERR-002').severities, ['medium'])
  }
})

t.test('ERR-002 passes a workflow that names an error workflow', async (t) => {
  const { evaluated, severities } = outcome(graph('n8n', [n8n, node('a')]), 'ERR-002')
  t.ok(evaluated)
  t.same(severities, [])
})

t.test('ERR-002 does not judge Make, nor workflows started by hand, by others or by an error', async (t) => {
  t.notOk(outcome(graph('make', [make], exposed), 'ERR-002').evaluated)
  for (const type of ['manualTrigger', 'executeWorkflowTrigger', 'errorTrigger']) {
    const trigger = node('start', { kind: 'trigger', type: `n8n-nodes-base.${type}` })
    t.notOk(outcome(graph('n8n', [trigger], exposed), 'ERR-002').evaluated, type)
  }
})

t.test('ERR-003 names an Ignore that is the whole handler, and not one after steps of its own', async (t) => {
  const ignored = node('a', { onError: 'continue', directive: 'Ignore', handlerOnlyDirective: true })
  t.same(outcome(graph('make', [make, ignored]), 'ERR-003').severities, ['medium'])
  const reported = { ...ignored, handlerOnlyDirective: false }
  t.same(outcome(graph('make', [make, reported]), 'ERR-003').severities, [])
  t.ok(outcome(graph('make', [make, reported]), 'ERR-003').evaluated)
})

t.test('ERR-003 passes a Make Resume handler', async (t) => {
  const resumed = node('a', { onError: 'continue', directive: 'Resume', handlerOnlyDirective: true })
  t.same(outcome(graph('make', [make, resumed]), 'ERR-003').severities, [])
})

t.test('ERR-003 names an n8n node that continues untested, and passes one that a later node tests', async (t) => {
  const careless = node('a', { onError: 'continue' })
  t.same(outcome(graph('n8n', [n8n, careless, node('b')]), 'ERR-003').severities, ['medium'])
  const tests = node('if', { kind: 'branch', testsError: true })
  t.same(outcome(graph('n8n', [n8n, careless, node('b'), tests]), 'ERR-003').severities, [])
  t.same(outcome(graph('n8n', [n8n, tests, careless]), 'ERR-003').severities, ['medium'])
})

t.test('ERR-003 is high when retries hide that every try failed', async (t) => {
  t.same(outcome(graph('n8n', [n8n, node('a', { onError: 'continue', retry: true })]), 'ERR-003').severities, ['high'])
})

t.test('ERR-003 counts the error output of n8n as handled', async (t) => {
  const { evaluated, severities } = outcome(graph('n8n', [n8n, node('a', { onError: 'route' })]), 'ERR-003')
  t.ok(evaluated)
  t.same(severities, [])
})
