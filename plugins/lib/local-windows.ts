/**
 * Windows and replay records in this process: what judges while the shared store is away (with this instance's share of
 * each limit, of which it has spent what it admitted before), and what the embedded default runs on (with the whole). Bounded: idle windows and lapsed replay records are
 * swept, and beyond `keysMax` keys or `replaysMax` records the least recently used go first.
 */
import { LRUCache } from 'lru-cache'
import type { AdmissionVerdict, WindowState } from '../context.ts'
import { assertLimits, HOUR_MS, SlidingWindow } from './sliding-window.ts'

const SWEEP_EVERY_MS = 30_000

export interface LocalWindowsOptions {
  /** How many instances share a key's limit; each serves limit / instances, at least 1. */
  readonly instances: number
  /** Unix milliseconds. Default `Date.now`. */
  readonly now?: () => number
  /** Keys remembered. Default 10 000, about 4 KB each at the default limits. */
  readonly keysMax?: number
  /** Replay records remembered. Default 100 000. */
  readonly replaysMax?: number
}

export interface LocalWindows {
  /** Judges and, when admitted, spends. Throws RangeError for limits outside 1 to 100 000. Never `stale`. */
  admit (keyId: string, perMinute: number, perHour: number, replayId: string | null, replayTtlSeconds: number): AdmissionVerdict
  /** Counts what the shared store admitted through this process, so that its share is spent when the store goes away. */
  note (keyId: string, perMinute: number, perHour: number, atMs?: number): void
  /** What this process has left of a key's windows; spends nothing. */
  read (keyId: string, perMinute: number, perHour: number): WindowState
}

export function localWindows (options: LocalWindowsOptions): LocalWindows {
  const { instances, now = Date.now, keysMax = 10_000, replaysMax = 100_000 } = options
  if (!Number.isInteger(instances) || instances < 1) throw new RangeError(`instances must be a whole number from 1, not ${instances}`)
  const windows = new LRUCache<string, SlidingWindow>({ max: keysMax })
  const replayExpiryMs = new LRUCache<string, number>({ max: replaysMax })
  let sweptMs = now()

  function sweep (nowMs: number): void {
    if (Math.abs(nowMs - sweptMs) < SWEEP_EVERY_MS) return
    sweptMs = nowMs
    for (const [keyId, window] of windows.entries()) if (nowMs - window.newestMs >= HOUR_MS) windows.delete(keyId)
    for (const [replay, expiryMs] of replayExpiryMs.entries()) if (expiryMs <= nowMs) replayExpiryMs.delete(replay)
  }

  /** Not kept before it has counted something. */
  function windowOf (keyId: string, limits: { perMinute: number, perHour: number }): SlidingWindow {
    const known = windows.get(keyId)
    if (known === undefined) return new SlidingWindow(limits)
    known.setLimits(limits)
    return known
  }

  /** One that is known has counted something, and was moved to the newest when it was found. */
  function keepNew (keyId: string, window: SlidingWindow): void {
    if (window.newestMs === Number.NEGATIVE_INFINITY) windows.set(keyId, window)
  }

  return {
    note (keyId, perMinute, perHour, atMs) {
      const nowMs = now()
      sweep(nowMs)
      const window = windowOf(keyId, { perMinute: share(perMinute, instances), perHour: share(perHour, instances) })
      keepNew(keyId, window)
      window.note(atMs ?? nowMs)
    },
    read (keyId, perMinute, perHour) {
      assertLimits({ perMinute, perHour })
      return { ...windowOf(keyId, { perMinute: share(perMinute, instances), perHour: share(perHour, instances) }).read(now()), limit: perMinute }
    },
    admit (keyId, perMinute, perHour, replayId, replayTtlSeconds) {
      assertLimits({ perMinute, perHour })
      const nowMs = now()
      sweep(nowMs)
      const replay = replayId === null ? null : `${keyId}:${replayId}`
      if (replay !== null && (replayExpiryMs.get(replay) ?? 0) > nowMs) return { outcome: 'replayed' }
      const window = windowOf(keyId, { perMinute: share(perMinute, instances), perHour: share(perHour, instances) })
      keepNew(keyId, window)
      const verdict = window.admit(nowMs)
      if (replay !== null && verdict.outcome === 'admitted') replayExpiryMs.set(replay, nowMs + replayTtlSeconds * 1000)
      // The published limit is the key's, whatever part of it this instance may serve.
      return { ...verdict, window: { ...verdict.window, limit: perMinute } }
    }
  }
}

function share (limit: number, instances: number): number {
  return Math.max(1, Math.floor(limit / instances))
}
