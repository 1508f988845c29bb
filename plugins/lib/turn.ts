/**
 * Work of one turn of the event loop, step by step for all requests instead of request by request: what runs the same step many times over
 * finds its instructions and data in the processor's caches, and what leaves, leaves in one write (Larus and Parkes 2002, "Using
 * Cohort Scheduling to Enhance Server Performance"). A request that is alone waits for nothing but the end of its turn.
 */
import { executionAsyncResource } from 'node:async_hooks'

type Task = () => void
type Step = (first: unknown, second: unknown) => void

/** Each step is followed by its two arguments. */
let waiting: unknown[] = []
let atEnd: Task[] = []
let isPlanned = false

/**
 * One of the records that `process.nextTick` makes, kept for good. They are literals with computed names, and V8 remembers for such a literal one
 * shape only: when no record is alive during a full collection, the shape is collected with them, the next record has a new one, and from
 * then on every record of the process is made by V8's slowest way, which takes five to ten times as long. A request makes a dozen. What is alive keeps its shape.
 */
let keptTick: object | null = null
process.nextTick(() => { keptTick ??= executionAsyncResource() })

/**
 * Runs the step when this turn has read what had arrived, together with all others; a step that is added by one of them runs after all of
 * these. Arguments stand beside a step, so that nobody makes a function to hold them.
 */
export function together<First = undefined, Second = undefined> (step: (first: First, second: Second) => void, first?: First, second?: Second): void {
  waiting.push(step, first, second)
  plan()
}

/** Runs the task once nothing waits any more in this turn. */
export function atTurnEnd (task: Task): void {
  atEnd.push(task)
  plan()
}

function plan (): void {
  if (isPlanned) return
  isPlanned = true
  setImmediate(run)
}

function run (): void {
  let begun = 0
  let ended = 0
  let ending: Task[] = []
  try {
    while (begun < waiting.length) {
      const at = begun
      begun += 3;
      (waiting[at] as Step)(waiting[at + 1], waiting[at + 2])
    }
    // What the end brings is for the next turn.
    ending = atEnd
    atEnd = []
    while (ended < ending.length) ending[ended++]?.()
  } finally {
    // What throws is its own error; the others have their turn.
    waiting = waiting.slice(begun)
    atEnd = [...ending.slice(ended), ...atEnd]
    isPlanned = false
    if (waiting.length + atEnd.length > 0) plan()
  }
}
