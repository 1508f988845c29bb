/** What both importers share: a graph under construction, unique keys, and the facts of one module. */
import { factOf, leavesOf, readsData, type Leaf, type LeafContext } from './leaves.ts'
import { safeLabel } from './patterns.ts'
import { FACTS_VERSION, type EdgeKind, type FactGraph, type FlowNode, type Platform } from './types.ts'

const NAME_CHARS_MAX = 120

export interface Draft {
  graph: FactGraph
  /** Original key → index. A Map: `__proto__` is a legal name. */
  byKey: Map<string, number>
}

export function newDraft (platform: Platform, name: unknown): Draft {
  return {
    byKey: new Map(),
    graph: {
      factsVersion: FACTS_VERSION,
      platform,
      name: typeof name === 'string' && name.trim() !== '' ? safeLabel(name, NAME_CHARS_MAX) : 'Unnamed',
      nodes: [],
      edges: [],
      entries: [],
      settings: {
        active: null, errorWorkflow: false, dlq: false, dataloss: false, confidential: false, autoCommit: true, sequential: false, subWorkflow: false, template: false
      },
      notes: 0,
      problems: [],
      dropped: []
    }
  }
}

/** Adds a node under a key that no other node has. */
export function addNode (draft: Draft, node: FlowNode): number {
  const index = draft.graph.nodes.length
  const original = node.key
  if (draft.byKey.has(original)) {
    node.key = `${original}#${index}`
    draft.graph.problems.push({ code: 'duplicate_key', pointer: node.pointer, message: 'Two modules have the same key.' })
  }
  draft.byKey.set(node.key, index)
  draft.graph.nodes.push(node)
  return index
}

export function addEdge (draft: Draft, from: number, to: number, kind: EdgeKind, slot = 0): void {
  draft.graph.edges.push({ from, to, kind, slot, gated: draft.graph.nodes[to]?.gated ?? false })
}

/** Reduces a module's configuration to its facts; returns the leaves for what only the importer can tell, and forgets them after. */
export function keepFacts (node: FlowNode, parts: ReadonlyArray<{ root: unknown, pointer: string }>, context: LeafContext): Leaf[] {
  const leaves = parts.flatMap(({ root, pointer }) => leavesOf(root, pointer, context.platform))
  for (const leaf of leaves) {
    const fact = factOf(leaf, context)
    if (fact !== null) node.facts.push(fact)
  }
  if (leaves.some((leaf) => readsData(leaf, context.platform)) && node.kind === 'unknown') node.kind = 'action'
  return leaves
}
