/** Keeps each key inside its minute window as this client counts it, and spreads requests over the keys that there are. */
const WINDOW_MS = 60_000
/** Left for whoever else uses the key, and for clocks that differ. */
const RESERVE = 2
const PER_MINUTE = 60

export interface PaceOptions {
  /** Unix milliseconds. Default `Date.now`. */
  now?: () => number
  /** Default a timer. */
  sleep?: (ms: number) => Promise<void>
  /** Told before a wait, with its seconds. Default none. */
  onWait?: (seconds: number) => void
}

export class Pace {
  readonly #sent = new Map<string, number[]>()
  readonly #limits = new Map<string, number>()
  readonly #now: () => number
  readonly #sleep: (ms: number) => Promise<void>
  readonly #onWait: (seconds: number) => void

  constructor (options: PaceOptions = {}) {
    this.#now = options.now ?? Date.now
    this.#sleep = options.sleep ?? ((ms) => new Promise((resolve) => { setTimeout(resolve, ms) }))
    this.#onWait = options.onWait ?? (() => {})
  }

  /** The key of these that has most left; waits when none has anything left. Counts a request of it. */
  async take (keys: readonly [string, ...string[]]): Promise<string> {
    for (;;) {
      const best = keys.reduce((one, other) => this.#left(other) > this.#left(one) ? other : one)
      if (this.#left(best) > 0) {
        this.#sent.get(best)?.push(this.#now())
        return best
      }
      const freeAtMs = Math.min(...keys.map((key) => (this.#recent(key)[0] ?? 0) + WINDOW_MS))
      await this.wait(Math.max(1, freeAtMs - this.#now()) / 1000)
    }
  }

  /** What an answer said of a key's limit. */
  learn (key: string, limit: number): void {
    if (Number.isSafeInteger(limit) && limit > RESERVE) this.#limits.set(key, limit)
  }

  async wait (seconds: number): Promise<void> {
    this.#onWait(Math.ceil(seconds))
    await this.#sleep(seconds * 1000)
  }

  #left (key: string): number {
    return (this.#limits.get(key) ?? PER_MINUTE) - RESERVE - this.#recent(key).length
  }

  #recent (key: string): number[] {
    const recent = (this.#sent.get(key) ?? []).filter((atMs) => this.#now() - atMs < WINDOW_MS)
    this.#sent.set(key, recent)
    return recent
  }
}
