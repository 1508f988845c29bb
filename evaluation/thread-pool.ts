/** Judges stored graphs in a thread of their own. Graphs and results cross as texts: reading and writing them is work too, and not the event loop's. */
import { oneThread } from './one-thread.ts'
import type { GraphConnections, ThreadAnswer } from './evaluate-thread.ts'
import type { Organization } from './organization.ts'

const DEADLINE_MS = 10_000

/** `result` and `standing` are JSON texts, as they are stored. */
export type Judgement = { result: string, standing: string, error: null } | { result: null, standing: null, error: string }

export interface GraphJudge {
  /** `graph`: its JSON text. `organizationOf` is asked once what else is known; when it rejects, so does the judgement. */
  judge (graph: string, organizationOf: (connections: GraphConnections) => Promise<Organization>): Promise<Judgement>
  close (): Promise<void>
}

export function graphJudge (): GraphJudge {
  const thread = oneThread({ url: new URL('./evaluate-thread.js', import.meta.url), deadlineMs: DEADLINE_MS })
  return {
    async judge (graph, organizationOf) {
      const { answer, lost } = await thread.run({ graph }, async (ask) => ({ organization: await organizationOf(ask as GraphConnections) }))
      if (lost !== null) return failed(lost === 'late' ? 'Evaluation took too long' : 'Scenario could not be evaluated')
      const said = answer as ThreadAnswer
      return 'error' in said ? failed(said.error) : { result: said.result, standing: said.standing, error: null }
    },
    close: () => thread.close()
  }
}

function failed (error: string): Judgement {
  return { result: null, standing: null, error }
}
