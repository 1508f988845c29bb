import t from 'tap'
import { importBlueprint, parseBlueprint } from '../../../evaluation/graph/import.ts'
import type { FactGraph } from '../../../evaluation/graph/types.ts'

function read (flow: unknown[], rest: object = {}): FactGraph {
  const result = importBlueprint({ name: 'Scenario', flow, ...rest })
  if (!result.ok) throw new Error(result.reason)
  return result.graph
}

function edges (graph: FactGraph): string[] {
  return graph.edges.map(({ from, to, kind, slot }) => `${graph.nodes[from]?.key}>${graph.nodes[to]?.key} ${kind} ${slot}`)
}

const step = (id: unknown, more: object = {}): object => ({ id, module: 'util:Composer', mapper: {}, ...more })

t.test('wires flow, route, error, tool and feed edges in document order', async (t) => {
  const graph = read([
    step(1, { onerror: [step(9, { module: 'builtin:Ignore' })] }),
    step(2, { module: 'ai-local-agent:RunLocalAIAgent', tools: [{ name: 'a', flow: [step(3)] }] }),
    step(4, { module: 'builtin:BasicAggregator', parameters: { feeder: 1 } }),
    step(5, { module: 'builtin:BasicRouter', mapper: null, routes: [{ flow: [step(6), step(7)] }, { flow: [step(8)], disabled: true }] })
  ], { metadata: { designer: { orphans: [[step(10), step(11)]] } } })
  t.same(graph.nodes.map(({ key }) => key), ['1', '9', '2', '3', '4', '5', '6', '7', '8', '10', '11'])
  t.same(edges(graph).sort(), ['10>11 flow 0', '1>2 flow 0', '1>9 error 0', '2>3 tool 0', '2>4 flow 0', '4>1 feed 0', '4>5 flow 0', '5>6 route 0',
    '5>8 route 1', '6>7 flow 0'])
  t.same(graph.entries, [0])
  t.same(graph.nodes.filter(({ orphan }) => orphan).map(({ key }) => key), ['10', '11'])
  t.same(graph.nodes.filter(({ disabled }) => disabled).map(({ key }) => key), ['8'])
})

t.test('joins merging branches at the Merge and lets the others end', async (t) => {
  const graph = read([
    step(1, { module: 'builtin:BasicIfElse', branches: [{ type: 'condition', merge: true, flow: [step(2)] }, { type: 'else', merge: true, flow: [] }, { merge: false, flow: [step(3)] }] }),
    step(4, { module: 'builtin:BasicMerge' })
  ])
  t.same(edges(graph).sort(), ['1>2 branch 0', '1>3 branch 2', '1>4 merge 1', '2>4 merge 0'])
})

t.test('says what a handler does', async (t) => {
  const handled = (onerror: unknown): unknown => {
    const [node] = read([step(1, { onerror })]).nodes
    return [node?.onError, node?.directive, node?.handlerOnlyDirective, node?.retry]
  }
  t.same(handled(undefined), ['stop', undefined, undefined, false])
  t.same(handled([]), ['stop', undefined, undefined, false])
  t.same(handled([step(2, { module: 'builtin:Ignore' })]), ['continue', 'Ignore', true, false])
  t.same(handled([step(2, { module: 'builtin:Break', mapper: { retry: 'true' } })]), ['stop', 'Break', true, true])
  t.same(handled([step(2), step(3, { module: 'builtin:Resume' })]), ['continue', 'Resume', false, false])
  t.same(handled([step(2)]), ['route', null, false, false])
  t.same(handled(step(2, { module: 'builtin:Ignore' })), ['continue', 'Ignore', true, false])
  t.same(handled({ flow: [step(2)] }), ['route', null, false, false])
  t.same(handled([{ directive: 'ignore' }]), ['continue', 'Ignore', true, false])
})

t.test('tolerates what real and generated files hold', async (t) => {
  const graph = read([
    step('1', { mapper: null, version: '4' }), step(1), step(undefined), { id: 5 }, 'text', null,
    step(7, { module: 'builtin:BasicRouter', mapper: null }), step(8, { module: 'builtin:BasicRouter', routes: [{}, null, { flow: [] }] }),
    step(9, { module: 'no-such-app:Thing' }), step(10, { filter: { name: 'no conditions' } }), step(11, { routes: [{ filter: { conditions: [[{ a: 1 }]] }, flow: [step(12)] }] })
  ])
  t.same(graph.nodes.map(({ key }) => key), ['1', '1#2', 'module-2', '7', '8', '9', '10', '11', '12'])
  t.equal(graph.nodes[0]?.version, 4)
  t.same(graph.problems.map(({ code }) => code), ['duplicate_key', 'skipped_object', 'skipped_object', 'skipped_object'])
  t.notOk(graph.nodes.some(({ gated }) => gated))
})

t.test('reads gates, connections, references and settings', async (t) => {
  const graph = read([
    step(1, { parameters: { __IMTCONN__: 42, hook: null, key: 'not a number' }, filter: { conditions: [[{ a: '{{2.token}}', o: 'text:equal', b: 'x' }]] } }),
    step(2, { mapper: { text: '{{1.name}} at {{formatDate(3.d; "9.x")}} v1.2' } })
  ], { metadata: { zone: 'eu2.make.com', notes: ['a', 'b'], scenario: { dlq: true, sequential: true, autoCommit: false } } })
  t.same(graph.nodes[0]?.connections, [{ slot: '__IMTCONN__', ref: '42' }, { slot: 'hook', ref: null }])
  t.equal(graph.nodes[0]?.gated, true)
  t.same(graph.nodes[0]?.facts.map(({ classes }) => classes), [['data-reference', 'auth-check']])
  t.same(graph.nodes[1]?.refs, ['1', '3'])
  t.match(graph.settings, { dlq: true, sequential: true, autoCommit: false, zone: 'eu2.make.com' })
  t.equal(graph.notes, 2)
})

t.test('knows what modules do', async (t) => {
  const types = ['gateway:CustomWebHook', 'google-sheets:addRow', 'google-drive:deleteAFile', 'stripe:createCharge', 'airtable:ActionSearchRecords', 'mysql:ExecuteQuery', 'slack:WatchMessages']
  t.same(read(types.map((module, i) => step(i + 1, { module }))).nodes.map(({ kind, effects }) => [kind, ...effects]), [
    ['trigger', 'INGRESS', 'OPEN'], ['action', 'WRITE', 'SHEET', 'EGRESS'], ['action', 'DELETE', 'EGRESS'], ['action', 'WRITE', 'MONEY', 'EGRESS'],
    ['search', 'READ', 'SHEET', 'EGRESS'], ['action', 'WRITE', 'SQL', 'EGRESS'], ['trigger', 'INGRESS']
  ])
  const call = (mapper: object): unknown => read([step(1, { module: 'http:ActionSendData', mapper })]).nodes[0]?.effects
  t.same(call({ method: 'post', url: 'https://api.openai.com/v1/x' }), ['EGRESS', 'AI'])
  t.same(call({ method: 'delete', url: 'https://a.example' }), ['EGRESS', 'DELETE'])
  t.same(call({ method: '{{1.m}}', url: '{{1.u}}' }), ['EGRESS', 'WRITE'])
})

t.test('keeps no value of a configuration', async (t) => {
  let count = 0
  const canary = (): string => `CANARY${count++}q`
  const graph = read([
    step(1, {
      parameters: { a: canary(), account: canary(), key: canary() },
      mapper: { url: `http://${canary()}.com/`, text: `{{2.a}} ${canary()}`, headers: [{ name: 'Authorization', value: `Bearer ${canary()}x8Kd02ma` }], [`k${'y'.repeat(5)}`]: { deep: [canary()] } },
      filter: { name: canary(), conditions: [[{ a: canary(), o: canary(), b: canary() }]] },
      metadata: { restore: { parameters: { __IMTCONN__: { label: canary() } } }, expect: [{ name: canary() }] },
      routes: [{ name: canary(), flow: [] }],
      tools: [{ name: canary(), description: canary(), flow: [] }],
      onerror: [{ directive: canary() }]
    })
  ], { description: canary(), metadata: { notes: [canary()], zone: canary(), scenario: { dlq: canary() } }, scheduling: { type: canary() } })
  t.notMatch(JSON.stringify(graph), /CANARY/)
  t.same(graph.dropped, ['/flow/0/metadata/restore'])
  t.ok(graph.nodes[0]?.facts.some(({ field, classes }) => field === 'Authorization' && classes.includes('secret-literal')))
})

t.test('reads ten thousand modules', async (t) => {
  const graph = read(Array.from({ length: 10_000 }, (_, i) => step(i + 1, { mapper: { x: `{{${i}.a}}` } })))
  t.equal(graph.nodes.length, 10_000)
  t.equal(graph.edges.length, 9_999)
})

t.test('notes deep nesting, and refuses ten thousand nested routes without overflowing', async (t) => {
  const nested = (levels: number): string => '{"name":"d","flow":[' + '{"id":1,"module":"builtin:BasicRouter","routes":[{"flow":['.repeat(levels) + ']}]}'.repeat(levels) + ']}'
  const deep = parseBlueprint(nested(1000))
  t.ok(deep.ok)
  if (deep.ok) {
    t.equal(deep.graph.nodes.length, 1000)
    t.equal(deep.graph.problems.filter(({ code }) => code === 'depth_limit').length, 1)
  }
  t.match(parseBlueprint(nested(10_000)), { ok: false, reason: /5000 levels/ })
})
