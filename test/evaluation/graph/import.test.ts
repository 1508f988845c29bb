import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t from 'tap'
import { importBlueprint, parseBlueprint } from '../../../evaluation/graph/import.ts'
import type { FactGraph, ImportResult } from '../../../evaluation/graph/types.ts'

const MAKE = { name: 'One', flow: [{ id: 1, module: 'util:Composer', mapper: {} }], metadata: {} }
const N8N = { name: 'Two', nodes: [{ name: 'Start', type: 'n8n-nodes-base.manualTrigger' }], connections: {} }

function graphOf (result: ImportResult): FactGraph {
  if (!result.ok) throw new Error(result.reason)
  return result.graph
}

t.test('unwraps every wrapper and points into the document as given', async (t) => {
  const wrappers: [string, unknown, string, string][] = [
    ['plain Make', MAKE, 'make', '/flow/0'],
    ['API answer', { code: 'OK', response: { blueprint: MAKE, scheduling: { type: 'on-demand' } } }, 'make', '/response/blueprint/flow/0'],
    ['blueprint object', { blueprint: MAKE }, 'make', '/blueprint/flow/0'],
    ['blueprint string', { blueprint: JSON.stringify(MAKE) }, 'make', '/blueprint/flow/0'],
    ['API answer with a string', { response: { blueprint: JSON.stringify(MAKE) } }, 'make', '/response/blueprint/flow/0'],
    ['newer export', { ...MAKE, io: { input_spec: [], output_spec: [] } }, 'make', '/flow/0'],
    ['plain n8n', N8N, 'n8n', '/nodes/0'],
    ['list of one', [N8N], 'n8n', '/0/nodes/0'],
    ['data wrapper', { data: N8N }, 'n8n', '/data/nodes/0'],
    ['data list', { data: [N8N] }, 'n8n', '/data/0/nodes/0'],
    ['workflow wrapper', { workflow: N8N }, 'n8n', '/workflow/nodes/0']
  ]
  for (const [name, document, platform, pointer] of wrappers) {
    const graph = graphOf(importBlueprint(document))
    t.equal(graph.platform, platform, name)
    t.same(graph.nodes.map((node) => node.pointer), [pointer], name)
  }
  t.equal(graphOf(importBlueprint({ response: { blueprint: MAKE, scheduling: { type: 'on-demand' } } })).settings.subWorkflow, true)
})

t.test('tolerates a byte-order mark, outside and inside', async (t) => {
  t.equal(parseBlueprint('\ufeff' + JSON.stringify(MAKE)).ok, true)
  t.equal(importBlueprint({ blueprint: '\ufeff' + JSON.stringify(MAKE) }).ok, true)
})

t.test('refuses with a reason that never quotes the document', async (t) => {
  const documents: unknown[] = [null, 7, 'CANARY', [], [N8N, N8N], {}, { flow: 'CANARY' }, { nodes: { CANARY: 1 } }, { blueprint: '{CANARY' },
    { data: { data: { data: { data: { data: { data: { data: N8N } } } } } } }]
  for (const document of documents) {
    const result = importBlueprint(document)
    t.equal(result.ok, false, JSON.stringify(document))
    t.notMatch(JSON.stringify(result), /CANARY/)
    if (!result.ok) t.match(result.reason, /\.$/)
  }
  for (const text of ['', '  ', '{"CANARY": ', 'CANARY', '\ufeff']) {
    const result = parseBlueprint(text)
    t.equal(result.ok, false)
    t.notMatch(JSON.stringify(result), /CANARY/)
  }
})

t.test('leaves the document as it was', async (t) => {
  const document = structuredClone({ response: { blueprint: MAKE } })
  importBlueprint(document)
  t.same(document, { response: { blueprint: MAKE } })
})

const corpus = resolve(process.cwd(), '../shared/data/blueprints')
const skip = existsSync(corpus) ? false : 'the shared corpus is not part of this checkout'

interface IndexEntry { file: string, modules: number, orphans: number, disabled: number, dangling: number }

t.test('reads all files of the corpus with the counts of its index', { skip }, async (t) => {
  for (const platform of ['make', 'n8n']) {
    const index: IndexEntry[] = JSON.parse(readFileSync(join(corpus, `${platform}-index.json`), 'utf8'))
    t.equal(index.length, readdirSync(join(corpus, platform)).length)
    for (const entry of index) {
      const { nodes, problems } = graphOf(parseBlueprint(readFileSync(join(corpus, platform, entry.file), 'utf8')))
      const counts = {
        modules: nodes.length,
        orphans: nodes.filter(({ orphan }) => orphan).length,
        disabled: nodes.filter(({ disabled }) => disabled).length,
        dangling: problems.filter(({ code }) => code === 'dangling_edge').length
      }
      t.match(entry, counts, entry.file)
    }
  }
})

t.test('finds no provider token in the masked corpus', { skip }, async (t) => {
  for (const platform of ['make', 'n8n']) {
    for (const file of readdirSync(join(corpus, platform))) {
      const { nodes } = graphOf(parseBlueprint(readFileSync(join(corpus, platform, file), 'utf8')))
      t.notOk(nodes.some(({ facts }) => facts.some(({ classes }) => classes.includes('provider-token'))), file)
    }
  }
})
