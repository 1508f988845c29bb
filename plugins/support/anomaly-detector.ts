/**
 * The elected half of anomaly detection: reads new audit rows every two seconds, has them judged (lib/anomaly/detector.ts) and hands on what
 * was raised. One instance at a time holds the lease; the next one starts from the last hour of rows and from what was raised in it,
 * so that a change of leader neither forgets nor repeats. Rows are read with an overlap, because a row's time is set before it is
 * committed, and known again by their watermarks. A store that is away is waited for: the rows are still there afterwards.
 */
import { createDetector, type DetectedAnomaly, type Detector, type Observation } from '../lib/anomaly/detector.ts'
import type { Signal, Thresholds } from '../lib/anomaly/thresholds.ts'

const TICK_MS = 2000
const LOOK_BACK_MS = 3_600_000
/** The clocks of instances that are ready are at most this far from the database's. */
const OVERLAP_MS = 30_000
const ROWS_MAX = 20_000
const BACKOFF_MAX_MS = 30_000

export interface AnomalyDetectorOptions {
  /** Takes or renews the lease; false while another instance holds it. */
  lead: () => Promise<boolean>
  /** Rows at or after a time, oldest first, at most `limit`. */
  readRows: (sinceMs: number, limit: number) => Promise<Observation[]>
  /** What the rows from that time on do not show: requests per key and hour of the week before it, and what was raised since. */
  readPast: (startMs: number) => Promise<{ hours: Array<{ keyId: string, hourMs: number, count: number }>, raised: Array<{ signal: Signal, subject: string, atMs: number }> }>
  /** Keeps an anomaly and does what follows from it. */
  raise: (anomaly: DetectedAnomaly) => Promise<void>
  logger: { warn (fields: object, message: string): void }
  /** Default: the table of lib/anomaly/thresholds.ts. */
  thresholds?: Thresholds
  /** Milliseconds between looks. Default 2000. */
  tickMs?: number
  /** Unix milliseconds. Default `Date.now`. */
  now?: () => number
}

export interface AnomalyDetector { stop (): Promise<void> }

export function startAnomalyDetector (options: AnomalyDetectorOptions): AnomalyDetector {
  const { lead, readRows, readPast, raise, logger, thresholds } = options
  const tickMs = options.tickMs ?? TICK_MS
  const now = options.now ?? Date.now
  if (!(tickMs >= 1)) throw new RangeError('tickMs must be at least 1')
  const ending = new AbortController()
  const { signal: ended } = ending
  let detector: Detector | null = null
  let sinceMs = 0
  let seen = new Map<string, number>()
  let failures = 0
  const loop = run()

  async function run (): Promise<void> {
    while (!ended.aborted) {
      try {
        await tick()
        failures = 0
      } catch (err) {
        failures = Math.min(failures + 1, 10)
        // The next look starts afresh from the stored rows, so nothing that was half judged is lost.
        detector = null
        if (!ended.aborted) logger.warn({ reason: err instanceof Error ? err.name : 'unknown' }, 'audit rows could not be judged; they will be')
      }
      await pause(failures === 0 ? tickMs : Math.min(tickMs * 2 ** failures, BACKOFF_MAX_MS))
    }
  }

  async function tick (): Promise<void> {
    if (!await lead()) {
      detector = null
      return
    }
    detector ??= await start()
    for (;;) {
      const rows = await readRows(sinceMs, ROWS_MAX)
      for (const row of rows) if (!ended.aborted) await judge(detector, row)
      const newestMs = rows.at(-1)?.atMs ?? sinceMs
      if (rows.length < ROWS_MAX || newestMs === sinceMs) {
        // A row from a clock that is ahead must not move the look past the rows of all others.
        forget(Math.max(sinceMs, Math.min(newestMs, now()) - OVERLAP_MS))
        return
      }
      forget(newestMs)
    }
  }

  async function start (): Promise<Detector> {
    const fresh = createDetector(thresholds)
    const startMs = Math.floor((now() - LOOK_BACK_MS) / LOOK_BACK_MS) * LOOK_BACK_MS
    const past = await readPast(startMs)
    for (const { keyId, hourMs, count } of past.hours) fresh.seedHour(keyId, hourMs, count)
    for (const { signal, subject, atMs } of past.raised) fresh.seedRaised(signal, subject, atMs)
    // Whole clock hours, so that an hour's count is either seeded or replayed and never half of each.
    sinceMs = startMs
    seen = new Map()
    return fresh
  }

  async function judge (by: Detector, row: Observation): Promise<void> {
    if (seen.has(row.watermark)) return
    seen.set(row.watermark, row.atMs)
    for (const anomaly of by.observe(row)) await raise(anomaly)
  }

  function forget (untilMs: number): void {
    sinceMs = untilMs
    for (const [watermark, atMs] of seen) if (atMs < untilMs) seen.delete(watermark)
  }

  async function pause (ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(end, ms)
      timer.unref()
      ended.addEventListener('abort', end, { once: true })
      function end (): void {
        clearTimeout(timer)
        ended.removeEventListener('abort', end)
        resolve()
      }
    })
  }

  return {
    async stop () {
      ending.abort()
      await loop
    }
  }
}
