/**
 * The audit log's two writers. `groupCommitSink`: one row per answered request, durable before the answer leaves; one
 * statement is in flight and whatever arrives meanwhile is the next batch, so no timer trades latency for throughput.
 * `refusalCounter`: refusals before authentication, counted per network and minute, so that a flood of them costs a bounded
 * number of rows. When the database is down the sink answers `unavailable` (503) and the counter keeps what it has.
 */
import { ApiError } from '../../errors.ts'
import type { AuditRow, AuditSink, RefusalCounter } from '../context.ts'
import { networkOf } from '../lib/network.ts'

const MINUTE_MS = 60_000
const FLUSH_BATCH_MAX = 500

export interface GroupCommitOptions {
  /** Writes the rows in one statement; resolves once they are durable. Give it a deadline of its own: it is never run twice at a time. */
  readonly write: (rows: AuditRow[]) => Promise<void>
  /** Rows per statement. Default 500. */
  readonly batchMax?: number
  /** Rows waiting. Default 10 000; one more is refused at once. */
  readonly queueMax?: number
  /** How long a row may wait for its durability. Default 3000. A row that was given up may still be written. */
  readonly deadlineMs?: number
}

interface Pending {
  readonly row: AuditRow
  readonly expiresAtMs: number
  readonly resolve: () => void
  readonly reject: (err: Error) => void
}

export function groupCommitSink (options: GroupCommitOptions): AuditSink & { close (): Promise<void> } {
  const { write, batchMax = 500, queueMax = 10_000, deadlineMs = 3000 } = options
  for (const [name, value] of Object.entries({ batchMax, queueMax, deadlineMs })) if (!(value >= 1)) throw new RangeError(`${name} must be at least 1`)
  let queue: Pending[] = []
  let batch: Pending[] = []
  let isClosed = false
  let isWriting = false
  let timer: NodeJS.Timeout | undefined
  let drained: Array<() => void> = []

  /** Writes batch after batch until nothing waits. */
  async function commit (): Promise<void> {
    if (isWriting) return
    isWriting = true
    while (queue.length > 0) {
      batch = queue.slice(0, batchMax)
      queue = queue.slice(batchMax)
      try {
        await write(batch.map((pending) => pending.row))
        for (const pending of batch) pending.resolve()
      } catch (cause) {
        for (const pending of batch) pending.reject(unavailable('audit_write_failed', cause))
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
    if (timer !== undefined || oldest === undefined) return
    timer = setTimeout(giveUp, Math.max(1, oldest.expiresAtMs - performance.now()))
  }

  function giveUp (): void {
    timer = undefined
    const nowMs = performance.now()
    for (const pending of [...batch, ...queue]) if (pending.expiresAtMs <= nowMs) pending.reject(unavailable('audit_deadline'))
    batch = batch.filter((pending) => pending.expiresAtMs > nowMs)
    queue = queue.filter((pending) => pending.expiresAtMs > nowMs)
    watch()
  }

  return {
    record (row) {
      if (isClosed) return Promise.reject(unavailable('audit_closed'))
      if (queue.length >= queueMax) return Promise.reject(unavailable('audit_queue_full'))
      return new Promise((resolve, reject) => {
        queue.push({ row, expiresAtMs: performance.now() + deadlineMs, resolve, reject })
        commit()
        watch()
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

export interface RefusalCount { minute: Date, network: string, code: string, count: number }

export interface RefusalCounterOptions {
  /** Adds the counts to what is stored. One call at a time. */
  readonly write: (counts: RefusalCount[]) => Promise<void>
  /** Default 1000. */
  readonly flushMs?: number
  /** Buckets kept; refusals beyond them are counted under the network `*`. Default 5000. */
  readonly bucketsMax?: number
  /** New buckets, and with them rows, in any one minute; what comes from more networks is counted under `*` as well. Default 1000. */
  readonly bucketsPerMinuteMax?: number
  /** Told when a write failed; the counts are kept and tried again. */
  readonly onError?: (err: unknown) => void
}

export function refusalCounter (options: RefusalCounterOptions): RefusalCounter & { flush (): Promise<void>, close (): Promise<void> } {
  const { write, flushMs = 1000, bucketsMax = 5000, bucketsPerMinuteMax = 1000, onError } = options
  for (const [name, value] of Object.entries({ flushMs, bucketsMax, bucketsPerMinuteMax })) if (!(value >= 1)) throw new RangeError(`${name} must be at least 1`)
  const buckets = new Map<string, RefusalCount>()
  /** Rows that this minute has got, written or not: a bucket that was written and is needed again is the same row. */
  let current = { minuteMs: 0, keys: new Set<string>() }
  let running: Promise<void> | null = null
  const timer = setInterval(flush, flushMs).unref()

  async function writeAll (): Promise<void> {
    const entries = [...buckets]
    for (let from = 0; from < entries.length; from += FLUSH_BATCH_MAX) {
      const taken = entries.slice(from, from + FLUSH_BATCH_MAX).map(([key, bucket]) => ({ key, bucket, count: bucket.count }))
      try {
        await write(taken.map(({ bucket, count }) => ({ ...bucket, count })))
      } catch (err) {
        onError?.(err)
        return
      }
      for (const { key, bucket, count } of taken) {
        bucket.count -= count
        if (bucket.count === 0) buckets.delete(key)
      }
    }
  }

  function flush (): Promise<void> {
    running ??= writeAll().finally(() => { running = null })
    return running
  }

  return {
    count ({ ip, code, at }) {
      const minuteMs = Math.floor(at.getTime() / MINUTE_MS) * MINUTE_MS
      let network = networkOf(ip)
      let key = `${minuteMs} ${network} ${code}`
      if (minuteMs > current.minuteMs) current = { minuteMs, keys: new Set() }
      const isFull = !buckets.has(key) && buckets.size >= bucketsMax
      const isOneTooMany = !current.keys.has(key) && current.keys.size >= bucketsPerMinuteMax
      if (!isFull && !isOneTooMany) current.keys.add(key)
      else {
        // One overflow bucket per code, whatever the minute: their number is the catalogue's, however long the store is away.
        network = '*'
        key = `* ${code}`
      }
      const bucket = buckets.get(key)
      if (bucket === undefined) buckets.set(key, { minute: new Date(minuteMs), network, code, count: 1 })
      else bucket.count++
    },
    flush,
    async close () {
      clearInterval(timer)
      await running
      await flush()
    }
  }
}
