/**
 * The audit log's two writers. `groupCommitSink`: one row per answered request, durable before the answer leaves.
 * `refusalCounter`: refusals before authentication, counted per network and minute, so that a flood of them costs a bounded
 * number of rows. When the database is down the sink answers `unavailable` (503) and the counter keeps what it has.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { AuditRow, AuditSink, RefusalCounter } from '../context.ts'
import { networkOf } from '../lib/network.ts'
import { groupCommit, type GroupCommitLimits } from './group-commit.ts'

const MINUTE_MS = 60_000
/** Rows of one statement, and the pause before the next: a thousand new networks must not crowd out the rows that answers wait for. */
const FLUSH_BATCH_MAX = 50
const FLUSH_PAUSE_MS = 50

/** An audit sink over a statement that writes rows; see `groupCommit` for its bounds. */
export function groupCommitSink ({ write, ...limits }: GroupCommitLimits & { write: (rows: AuditRow[]) => Promise<void> }): AuditSink & { close (): Promise<void> } {
  const rows = groupCommit<AuditRow, undefined>({
    ...limits,
    name: 'audit',
    async write (batch) {
      await write(batch)
      return () => undefined
    }
  })
  return { record: rows.submit, close: rows.close }
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
  /** Aborts once it closes: then nothing pauses. */
  const closing = new AbortController()

  async function writeAll (): Promise<void> {
    const entries = [...buckets]
    for (let from = 0; from < entries.length; from += FLUSH_BATCH_MAX) {
      if (from > 0 && !closing.signal.aborted) await sleep(FLUSH_PAUSE_MS, undefined, { ref: false, signal: closing.signal }).catch(() => {})
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
      closing.abort()
      await running
      await flush()
    }
  }
}
