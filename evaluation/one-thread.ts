/**
 * One worker thread that does one job at a time, in order, and is replaced when a job takes too long or takes the thread with it. Starts
 * with its first job; keeps no process alive.
 */
import { Worker } from 'node:worker_threads'

export type Message = Readonly<Record<string, unknown>>

export interface OneThreadOptions {
  /** Module of the thread. It answers `{ id, … }` to `{ id, … }`; an answer with `ask` wants another message of the same id. */
  url: URL
  deadlineMs: number
}

/** How a job ended: with the thread's last answer, or without one. */
export type Outcome = { answer: Message, lost: null } | { answer: null, lost: 'late' | 'died' }

export interface OneThread {
  /** `onAsk` answers what the thread asks meanwhile; when it rejects, so does the job, and the thread is replaced. */
  run (job: object, onAsk?: (ask: unknown) => Promise<object>): Promise<Outcome>
  close (): Promise<void>
}

export function oneThread ({ url, deadlineMs }: OneThreadOptions): OneThread {
  let thread: Worker | null = null
  let nextId = 0
  let tail: Promise<unknown> = Promise.resolve()

  function current (): Worker {
    thread ??= new Worker(url)
    thread.unref()
    return thread
  }

  function replace (worker: Worker): void {
    if (thread === worker) thread = null
    worker.on('error', () => {})
    worker.terminate().catch(() => {})
  }

  async function runNow (job: object, onAsk: (ask: unknown) => Promise<object>): Promise<Outcome> {
    const worker = current()
    const id = nextId++
    return await new Promise<Outcome>((resolve, reject) => {
      const timer = setTimeout(() => end(true, () => resolve({ answer: null, lost: 'late' })), deadlineMs)
      const onMessage = (answer: Message): void => {
        if (answer['id'] !== id) return
        if (!('ask' in answer)) return end(false, () => resolve({ answer, lost: null }))
        onAsk(answer['ask']).then((told) => worker.postMessage({ id, ...told }), (err: unknown) => end(true, () => reject(err instanceof Error ? err : new Error('an answer failed'))))
      }
      const onDeath = (): void => end(true, () => resolve({ answer: null, lost: 'died' }))
      function end (isBroken: boolean, settle: () => void): void {
        clearTimeout(timer)
        worker.off('message', onMessage).off('error', onDeath).off('exit', onDeath)
        if (isBroken) replace(worker)
        settle()
      }
      worker.on('message', onMessage).on('error', onDeath).on('exit', onDeath)
      worker.postMessage({ id, ...job })
    })
  }

  return {
    run (job, onAsk = async () => ({})) {
      const ended = tail.then(() => runNow(job, onAsk))
      tail = ended.catch(() => {})
      return ended
    },
    async close () {
      const worker = thread
      thread = null
      await worker?.terminate()
    }
  }
}
