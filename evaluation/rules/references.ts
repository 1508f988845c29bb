/** What expressions read: whether it is there, and whether it can have run. */
import type { FactGraph, FlowNode } from '../graph/types.ts'
import type { Hit, Rule, RuleContext } from './definition.ts'
import { BOTH, definePolicy, FACTS, nodeHit } from './hits.ts'
import { controls } from './profiles.ts'

/** Deeper flows are named by a container, so their order cannot be told from their place. */
const DEPTH_ORDERED = 200

const badReference = definePolicy({
  code: 'FLW-003', title: 'Reads a module that does not exist or cannot have run', severity: 'high', confidence: 'certain', platforms: BOTH, frameworks: controls(['INTEG'], 'SOC 2 PI1.2')
}, {
  description: 'An expression refers to a module that is not there, or that no run can have passed before.',
  rationale: 'The field is empty or the run fails, mostly after a module was deleted or moved.',
  detection: 'A reference names no module of the scenario (high), or one on a sibling route or further down (medium, and likely).',
  fix: ['Map the field again.', 'Run it once with real data.']
})

export const REFERENCE_RULES: readonly Rule[] = [
  { policy: badReference, minFacts: FACTS, applies: ({ graph }) => graph.nodes.some(({ refs }) => refs.length > 0) || graph.problems.some(({ code }) => code === 'missing_reference'), run: badReferences }
]

function badReferences (context: RuleContext): Hit[] {
  const { graph } = context
  const missing = readersOfNothing(context)
  const known = new Set(missing)
  const isOutOfOrder = graph.platform === 'make' ? outOfFlow(context) : outOfOrder(context)
  // What no run arrives at has nothing before it; FLW-001 says so already.
  const misplaced = graph.nodes.flatMap((node, index) => !known.has(index) && context.analysis.reach.has(index) && node.refs.some((key) => isOutOfOrder(index, context.analysis.byKey.get(key))) ? [index] : [])
  return [
    ...missing.map((index) => nodeHit(badReference, context, index, { evidence: 'reference-missing', says: 'reads a module that does not exist.' }, graph.nodes[index]?.pointer ?? '')),
    ...misplaced.map((index) => ({
      ...nodeHit(badReference, context, index, { evidence: 'reference-not-upstream', says: 'reads a module that cannot have run before it.', down: () => ['order-uncertain'] }, graph.nodes[index]?.pointer ?? ''),
      confidence: 'likely' as const
    }))
  ]
}

/** n8n's importer drops names that no node has and reports where they stood; Make's keeps numbers. */
function readersOfNothing ({ graph, analysis }: RuleContext): number[] {
  if (graph.platform === 'make') return graph.nodes.flatMap((node, index) => node.refs.some((key) => !analysis.byKey.has(key)) ? [index] : [])
  const faulty = new Set(graph.problems.flatMap(({ code, pointer }) => code === 'missing_reference' ? [pointer] : []))
  return graph.nodes.flatMap(({ pointer }, index) => faulty.has(pointer) ? [index] : [])
}

/** Whatever runs before a node stands on a lower level; what does not cannot have run, unless both stand in one loop. */
function outOfOrder ({ analysis }: RuleContext): (reader: number, source: number | undefined) => boolean {
  const { level, group } = analysis.levels()
  return (reader, source) => source !== undefined && group[source] !== group[reader] && (level[source] ?? 0) >= (level[reader] ?? 0)
}

function outOfFlow ({ graph }: RuleContext): (reader: number, source: number | undefined) => boolean {
  return (reader, source) => {
    const node = graph.nodes[reader]
    return node !== undefined && cannotHaveRun(graph, node, source)
  }
}

/** Make runs a flow in order: a module has run when it precedes in the same flow, or in a flow around it. */
function cannotHaveRun (graph: FactGraph, reader: FlowNode, index: number | undefined): boolean {
  const source = index === undefined ? undefined : graph.nodes[index]
  if (source === undefined || source === reader || source.orphan || reader.orphan || source.depth > DEPTH_ORDERED || reader.depth > DEPTH_ORDERED) return false
  const flow = source.pointer.slice(0, source.pointer.lastIndexOf('/'))
  // After a merge, whatever ran on its branches has run; an agent's tools run when the agent wants.
  if (/\/(?:branches|tools)\/\d+\/flow$/.test(flow)) return false
  if (!reader.pointer.startsWith(`${flow}/`)) return true
  const here = Number(reader.pointer.slice(flow.length + 1).split('/', 1)[0])
  return here < Number(source.pointer.slice(flow.length + 1))
}
