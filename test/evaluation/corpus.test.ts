import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { evaluateGraph } from '../../evaluation/evaluate.ts'
import { parseBlueprint } from '../../evaluation/graph/import.ts'
import type { FactGraph } from '../../evaluation/graph/types.ts'
import { analyse } from '../../evaluation/rules/analysis.ts'

const folder = process.env['TEST_BLUEPRINTS'] ?? '../shared/data/blueprints'
const skip = existsSync(join(folder, 'make-index.json')) ? false : 'no corpus (TEST_BLUEPRINTS)'

interface Counts { modules: number, edges: Record<string, number>, triggers: string[], unreachable: number, orphans: number, dangling: number, disabled: number }

// The index names at most six triggers of a file.
const TRIGGERS_LISTED = 6

// The index was counted by another parser. Where its words differ from the graph's, the graph is counted by the index's words:
// - edges: n8n's tool edges are `ai` there, its merge and loop edges are `flow`, and every edge out of a Split In Batches is `loopout`;
//   Make's aggregators lead nowhere there, whereas the graph keeps an edge to the module that they collect from;
// - unreachable: a disabled trigger starts a run there, and none in the graph.
function countsOf (graph: FactGraph): Counts {
  const edges: Record<string, number> = {}
  for (const { from, kind } of graph.edges) {
    if (kind === 'feed') continue
    const word = indexWord(graph, from, kind)
    edges[word] = (edges[word] ?? 0) + 1
  }
  const started = { ...graph, entries: graph.platform === 'make' ? graph.entries : graph.nodes.flatMap(({ kind }, index) => kind === 'trigger' ? [index] : []) }
  const { reach } = analyse(started)
  return {
    modules: graph.nodes.length,
    edges: Object.fromEntries(Object.entries(edges).sort()),
    triggers: graph.nodes.filter(({ kind }) => kind === 'trigger').map(({ type }) => type).slice(0, TRIGGERS_LISTED).sort(),
    unreachable: graph.nodes.filter((_, index) => !reach.has(index)).length,
    orphans: graph.nodes.filter(({ orphan }) => orphan).length,
    dangling: graph.problems.filter(({ code }) => code === 'dangling_edge').length,
    disabled: graph.nodes.filter(({ disabled }) => disabled).length
  }
}

function indexWord ({ platform, nodes }: FactGraph, from: number, kind: string): string {
  if (platform === 'make') return kind
  if (kind === 'tool') return 'ai'
  const plain = kind === 'merge' || kind === 'loop' ? 'flow' : kind
  return plain === 'flow' && nodes[from]?.type.endsWith('.splitInBatches') === true ? 'loopout' : plain
}

t.test('modules, edges, triggers, orphans and dangling references of every real blueprint equal their index', { skip }, async (t) => {
  let files = 0
  for (const platform of ['make', 'n8n'] as const) {
    const index: (Counts & { file: string })[] = JSON.parse(readFileSync(join(folder, `${platform}-index.json`), 'utf8'))
    for (const { file, modules, edges, triggers, unreachable, orphans, dangling, disabled } of index) {
      const parsed = parseBlueprint(readFileSync(join(folder, platform, file), 'utf8'))
      if (!parsed.ok) {
        t.fail(`${file}: ${parsed.reason}`)
        continue
      }
      files++
      t.same(countsOf(parsed.graph), { modules, edges: Object.fromEntries(Object.entries(edges).sort()), triggers: [...triggers].sort(), unreachable, orphans, dangling, disabled }, file)
      t.equal(JSON.stringify(evaluateGraph(parsed.graph)), JSON.stringify(evaluateGraph(JSON.parse(JSON.stringify(parsed.graph)))), 'a stored graph gives the same bytes')
    }
  }
  t.equal(files, readdirSync(join(folder, 'make')).length + readdirSync(join(folder, 'n8n')).length)
})
