/**
 * The other side of the worker's thread: judges one stored graph at a time, away from the event loop that serves partners. It asks back what
 * the organization does with the graph's connections, since only here is the graph read.
 */
import { parentPort } from 'node:worker_threads'
import { evaluateGraph, StaleFactsError } from './evaluate.ts'
import type { FactGraph, Platform } from './graph/types.ts'
import { connectionUses, type Organization } from './organization.ts'
import { storedStanding } from './rollup.ts'

export interface GraphConnections { platform: Platform, connections: string[] }
export type ThreadAnswer = { id: number, result: string, standing: string } | { id: number, error: string }
type Job = { id: number, graph: string } | { id: number, organization: Organization }

let open: { id: number, graph: FactGraph } | null = null

parentPort?.on('message', (job: Job) => {
  try {
    if ('graph' in job) {
      open = { id: job.id, graph: JSON.parse(job.graph) as FactGraph }
      parentPort?.postMessage({ id: job.id, ask: connectionsOf(open.graph) })
    } else if (open?.id === job.id) {
      const { graph } = open
      open = null
      const result = evaluateGraph(graph, job.organization)
      parentPort?.postMessage({ id: job.id, result: JSON.stringify(result), standing: JSON.stringify(storedStanding(result)) } satisfies ThreadAnswer)
    }
  } catch (err) {
    // A fixed sentence: what was thrown could hold something of the graph.
    const error = err instanceof StaleFactsError ? 'Scenario must be imported again' : 'Scenario could not be evaluated'
    parentPort?.postMessage({ id: job.id, error } satisfies ThreadAnswer)
  }
})

function connectionsOf (graph: FactGraph): GraphConnections {
  return { platform: graph.platform, connections: [...connectionUses(graph).keys()] }
}
