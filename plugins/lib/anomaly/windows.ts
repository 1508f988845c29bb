/** Bounded memories of the recent past: a count, a set of distinct values, the busiest hour. Rows may arrive a little out of order. */
import { LRUCache } from 'lru-cache'

const BUCKETS = 30
const HOUR_MS = 3_600_000
const HOURS = 168

/** How many inside a sliding window, in thirty buckets: the window's edge is exact to a thirtieth. */
export class SlidingCount {
  readonly #bucketMs: number
  readonly #counts = new Uint32Array(BUCKETS)
  readonly #numbers = new Float64Array(BUCKETS).fill(-1)

  constructor (windowMs: number) {
    this.#bucketMs = windowMs / BUCKETS
  }

  add (atMs: number, count = 1): void {
    const number = Math.floor(atMs / this.#bucketMs)
    const slot = number % BUCKETS
    if ((this.#numbers[slot] ?? -1) > number) return
    if (this.#numbers[slot] !== number) {
      this.#numbers[slot] = number
      this.#counts[slot] = 0
    }
    this.#counts[slot] = (this.#counts[slot] ?? 0) + count
  }

  total (nowMs: number): number {
    const oldest = Math.floor(nowMs / this.#bucketMs) - BUCKETS + 1
    let sum = 0
    for (let slot = 0; slot < BUCKETS; slot++) if ((this.#numbers[slot] ?? -1) >= oldest) sum += this.#counts[slot] ?? 0
    return sum
  }
}

/** How many distinct values inside a sliding window; beyond `valuesMax` the oldest are forgotten. */
export class DistinctWithin {
  readonly #windowMs: number
  readonly #seen: LRUCache<string, number>

  constructor (windowMs: number, valuesMax: number) {
    this.#windowMs = windowMs
    this.#seen = new LRUCache({ max: valuesMax })
  }

  /** True for a value that was not inside the window. */
  add (value: string, atMs: number): boolean {
    const isNew = (this.#seen.peek(value) ?? Number.NEGATIVE_INFINITY) <= atMs - this.#windowMs
    this.#seen.set(value, atMs)
    return isNew
  }

  total (nowMs: number): number {
    // Least recently seen first: the first one that is still inside ends the walk.
    for (;;) {
      const oldest = this.#seen.rkeys().next().value
      if (oldest === undefined || (this.#seen.peek(oldest) ?? 0) > nowMs - this.#windowMs) return this.#seen.size
      this.#seen.delete(oldest)
    }
  }
}

/** Requests per clock hour over the past seven days. */
export class HourlyHistory {
  readonly #counts = new Uint32Array(HOURS)
  readonly #hours = new Float64Array(HOURS).fill(-1)
  #firstHour = Number.POSITIVE_INFINITY

  add (atMs: number, count = 1): void {
    const hour = Math.floor(atMs / HOUR_MS)
    const slot = hour % HOURS
    if ((this.#hours[slot] ?? -1) > hour) return
    if (this.#hours[slot] !== hour) {
      this.#hours[slot] = hour
      this.#counts[slot] = 0
    }
    this.#counts[slot] = (this.#counts[slot] ?? 0) + count
    this.#firstHour = Math.min(this.#firstHour, hour)
  }

  /** The past without the hour that is under way and the one before it, which the sliding hour still touches. */
  past (nowMs: number): { busiest: number, activeHours: number, knownMs: number } {
    const current = Math.floor(nowMs / HOUR_MS)
    let busiest = 0
    let activeHours = 0
    for (let slot = 0; slot < HOURS; slot++) {
      const hour = this.#hours[slot] ?? -1
      if (hour < 0 || hour >= current - 1 || hour <= current - HOURS) continue
      activeHours++
      busiest = Math.max(busiest, this.#counts[slot] ?? 0)
    }
    return { busiest, activeHours, knownMs: Number.isFinite(this.#firstHour) ? nowMs - this.#firstHour * HOUR_MS : 0 }
  }
}
