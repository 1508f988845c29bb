/** The other side of the worker's thread: judges one fact graph at a time, away from the event loop that serves partners. */
import { parentPort } from 'node:worker_threads'
import { evaluateGraph, StaleFactsError } from './evaluate.ts'
import type { FactGraph, ScenarioResult } from './graph/types.ts'

export type ThreadAnswer = { id: number, result: ScenarioResult } | { id: number, error: string }

parentPort?.on('message', (job: { id: number, graph: FactGraph }) => {
  let answer: ThreadAnswer
  try {
    answer = { id: job.id, result: evaluateGraph(job.graph) }
  } catch (err) {
    // A fixed sentence: what was thrown could hold something of the graph.
    answer = { id: job.id, error: err instanceof StaleFactsError ? 'Scenario must be imported again' : 'Scenario could not be evaluated' }
  }
  parentPort?.postMessage(answer)
})
