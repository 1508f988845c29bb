import fc from 'fast-check'
import t from 'tap'
import type { FactClass, FactGraph, FlowNode, Platform } from '../../evaluation/graph/types.ts'
import { evaluateGraph, StaleFactsError } from '../../evaluation/evaluate.ts'
import { edge, fact, graph, node, quietTrigger, WEBHOOK } from './graph-builder.ts'

const hook = node('hook', { type: WEBHOOK, kind: 'trigger', effects: ['INGRESS', 'OPEN'] })

/** Several codes at several severities, on more than one module. */
function noisy (): FactGraph {
  return graph('n8n', [
    hook,
    node('a', { kind: 'http', onError: 'continue', facts: [fact(['plain-http-public']), fact(['secret-literal'])] }),
    node('b', { facts: [fact(['provider-token'])] }),
    node('dead')
  ], { edges: [edge(0, 1), edge(1, 2)], settings: { errorWorkflow: false } })
}

t.test('gives the same bytes for the same graph and leaves the graph alone', async (t) => {
  const subject = noisy()
  const before = JSON.stringify(subject)
  t.equal(JSON.stringify(evaluateGraph(subject)), JSON.stringify(evaluateGraph(structuredClone(subject))))
  t.equal(JSON.stringify(subject), before)
})

t.test('sorts findings by severity, code and place, and counts codes', async (t) => {
  const result = evaluateGraph(noisy())
  t.same(result.violations.map(({ severity, code }) => `${severity} ${code}`), [
    'critical SEC-001', 'high ACC-001', 'high NET-001', 'high SEC-002', 'medium ERR-003', 'low ERR-002', 'low FLW-001'
  ])
  t.equal(result.critical, 1)
  t.equal(result.failingCount, 7)
  t.equal(result.passingCount, result.evaluatedCodes.length - 7)
  t.same(result.evaluatedCodes, [...result.evaluatedCodes].sort())
  for (const code of ['ACC-001', 'ERR-002', 'ERR-003', 'FLW-001', 'FLW-002', 'NET-001', 'SEC-001', 'SEC-002']) t.ok(result.evaluatedCodes.includes(code), code)
  for (const code of ['INJ-001', 'AIX-001', 'ERR-001', 'FLW-008']) t.notOk(result.evaluatedCodes.includes(code), `${code} has no subject here`)
  t.equal(result.score, 100 - 25 - 30 - 4 - 2)
  t.equal(result.modules, 4)
})

t.test('sums up each module with findings, in document order, and leaves out the clean ones', async (t) => {
  t.same(evaluateGraph(noisy()).moduleSummary, [
    { id: 'hook', name: 'Step hook', type: WEBHOOK, worst_severity: 'high', codes: ['ACC-001'], violations: 1 },
    { id: 'a', name: 'Step a', type: 'test:step', worst_severity: 'high', codes: ['ERR-003', 'NET-001', 'SEC-002'], violations: 3 },
    { id: 'b', name: 'Step b', type: 'test:step', worst_severity: 'critical', codes: ['SEC-001'], violations: 1 },
    { id: 'dead', name: 'Step dead', type: 'test:step', worst_severity: 'low', codes: ['FLW-001'], violations: 1 }
  ])
})

t.test('lists compliance gaps sorted, once, and only from medium upwards', async (t) => {
  const { complianceGaps } = evaluateGraph(noisy())
  t.same(complianceGaps, [...new Set(complianceGaps)].sort())
  t.ok(complianceGaps.includes('PCI DSS 8.6.2'))
  t.notOk(complianceGaps.includes('SOC 2 CC8.1'), 'a low finding leaves no gap')
})

t.test('hands out copies: a caller cannot change the catalogue', async (t) => {
  evaluateGraph(noisy()).violations[0]?.frameworks.splice(0)
  t.ok((evaluateGraph(noisy()).violations[0]?.frameworks.length ?? 0) > 0)
})

t.test('is quiet on a good flow and on an empty one', async (t) => {
  for (const platform of ['make', 'n8n'] satisfies Platform[]) {
    const good = evaluateGraph(graph(platform, [quietTrigger(platform), node('a', { effects: ['WRITE'], directive: 'Break' })], { settings: { dlq: true } }))
    t.same(good.violations, [])
    t.equal(good.score, 100)
    t.same(evaluateGraph(graph(platform, [])).evaluatedCodes, [])
  }
})

t.test('refuses facts older than a rule needs, saying that the scenario must be imported again', async (t) => {
  t.throws(() => evaluateGraph(graph('make', [], { factsVersion: 0 })), StaleFactsError)
  t.throws(() => evaluateGraph(graph('make', [], { factsVersion: 0 })), { message: /must be imported again/, factsVersion: 0, neededVersion: 3 })
})

t.test('keeps fingerprints when modules move, are renumbered and get new neighbours', async (t) => {
  const secret = (key: string, pointer: string): FlowNode => node(key, {
    label: 'Ask', pointer, facts: [fact(['secret-literal'], { pointer: `${pointer}/mapper/headers/0/value` })]
  })
  const before = evaluateGraph(graph('make', [quietTrigger('make'), secret('2', '/flow/1')]))
  const moved = secret('9', '/flow/1/routes/0/flow/3')
  const after = evaluateGraph(graph('make', [quietTrigger('make'), node('5'), moved]))
  t.equal(before.violations[0]?.fingerprint, after.violations[0]?.fingerprint)
  t.match(before.violations[0]?.fingerprint, /^[0-9a-f]{32}$/)
})

t.test('gives different findings different fingerprints, even two headers of one module', async (t) => {
  const facts = [0, 1].map((index) => fact(['secret-literal'], { pointer: `/flow/1/mapper/headers/${index}/value` }))
  const twin = (key: string): FlowNode => node(key, { label: 'Ask', pointer: '/flow/1', facts })
  const { violations } = evaluateGraph(graph('make', [quietTrigger('make'), twin('1'), twin('2')]))
  t.equal(violations.length, 4)
  t.equal(new Set(violations.map(({ fingerprint }) => fingerprint)).size, 4)
})

t.test('never shows a field, provider or pointer text in a message', async (t) => {
  const canary = 'CANARY'
  const classes: FactClass[] = ['provider-token', 'plain-http-public', 'sql-text', 'data-reference']
  const leaf = fact(classes, { field: canary, provider: canary, pointer: `/${canary}`, kind: 'template' })
  const subject = graph('n8n', [hook, node('a', { effects: ['SQL'], connections: [{ slot: canary, ref: canary }], refs: [canary], facts: [leaf] })])
  for (const { message, title } of evaluateGraph(subject).violations) t.notMatch(message + title, canary)
})

t.test('terminates on any wiring, cycles and self-loops included, for both platforms', async (t) => {
  const kinds = fc.constantFrom('flow', 'loop', 'error', 'tool', 'ai', 'feed', 'merge')
  const wires = fc.array(fc.record({ from: fc.nat(7), to: fc.nat(7), kind: kinds }), { maxLength: 40 })
  fc.assert(fc.property(wires, fc.constantFrom<Platform>('make', 'n8n'), (list, platform) => {
    const nodes = Array.from({ length: 8 }, (_, index) => node(String(index), { kind: index % 3 === 0 ? 'agent' : 'action', effects: ['WRITE'] }))
    const subject = graph(platform, nodes, { edges: list.map(({ from, to, kind }) => edge(from, to, { kind })) })
    const { score } = evaluateGraph(subject)
    return score >= 0 && score <= 100
  }))
})

// What else the machine does takes none of it.
function processorMs (before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

t.test('evaluates 10,000 modules in a chain, each with a finding, in under a second of a processor', async (t) => {
  const nodes = Array.from({ length: 10_000 }, (_, index) => node(String(index), { kind: 'agent', effects: ['WRITE'], facts: [fact(['secret-literal'])] }))
  for (const kind of ['flow', 'tool'] as const) {
    const edges = nodes.slice(1).map((_, index) => edge(index, index + 1, { kind }))
    const before = process.cpuUsage()
    const result = evaluateGraph(graph('make', nodes, { edges }))
    t.ok(processorMs(before) < 1000, kind)
    t.equal(result.modules, 10_000)
  }
})

t.test('evaluates 10,000 modules that no run arrives at in under a second of a processor', async (t) => {
  const nodes = Array.from({ length: 10_000 }, (_, index) => node(String(index), { label: 'Same' }))
  const before = process.cpuUsage()
  const { violations } = evaluateGraph(graph('make', nodes, { edges: [] }))
  t.ok(processorMs(before) < 1000)
  t.equal(violations.filter(({ code }) => code === 'FLW-001').length, 9_999)
})
