import t from 'tap'
import { evaluateGraph } from '../../evaluation/evaluate.ts'
import { importBlueprint } from '../../evaluation/graph/import.ts'
import type { FactGraph } from '../../evaluation/graph/types.ts'
import { connectionUses, NO_ORGANIZATION, OPTIONS_DEFAULT, parseOptions, type ConnectionReach, type GovernanceOptions } from '../../evaluation/organization.ts'
import { m, make, n8n, node, start, type Fields } from './rules/cases.ts'

function graphOf (blueprint: Fields): FactGraph {
  const imported = importBlueprint(JSON.parse(JSON.stringify(blueprint)))
  if (!imported.ok) throw new Error(imported.reason)
  return imported.graph
}

const bound = (module: string, slot: string, ref: number): Fields => make([m(1, module, {}, { parameters: { [slot]: ref } })])
const reads = graphOf(bound('notion:getItem', '__IMTCONN__', 5))
const codes = (graph: FactGraph, more: { reach?: Record<string, ConnectionReach>, options?: Partial<GovernanceOptions> } = {}): string[] =>
  evaluateGraph(graph, { reach: more.reach ?? {}, options: { ...OPTIONS_DEFAULT, ...more.options } }).violations.map(({ code, severity }) => `${code} ${severity}`)

t.test('a connection of ten scenarios carries too many, one of nine does not', async (t) => {
  const over = (scenarios: number): boolean => codes(reads, { reach: { 5: { scenarios, writes: false, consequential: false } } }).includes('ACC-006 low')
  t.same([over(9), over(10)], [false, true])
  t.ok(codes(reads, { reach: { 5: { scenarios: 3, writes: false, consequential: false } }, options: { connection_scenarios: 3 } }).includes('ACC-006 low'), 'the organization may say how many')
})

t.test('everyday writes here and money elsewhere share a connection', async (t) => {
  const writes = graphOf(bound('notion:createItem', '__IMTCONN__', 5))
  t.notOk(codes(writes).includes('ACC-006 low'))
  t.ok(codes(writes, { reach: { 5: { scenarios: 2, writes: true, consequential: true } } }).includes('ACC-006 low'))
})

t.test('a hook is no connection, and a keychain entry is not the connection of the same number', async (t) => {
  t.same([...connectionUses(graphOf(bound('gateway:CustomWebHook', 'hook', 5))).keys()], [])
  t.same([...connectionUses(graphOf(bound('http:ActionSendDataAPIKeyAuth', 'apiKeyKeychain', 5))).keys()], ['keychain:5'])
  t.same([...connectionUses(reads)], [['5', { writes: false, consequential: false }]])
})

t.test('what the organization allows is no community component, and lowers what else is said of components', async (t) => {
  const custom = graphOf(n8n([start, node('Do', 'n8n-nodes-acme.acme')]))
  t.same(codes(custom), ['CMP-001 medium'])
  t.same(codes(custom, { options: { allowed: ['n8n-nodes-acme.acme'] } }), [])
  t.same(codes(custom, { options: { allowed: ['acme'] } }), [], 'the app alone is enough')
  const host = graphOf(n8n([start, node('Do', 'readWriteFile')]))
  t.same([codes(host), codes(host, { options: { allowed: ['readWriteFile'] } })], [['CMP-003 high'], ['CMP-003 medium']])
})

t.test('an allow-list says nothing of secrets', async (t) => {
  const secret = graphOf(n8n([start, node('Do', 'hubspot', { operation: 'get', clientSecret: 'q8Zr5Tn2Vb7Xk4Lw9' })]))
  t.same(codes(secret, { options: { allowed: ['hubspot'] } }).filter((one) => one.startsWith('SEC')), ['SEC-002 high'])
})

t.test('the organization may say what is too large to review', async (t) => {
  const three = graphOf(make([m(1, 'crm:getRecord'), m(2, 'crm:getRecord'), m(3, 'crm:getRecord')]))
  t.same([codes(three), codes(three, { options: { modules: 2 } })], [[], ['GOV-006 low']])
})

t.test('options are taken whole or not at all', async (t) => {
  t.same(parseOptions({}), { ok: true, options: OPTIONS_DEFAULT })
  t.same(parseOptions({ allowed: ['b', 'a', 'a'], modules: 80 }), { ok: true, options: { ...OPTIONS_DEFAULT, allowed: ['a', 'b'], modules: 80 } })
  for (const given of [null, [], 'x', { modules: '80' }, { modules: 0 }, { modules: 1.5 }, { nesting: 100_001 }, { allowed: 'a' }, { allowed: [1] }, { allowed: [''] }, { allowed: ['a\u001b[2J'] }, { allowed: Array(501).fill('a') }, { severity: 'low' }]) {
    t.equal(parseOptions(given).ok, false, JSON.stringify(given)?.slice(0, 60))
  }
})

t.test('without an organization a graph is judged on its own', async (t) => {
  t.same(evaluateGraph(reads), evaluateGraph(reads, NO_ORGANIZATION))
})
