/** A fact graph on its way into the database: its text, and what stands beside it there. */
import { createHash } from 'node:crypto'
import { importBlueprint } from './graph/import.ts'
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

/** What became of one blueprint. `digest`: of the blueprint as JSON, where it is to be saved. `dropped` and `problems`: what did not enter, and what was not understood. */
export type ReadBlueprint = { ok: true, stored: StoredGraph, digest: string | null, dropped: string[], problems: number } | { ok: false, reason: string }

export function readBlueprint (blueprint: unknown, isSaved: boolean): ReadBlueprint {
  const imported = importBlueprint(blueprint)
  if (!imported.ok) return imported
  const { graph } = imported
  const digest = isSaved ? createHash('sha256').update(JSON.stringify(blueprint)).digest('hex') : null
  return { ok: true, stored: storedGraph(graph), digest, dropped: graph.dropped, problems: graph.problems.length }
}

export function storedGraph (graph: FactGraph): StoredGraph {
  const { platform, name, nodes } = graph
  return { text: JSON.stringify(graph), platform, name, modules: nodes.length, connections: [...connectionUses(graph)].map(([connection, use]) => ({ connection, ...use })) }
}
