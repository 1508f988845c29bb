/**
 * Identity of a finding across imports. Built from what stays when modules are moved or renumbered: the code, the platform,
 * the node's type, label and ordinal among equals, the kind of evidence, and where it stood inside the node.
 */
import { createHash } from 'node:crypto'
import type { FactGraph, FlowNode } from '../graph/types.ts'
import type { Hit } from './definition.ts'

const HEX_LENGTH = 32

/** One fingerprint per hit, in the same order, all different. */
export function fingerprints (graph: FactGraph, hits: readonly { code: string, hit: Hit }[]): string[] {
  const identities = nodeIdentities(graph.nodes)
  const nextOrdinal = counter()
  return hits.map(({ code, hit }) => {
    const node = hit.node === null ? undefined : graph.nodes[hit.node]
    const identity = hit.node === null ? '' : identities[hit.node] ?? ''
    const parts = [code, graph.platform, identity, hit.evidence, evidencePath(hit.pointer, node)]
    // Two headers of one module differ only by an array index, which is not part of the path: number them.
    const ordinal = nextOrdinal(JSON.stringify(parts))
    const text = JSON.stringify(ordinal === 1 ? parts : [...parts, ordinal])
    return createHash('sha256').update(text).digest('hex').slice(0, HEX_LENGTH)
  })
}

function nodeIdentities (nodes: readonly FlowNode[]): string[] {
  const nextOrdinal = counter()
  return nodes.map(({ type, label }) => {
    const name = [type, label ?? null]
    return JSON.stringify([...name, nextOrdinal(JSON.stringify(name))])
  })
}

function counter (): (key: string) => number {
  const seen = new Map<string, number>()
  return (key) => {
    const ordinal = (seen.get(key) ?? 0) + 1
    seen.set(key, ordinal)
    return ordinal
  }
}

/** Relative to the node, since the node itself may move; without array indices, since neighbours come and go. */
function evidencePath (pointer: string, node: FlowNode | undefined): string {
  const inside = node !== undefined && pointer.startsWith(`${node.pointer}/`)
  let path = pointer
  if (inside) path = pointer.slice(node.pointer.length)
  else if (node !== undefined && pointer === node.pointer) path = ''
  return path.split('/').filter((segment) => !/^\d+$/.test(segment)).join('/')
}
