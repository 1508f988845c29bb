/**
 * Two exact sliding windows, a minute and an hour, over one ring of the newest admitted times. The Redis twin is
 * `sliding-window.lua.ts`; both are held to the same contract test. Pure: the caller brings the clock.
 *
 * A request is refused iff the perMinute-th newest admitted time is younger than 60 s or the perHour-th newest is younger
 * than 3600 s, so no window of either length ever holds more than its limit. A refused request spends nothing.
 * Times are u32 milliseconds: differences are taken modulo 2^32, and a clock behind the newest time counts as standing
 * at it, so that a step back keeps the window closed instead of opening it.
 */

export const MINUTE_MS = 60_000
export const HOUR_MS = 3_600_000
/** Largest limit that a ring serves; 4 bytes per admitted request are kept. */
export const LIMIT_MAX = 100_000

const WRAP = 2 ** 32
const STEPPED_BACK = 2 ** 31

export interface WindowLimits { readonly perMinute: number, readonly perHour: number }

export interface WindowReading {
  readonly limit: number
  readonly remaining: number
  readonly resetAtMs: number
}

export type WindowVerdict =
  | { readonly outcome: 'admitted', readonly window: WindowReading }
  | { readonly outcome: 'refused', readonly blocked: 'minute' | 'hour', readonly retryAfterMs: number, readonly window: WindowReading }

/** Throws RangeError for a limit that is not a whole number from 1 to 100 000. */
export function assertLimits (limits: WindowLimits): void {
  assertLimit('perMinute', limits.perMinute)
  assertLimit('perHour', limits.perHour)
}

function assertLimit (name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1 || value > LIMIT_MAX) throw new RangeError(`${name} must be a whole number from 1 to ${LIMIT_MAX}, not ${value}`)
}

export class SlidingWindow {
  #perMinute: number
  #perHour: number
  #ring: Uint32Array
  /** Slot that the next admitted time goes to. */
  #position = 0
  #count = 0
  #newestMs = Number.NEGATIVE_INFINITY

  constructor (limits: WindowLimits) {
    assertLimits(limits)
    this.#perMinute = limits.perMinute
    this.#perHour = limits.perHour
    this.#ring = new Uint32Array(Math.max(limits.perMinute, limits.perHour))
  }

  /** Unix milliseconds of the newest admitted request; -Infinity when there is none. */
  get newestMs (): number { return this.#newestMs }

  /**
   * Takes new limits and keeps what was admitted: a changed limit never hands out a fresh window. The ring only grows, so
   * that a limit lowered and raised again has forgotten nothing.
   */
  setLimits (limits: WindowLimits): void {
    if (limits.perMinute === this.#perMinute && limits.perHour === this.#perHour) return
    assertLimits(limits)
    this.#perMinute = limits.perMinute
    this.#perHour = limits.perHour
    const capacity = Math.max(limits.perMinute, limits.perHour)
    if (capacity <= this.#ring.length) return
    const ring = new Uint32Array(capacity)
    for (let nth = this.#count; nth >= 1; nth--) ring[this.#count - nth] = this.#nthNewest(nth)
    this.#ring = ring
    this.#position = this.#count
  }

  /** What is left at `nowMs`; spends nothing. */
  read (nowMs: number): WindowReading {
    const { now, clockMs } = this.#clock(nowMs)
    return this.#read(now, clockMs)
  }

  /** Judges a request at `nowMs` and, when it is admitted, spends it. */
  admit (nowMs: number): WindowVerdict {
    const { now, clockMs, behindMs } = this.#clock(nowMs)
    const minuteWaitMs = this.#wait(now, this.#perMinute, MINUTE_MS)
    const hourWaitMs = this.#wait(now, this.#perHour, HOUR_MS)
    if (minuteWaitMs > 0 || hourWaitMs > 0) {
      return {
        outcome: 'refused',
        blocked: hourWaitMs > minuteWaitMs ? 'hour' : 'minute',
        retryAfterMs: Math.max(minuteWaitMs, hourWaitMs) + behindMs,
        window: this.#read(now, clockMs)
      }
    }
    this.#spend(now, clockMs)
    return { outcome: 'admitted', window: this.#read(now, clockMs) }
  }

  /** Counts a request that was admitted elsewhere at `atMs`, full or not. One that is older than the newest counts as being as young. */
  note (atMs: number): void {
    const { now, clockMs } = this.#clock(atMs)
    this.#spend(now, clockMs)
  }

  #spend (now: number, clockMs: number): void {
    this.#ring[this.#position] = now
    this.#position = (this.#position + 1) % this.#ring.length
    this.#count = Math.min(this.#count + 1, this.#ring.length)
    this.#newestMs = clockMs
  }

  /** The time to judge at. A clock behind the newest time stands at it: a step back must not open the window. */
  #clock (nowMs: number): { now: number, clockMs: number, behindMs: number } {
    // Everything has left both windows; this also keeps a long rest from looking like a step back of the u32 clock.
    if (nowMs - this.#newestMs >= HOUR_MS) this.#count = this.#position = 0
    const now = Math.floor(nowMs) >>> 0
    const sinceNewest = this.#count === 0 ? 0 : elapsed(now, this.#nthNewest(1))
    if (sinceNewest < STEPPED_BACK) return { now, clockMs: Math.floor(nowMs), behindMs: 0 }
    const behindMs = WRAP - sinceNewest
    return { now: this.#nthNewest(1), clockMs: Math.floor(nowMs) + behindMs, behindMs }
  }

  #read (now: number, clockMs: number): WindowReading {
    const left = Math.min(this.#perMinute - this.#countYounger(now, this.#perMinute, MINUTE_MS), this.#perHour - this.#countYounger(now, this.#perHour, HOUR_MS))
    const newestAgeMs = this.#count === 0 ? MINUTE_MS : elapsed(now, this.#nthNewest(1))
    return { limit: this.#perMinute, remaining: left, resetAtMs: clockMs + Math.max(0, MINUTE_MS - newestAgeMs) }
  }

  /** Milliseconds until the limit-th newest time leaves the window; 0 when it has. */
  #wait (now: number, limit: number, windowMs: number): number {
    if (this.#count < limit) return 0
    return Math.max(0, windowMs - elapsed(now, this.#nthNewest(limit)))
  }

  /** How many of the newest `limit` times are younger than the window. Ages never fall along the ring, so it can be halved. */
  #countYounger (now: number, limit: number, windowMs: number): number {
    let low = 0
    let high = Math.min(this.#count, limit)
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if (elapsed(now, this.#nthNewest(middle)) < windowMs) low = middle
      else high = middle - 1
    }
    return low
  }

  #nthNewest (nth: number): number {
    const capacity = this.#ring.length
    return this.#ring[(this.#position - nth + capacity) % capacity] ?? 0
  }
}

/** Milliseconds from `earlier` to `later` on a clock that wraps at 2^32. */
function elapsed (later: number, earlier: number): number {
  return (later - earlier) >>> 0
}
