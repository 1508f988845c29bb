/** A fact graph on its way into the database: its text, and what stands beside it there. */
import type { FactGraph, Platform } from './graph/types.ts'
import { connectionUses, type ConnectionUse } from './organization.ts'

export interface StoredGraph {
  /** JSON. */
  text: string
  platform: Platform
  /** Of the blueprint; empty when it has none. */
  name: string
  modules: number
  connections: Array<{ connection: string } & ConnectionUse>
}

export function storedGraph (graph: FactGraph): StoredGraph {
  const { platform, name, nodes } = graph
  return { text: JSON.stringify(graph), platform, name, modules: nodes.length, connections: [...connectionUses(graph)].map(([connection, use]) => ({ connection, ...use })) }
}
