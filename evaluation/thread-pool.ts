/** One worker thread, replaced when a job takes too long or the thread dies. Jobs queue in order. */
import { Worker } from 'node:worker_threads'
import type { ThreadAnswer } from './evaluate-thread.ts'
import type { FactGraph, ScenarioResult } from './graph/types.ts'

const DEADLINE_MS = 10_000

export type Judgement = { result: ScenarioResult, error: null } | { result: null, error: string }

export interface GraphJudge {
  judge (graph: FactGraph): Promise<Judgement>
  close (): Promise<void>
}

export function graphJudge (): GraphJudge {
  let thread: Worker | null = null
  let nextId = 0
  let tail: Promise<unknown> = Promise.resolve()

  function current (): Worker {
    thread ??= new Worker(new URL('./evaluate-thread.js', import.meta.url))
    thread.unref()
    return thread
  }

  async function judgeNow (graph: FactGraph): Promise<Judgement> {
    const worker = current()
    const id = nextId++
    const judgement = await new Promise<Judgement>((resolve) => {
      const timer = setTimeout(() => end({ result: null, error: 'Evaluation took too long' }, true), DEADLINE_MS)
      const onMessage = (answer: ThreadAnswer): void => {
        if (answer.id === id) end('result' in answer ? { result: answer.result, error: null } : { result: null, error: answer.error }, false)
      }
      const onDeath = (): void => end({ result: null, error: 'Scenario could not be evaluated' }, true)
      function end (outcome: Judgement, replace: boolean): void {
        clearTimeout(timer)
        worker.off('message', onMessage).off('error', onDeath).off('exit', onDeath)
        if (replace) {
          thread = null
          worker.on('error', () => {})
          worker.terminate().catch(() => {})
        }
        resolve(outcome)
      }
      worker.on('message', onMessage).on('error', onDeath).on('exit', onDeath)
      worker.postMessage({ id, graph })
    })
    return judgement
  }

  return {
    judge (graph) {
      const judged = tail.then(() => judgeNow(graph))
      tail = judged
      return judged
    },
    async close () {
      const worker = thread
      thread = null
      await worker?.terminate()
    }
  }
}
