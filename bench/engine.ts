/**
 * Speed of the engine, from text to result: `npm run bench:engine`. Linear growth, one large file, deep nesting, hostile strings. Prints the figures
 * beside the bars that they are meant to keep; asserts nothing.
 */
import { evaluateGraph } from '../evaluation/evaluate.ts'
import { parseBlueprint } from '../evaluation/graph/import.ts'

const ROUNDS = 5

function n8nChain (count: number): string {
  const nodes = Array.from({ length: count }, (_, n) => ({
    id: `id-${n}`,
    name: `Step ${n}`,
    type: n === 0 ? 'n8n-nodes-base.webhook' : ['n8n-nodes-base.httpRequest', 'n8n-nodes-base.set', 'n8n-nodes-base.postgres', 'n8n-nodes-base.code', 'n8n-nodes-base.if'][n % 5],
    typeVersion: 2,
    position: [n, n],
    parameters: { url: `=https://api.example.com/{{ $('Step ${Math.max(0, n - 1)}').item.json.id }}`, operation: 'executeQuery', query: '=select * from t where a = \'{{ $json.email }}\'', jsCode: 'return items.map((item) => item.json)', note: 'x'.repeat(300) }
  }))
  const connections = Object.fromEntries(nodes.slice(1).map(({ name }, n) => [`Step ${n}`, { main: [[{ node: name, type: 'main', index: 0 }]] }]))
  return JSON.stringify({ name: 'Chain', nodes, connections })
}

function makeNested (depth: number): string {
  const leaf = '{"id":0,"module":"http:ActionSendData","version":3,"mapper":{"url":"https://api.example.com/"}}'
  return `{"name":"Deep","flow":[${'{"id":1,"module":"builtin:BasicRouter","routes":[{"flow":['.repeat(depth)}${leaf}${']}]}'.repeat(depth)}]}`
}

/** Best of a few rounds, milliseconds, from text to result. */
function timed (text: string): { ms: number, outcome: string } {
  let ms = Number.POSITIVE_INFINITY
  let outcome = ''
  for (let round = 0; round < ROUNDS; round++) {
    const startedMs = performance.now()
    const parsed = parseBlueprint(text)
    outcome = parsed.ok ? `${evaluateGraph(parsed.graph).violations.length} findings` : `refused: ${parsed.reason}`
    ms = Math.min(ms, performance.now() - startedMs)
  }
  return { ms, outcome }
}

function say (what: string, figure: string, bar: string): void {
  process.stdout.write(`${what.padEnd(52)} ${figure.padEnd(44)} ${bar}\n`)
}

timed(n8nChain(200))
const thousand = timed(n8nChain(1000))
const text = n8nChain(10_000)
const before = process.memoryUsage().rss
const tenThousand = timed(text)
say('1,000 modules', `${thousand.ms.toFixed(0)} ms, ${thousand.outcome}`, '')
say(`10,000 modules, ${(text.length / 1e6).toFixed(1)} MB, with the parse`, `${tenThousand.ms.toFixed(0)} ms, ${tenThousand.outcome}`, 'bar 1000 ms')
say('time of 10,000 against 1,000', (tenThousand.ms / thousand.ms).toFixed(1), 'bar 13')
say('resident memory after it', `${((process.memoryUsage().rss) / 1e6).toFixed(0)} MB (${(before / 1e6).toFixed(0)} MB before)`, 'bar 300 MB')
for (const depth of [200, 2000, 10_000]) {
  const { ms, outcome } = timed(makeNested(depth))
  say(`${depth} nested routes`, `${ms.toFixed(0)} ms, ${outcome.slice(0, 60)}`, depth === 200 ? 'accepted' : '')
}
const MEGABYTE = 1_000_000
for (const [name, value] of [
  ['letters', 'a'.repeat(MEGABYTE)], ['opening braces', '{{'.repeat(MEGABYTE / 2)], ['expressions', '={{ $json.email }}'.repeat(MEGABYTE / 18)], ['token prefixes', 'sk-eyJghp_AKIA'.repeat(MEGABYTE / 14)],
  ['dots and brackets', '.a["b"]'.repeat(MEGABYTE / 7)], ['at signs', 'a@'.repeat(MEGABYTE / 2)], ['slashes', 'https://'.repeat(MEGABYTE / 8)], ['spaces', ' '.repeat(MEGABYTE)], ['query parameters', '?key=a&token=b&'.repeat(MEGABYTE / 15)]
] as const) {
  for (const field of ['url', 'jsCode', 'value']) {
    const blueprint = JSON.stringify({ nodes: [{ name: 'A', type: 'n8n-nodes-base.code', parameters: { [field]: value } }], connections: {} })
    const { ms } = timed(blueprint)
    if (ms > 50 || field === 'url') say(`1 MB of ${name} in ${field}`, `${ms.toFixed(0)} ms`, 'bar 50 ms')
  }
}
