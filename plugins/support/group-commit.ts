/**
 * Many small durable writes as few commits: one statement is in flight and whatever arrives meanwhile is the next batch, so no timer trades
 * latency for throughput. A statement begins when its turn of the event loop ends, so that what the same turn still
 * brings goes with it. Bounded in rows waiting and in time; what could not be made durable is refused with `unavailable` (503).
 */
import { setImmediate as endOfTurn } from 'node:timers/promises'
import { ApiError } from '../../errors.ts'

export interface GroupCommitLimits {
  /** Rows per statement. Default 500. */
  readonly batchMax?: number
  /** Rows waiting. Default 10 000; one more is refused at once. */
  readonly queueMax?: number
  /** How long a row may wait for its durability. Default 3000. A row that was given up may still be written. */
  readonly deadlineMs?: number
}

export interface GroupCommitOptions<Item, Outcome> extends GroupCommitLimits {
  /** Stands at the beginning of the private reason of a refusal. */
  readonly name: string
  /**
   * Writes the items in one statement; resolves once they are durable, to what tells the outcome of each by its place. Give it a
   * deadline of its own: it is never run twice at a time.
   */
  readonly write: (batch: Item[]) => Promise<(at: number) => Outcome>
}

export interface GroupCommit<Item, Outcome> {
  /** Resolves once the item is durable; rejects with `unavailable` when it could not be made so. */
  submit (item: Item): Promise<Outcome>
  /** Refuses what comes, and waits for what is under way as long as that may wait itself. */
  close (): Promise<void>
}

interface Pending<Item, Outcome> {
  readonly item: Item
  readonly expiresAtMs: number
  readonly resolve: (outcome: Outcome) => void
  readonly reject: (err: Error) => void
}

export function groupCommit<Item, Outcome> (options: GroupCommitOptions<Item, Outcome>): GroupCommit<Item, Outcome> {
  const { name, write, batchMax = 500, queueMax = 10_000, deadlineMs = 3000 } = options
  for (const [limit, value] of Object.entries({ batchMax, queueMax, deadlineMs })) if (!(value >= 1)) throw new RangeError(`${limit} must be at least 1`)
  let queue: Array<Pending<Item, Outcome>> = []
  let batch: Array<Pending<Item, Outcome>> = []
  let isClosed = false
  let isWriting = false
  let timer: NodeJS.Timeout | undefined
  let drained: Array<() => void> = []

  /** Writes batch after batch until nothing waits. */
  async function commit (): Promise<void> {
    isWriting = true
    for (await endOfTurn(); queue.length > 0; await endOfTurn()) {
      const taken = queue.slice(0, batchMax)
      batch = taken
      queue = queue.slice(batchMax)
      try {
        const outcomeOf = await write(taken.map((pending) => pending.item))
        taken.forEach((pending, at) => pending.resolve(outcomeOf(at)))
      } catch (cause) {
        for (const pending of batch) pending.reject(unavailable(`${name}_write_failed`, cause))
      }
      batch = []
    }
    isWriting = false
    clearTimeout(timer)
    timer = undefined
    for (const resolve of drained) resolve()
    drained = []
  }

  /** One timer for the oldest row: all rows have the same patience, so the lists are in order of expiry. */
  function watch (): void {
    const oldest = batch[0] ?? queue[0]
    if (oldest === undefined) return
    timer = setTimeout(giveUp, Math.max(1, oldest.expiresAtMs - performance.now()))
  }

  function giveUp (): void {
    timer = undefined
    const nowMs = performance.now()
    for (const pending of [...batch, ...queue]) if (pending.expiresAtMs <= nowMs) pending.reject(unavailable(`${name}_deadline`))
    batch = batch.filter((pending) => pending.expiresAtMs > nowMs)
    queue = queue.filter((pending) => pending.expiresAtMs > nowMs)
    watch()
  }

  return {
    submit (item) {
      if (isClosed) return Promise.reject(unavailable(`${name}_closed`))
      if (queue.length >= queueMax) return Promise.reject(unavailable(`${name}_queue_full`))
      return new Promise((resolve, reject) => {
        queue.push({ item, expiresAtMs: performance.now() + deadlineMs, resolve, reject })
        if (!isWriting) commit()
        if (timer === undefined) watch()
      })
    },
    async close () {
      isClosed = true
      if (!isWriting) return
      // A statement that never ends must not hold the shutdown longer than it held its rows.
      let deadline: NodeJS.Timeout | undefined
      await new Promise<void>((resolve) => {
        drained.push(resolve)
        deadline = setTimeout(resolve, deadlineMs + 100)
      })
      clearTimeout(deadline)
    }
  }
}

function unavailable (reason: string, cause?: unknown): ApiError {
  return new ApiError('unavailable', { headers: { 'retry-after': '2' }, reason, ...(cause === undefined ? {} : { cause }) })
}
