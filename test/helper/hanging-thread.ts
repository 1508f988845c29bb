// Preloaded into a server under test (NODE_OPTIONS=--import): in its evaluation threads, graphs of two names never come to an end or take
// the thread with them. No blueprint is known that does either, and both must stay one scenario's affair.
import { isMainThread, parentPort } from 'node:worker_threads'

if (!isMainThread && parentPort !== null) {
  const on = parentPort.on.bind(parentPort) as (name: string, listener: (job: { graph?: string }) => void) => unknown
  Object.assign(parentPort, {
    on: (name: string, listener: (job: { graph?: string }) => void) => on(name, (job) => {
      const named = job.graph === undefined ? '' : (JSON.parse(job.graph) as { name: string }).name
      if (named === 'HANG') for (;;) Math.random()
      if (named === 'DIE') process.exit(7)
      listener(job)
    })
  })
}
