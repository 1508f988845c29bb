import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { evaluateGraph } from '../../evaluation/evaluate.ts'
import { parseBlueprint } from '../../evaluation/graph/import.ts'
import type { FactGraph } from '../../evaluation/graph/types.ts'

const folder = process.env['TEST_BLUEPRINTS'] ?? '../shared/data/blueprints'

interface Indexed { file: string, modules?: number, nodes?: number, orphans?: number, dangling?: number, edges?: Record<string, number> }

t.test('counts over real blueprints equal their index', { skip: existsSync(join(folder, 'make-index.json')) ? false : 'no corpus (TEST_BLUEPRINTS)' }, async (t) => {
  const differences: string[] = []
  let files = 0
  for (const platform of ['make', 'n8n'] as const) {
    const index: Indexed[] = JSON.parse(readFileSync(join(folder, `${platform}-index.json`), 'utf8'))
    for (const entry of index) {
      const parsed = parseBlueprint(readFileSync(join(folder, platform, entry.file), 'utf8'))
      if (!parsed.ok) {
        differences.push(`${entry.file}: refused`)
        continue
      }
      files++
      const { graph } = parsed
      const expected = entry.modules ?? entry.nodes
      if (graph.nodes.length !== expected) differences.push(`${entry.file}: ${graph.nodes.length} modules, not ${String(expected)}`)
      for (const [kind, count] of Object.entries(countsOf(graph))) {
        const wanted = kind === 'orphans' ? entry.orphans : entry.dangling
        if (wanted !== undefined && wanted !== count) differences.push(`${entry.file}: ${count} ${kind}, not ${wanted}`)
      }
      evaluateGraph(graph)
    }
  }
  t.equal(files, readdirSync(join(folder, 'make')).length + readdirSync(join(folder, 'n8n')).length)
  t.comment(`${files} files, ${differences.length} differences`)
  t.same(differences, [])
})

function countsOf (graph: FactGraph): { orphans: number, dangling: number } {
  return { orphans: graph.nodes.filter(({ orphan }) => orphan).length, dangling: graph.problems.filter(({ code }) => code === 'dangling_edge').length }
}
