import t from 'tap'
import type { FactClass, FlowNode, LeafKind } from '../../../evaluation/graph/types.ts'
import { BOTH, fact, graph, node, outcome, quietTrigger } from '../graph-builder.ts'

const BUILT: FactClass[] = ['sql-text', 'data-reference']
const sql = (classes: FactClass[], kind: LeafKind = 'template'): FlowNode => node('sql', { effects: ['SQL', 'READ'], facts: [fact(classes, { kind })] })

for (const platform of BOTH) {
  const start = quietTrigger(platform)
  const open = node('open', { kind: 'trigger', effects: ['INGRESS', 'OPEN'] })

  t.test(`names an SQL text built from data on ${platform}`, async (t) => {
    t.same(outcome(graph(platform, [start, sql(BUILT)]), 'INJ-001').severities, ['high'])
    t.same(outcome(graph(platform, [start, sql(BUILT, 'expression')]), 'INJ-001').severities, ['high'])
  })

  t.test(`passes fixed SQL text on ${platform} and skips a scenario without SQL`, async (t) => {
    const { evaluated, severities } = outcome(graph(platform, [start, sql(['sql-text'], 'literal')]), 'INJ-001')
    t.ok(evaluated)
    t.same(severities, [])
    t.notOk(outcome(graph(platform, [start, node('a')]), 'INJ-001').evaluated)
  })

  t.test(`passes a data reference outside the statement on ${platform}`, async (t) => {
    t.same(outcome(graph(platform, [start, sql(['data-reference'])]), 'INJ-001').severities, [])
  })

  t.test(`is critical on ${platform} when anyone can reach it`, async (t) => {
    t.same(outcome(graph(platform, [open, sql(BUILT)]), 'INJ-001').severities, ['critical'])
    const closed = { ...open, authentication: 'headerAuth' }
    t.same(outcome(graph(platform, [closed, sql(BUILT)]), 'INJ-001').severities, ['high'])
  })

  t.test(`is lowered on ${platform} when values go through parameters`, async (t) => {
    t.same(outcome(graph(platform, [start, sql([...BUILT, 'sql-parameterised'])]), 'INJ-001').severities, ['medium'])
    t.same(outcome(graph(platform, [open, sql([...BUILT, 'sql-parameterised'])]), 'INJ-001').severities, ['high'])
  })
}
