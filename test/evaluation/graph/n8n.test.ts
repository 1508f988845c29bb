import t from 'tap'
import { importBlueprint, parseBlueprint } from '../../../evaluation/graph/import.ts'
import type { FactGraph } from '../../../evaluation/graph/types.ts'

interface Wire { [source: string]: unknown }

function read (nodes: unknown[], connections: Wire = {}, rest: object = {}): FactGraph {
  const result = importBlueprint({ name: 'Workflow', nodes, connections, ...rest })
  if (!result.ok) throw new Error(result.reason)
  return result.graph
}

const base = (name: string, type: string, more: object = {}): object => ({ name, type: `n8n-nodes-base.${type}`, typeVersion: 1, parameters: {}, ...more })
const ai = (name: string, type: string, more: object = {}): object => ({ name, type: `@n8n/n8n-nodes-langchain.${type}`, parameters: {}, ...more })
const to = (node: string, index = 0): object => ({ node, type: 'main', index })

t.test('wires every kind of edge', async (t) => {
  const graph = read([
    base('If', 'if'), base('Loop', 'splitInBatches', { typeVersion: 3 }), base('Call', 'httpRequest', { onError: 'continueErrorOutput' }),
    base('Merge', 'merge'), ai('Agent', 'agent'), ai('Model', 'lmChatOpenAi'), base('Tool', 'gmailTool')
  ], {
    If: { main: [[to('Loop')], [to('Call')]] },
    Loop: { main: [[to('Merge', 1)], [to('Call')]] },
    Call: { main: [[to('Merge')], [to('Agent')]] },
    Model: { ai_languageModel: [[to('Agent')]] },
    Tool: { ai_tool: [[to('Agent')]] }
  })
  t.same(graph.edges.map(({ kind, slot }) => `${kind} ${slot}`), ['branch 0', 'branch 1', 'merge 0', 'loop 1', 'flow 0', 'error 1', 'ai 0', 'tool 0'])
})

t.test('takes only an output behind the node\'s own for the error output', async (t) => {
  const kinds = (type: string, main: unknown[], parameters = {}): string[] =>
    read([base('A', type, { onError: 'continueErrorOutput', parameters }), base('B', 'noOp')], { A: { main } }).edges.map(({ kind }) => kind)
  t.same(kinds('httpRequest', [[to('B')]]), ['flow'])
  t.same(kinds('httpRequest', [null, [to('B')]]), ['error'])
  t.same(kinds('if', [[], [to('B')]]), ['branch'])
  t.same(kinds('if', [[], [], [to('B')]]), ['error'])
  t.same(kinds('switch', [[to('B')], [to('B')], [to('B')]], { rules: { values: [{}, {}] } }), ['branch', 'branch', 'error'])
})

t.test('tolerates what real files hold', async (t) => {
  const graph = read([
    { id: '', name: 'A "quoted" 🚀 שלום', type: 'n8n-nodes-base.manualTrigger' }, base('B', 'noOp', { disabled: 'true', parameters: null }),
    { name: 'C', type: 'community.thing' }, { name: 'no type' }, 7, base('B', 'noOp'), { type: 'n8n-nodes-base.noOp' }, base('Second', 'cron')
  ], {
    'A "quoted" 🚀 שלום': { main: [null, [], [to('B'), to('gone'), null]] }, missing: { main: [[to('B')]] }, B: 'text', C: { main: 'text' }
  }, { meta: null, settings: null, staticData: null, pinData: null })
  t.same(graph.nodes.map(({ key }) => key), ['A "quoted" 🚀 שלום', 'B', 'C', 'B#2', 'node-4', 'Second'])
  t.equal(graph.nodes[1]?.disabled, true)
  t.equal(graph.nodes[2]?.kind, 'unknown')
  t.same(graph.entries, [0, 5])
  t.equal(graph.edges.length, 1)
  t.same(graph.problems.map(({ code }) => code).sort(), ['dangling_edge', 'dangling_edge', 'duplicate_key', 'skipped_object', 'skipped_object', 'skipped_object', 'skipped_object'])
})

t.test('takes prototype names for names', async (t) => {
  const text = '{"nodes":[{"name":"__proto__","type":"n8n-nodes-base.manualTrigger"},{"name":"constructor","type":"n8n-nodes-base.noOp"}],' +
    '"connections":{"__proto__":{"main":[[{"node":"constructor"}]]},"toString":{"main":[[{"node":"valueOf"}]]}}}'
  const result = parseBlueprint(text)
  t.ok(result.ok)
  if (!result.ok) return
  t.same(result.graph.edges, [{ from: 0, to: 1, kind: 'flow', slot: 0, gated: false }])
  t.same(result.graph.problems.map(({ code }) => code), ['dangling_edge'])
})

t.test('fills in the defaults that are not in the file', async (t) => {
  const graph = read([
    base('a', 'webhook'), base('b', 'webhook', { parameters: { authentication: 'headerAuth' } }), ai('c', 'chatTrigger'),
    ai('d', 'chatTrigger', { parameters: { public: true } }), base('e', 'slack'), base('f', 'httpRequest'), ai('g', 'mcpTrigger'),
    base('h', 'postgres'), base('i', 'postgres', { parameters: { operation: 'executeQuery', query: 'select {{ $json.id }}', options: { queryReplacement: 'x' } } })
  ])
  t.same(graph.nodes.map(({ authentication, effects }) => [authentication, effects]), [
    ['none', ['INGRESS', 'OPEN']], ['headerAuth', ['INGRESS']], ['none', ['INGRESS']], ['none', ['INGRESS', 'OPEN']],
    [undefined, ['WRITE', 'MESSAGE', 'EGRESS']], ['none', ['EGRESS', 'READ']], ['none', ['INGRESS', 'OPEN']],
    [undefined, ['WRITE', 'EGRESS']], [undefined, graph.nodes[8]?.effects]
  ])
  t.ok(graph.nodes[8]?.effects.includes('SQL'))
  t.match(graph.nodes[8]?.facts, [{ field: 'query', kind: 'template', classes: ['data-reference', 'sql-text', 'sql-parameterised'] }])
})

t.test('knows approvals, error tests, notes and failure settings', async (t) => {
  const graph = read([
    base('a', 'wait', { parameters: { resume: 'webhook' } }), base('b', 'slack', { parameters: { operation: 'sendAndWait' } }), base('c', 'wait'),
    base('d', 'if', { parameters: { conditions: { conditions: [{ leftValue: '={{ $json.error }}', rightValue: '', operator: { operation: 'exists' } }] } } }),
    base('e', 'code', { parameters: { jsCode: 'console.error(1)' }, continueOnFail: true, retryOnFail: true, notes: 'why' }), base('n', 'stickyNote')
  ])
  t.same(graph.nodes.map(({ approval }) => approval), [true, true, false, false, false])
  t.same(graph.nodes.map(({ testsError }) => testsError === true), [false, false, false, true, false])
  t.match(graph.nodes[4], { onError: 'continue', retry: true, noted: true })
  t.equal(graph.notes, 1)
})

t.test('resolves references to nodes and reports those that lead nowhere', async (t) => {
  const graph = read([base('It\'s', 'noOp'), base('B', 'set', { parameters: { v: '={{ $(\'It\\\'s\').item.json.a + $node["gone"].json.b }}' } })])
  t.same(graph.nodes[1]?.refs, ['It\'s'])
  t.same(graph.problems.map(({ code }) => code), ['missing_reference'])
})

t.test('keeps no value, and says where data was dropped', async (t) => {
  let count = 0
  const canary = (): string => `CANARY${count++}q`
  const graph = read([
    base('A', 'webhook', {
      id: canary(),
      webhookId: canary(),
      notes: canary(),
      parameters: { authentication: canary(), operation: canary(), url: `http://${canary()}.com`, jsCode: canary(), x: `={{ $json.${canary()} }} $('${canary()}')`, rl: { __rl: true, value: canary(), cachedResultName: canary() } },
      credentials: { slackApi: { id: 'abc123', name: canary(), data: canary() } }
    })
  ], {}, { pinData: { A: [{ json: canary() }] }, staticData: { x: canary() }, meta: { instanceId: canary(), templateId: canary() }, settings: { errorWorkflow: canary() }, tags: [canary()], description: canary(), versionId: canary() })
  t.notMatch(JSON.stringify(graph), /CANARY/)
  t.same(graph.dropped, ['/nodes/0/credentials/slackApi/data', '/pinData/A', '/staticData'])
  t.same(graph.nodes[0]?.connections, [{ slot: 'slackApi', ref: 'abc123' }])
})

t.test('keeps no token that stands in a name, label, field or key', async (t) => {
  const token = `ghp_${'aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6'}`
  const graph = read([base(`call ${token}`, 'httpRequest', { parameters: { headers: [{ name: token, value: token }], [token]: { v: token } }, credentials: { [token]: { id: token } } })],
    { [`call ${token}`]: { main: [[to('gone')]] } }, { name: token, pinData: { [token]: [1] } })
  t.notMatch(JSON.stringify(graph), /ghp_/)
  t.equal(graph.nodes[0]?.key, 'node-0')
  t.equal(graph.nodes[0]?.label, '(redacted)')
  t.equal(graph.nodes[0]?.facts.filter(({ provider }) => provider === 'github').length, 3)
})

t.test('reads ten thousand nodes', async (t) => {
  const nodes = Array.from({ length: 10_000 }, (_, i) => base(`n${i}`, 'set', { parameters: { a: '={{ $json.a }}' } }))
  const wires = Object.fromEntries(nodes.slice(1).map((_, i) => [`n${i}`, { main: [[to(`n${i + 1}`)]] }]))
  t.equal(read(nodes, wires).edges.length, 9_999)
})
