/**
 * Undoes takes whose answer never came: at once when the server is heard again, before anybody asks it anything else, and in the
 * background after that. A server that hung may still do what it had been sent some time after it is heard again, so an undo that
 * finds nothing to undo is tried again until its last delay has passed.
 */

const DELAYS_MS = [250, 500, 1000, 2000, 4000, 8000, 15_000, 30_000, 60_000, 120_000]
const PENDING_MAX = 10_000

export interface Undoer {
  add (key: string, taker: string): void
  /** Tries all that is pending now. */
  flush (): void
}

/** `giveBack` answers 1 when the taker's use was given back. Beyond 10 000 at once the oldest are left as they are: their tokens stay used. */
export function undoLater (giveBack: (key: string, taker: string) => Promise<unknown>): Undoer {
  const pending = new Map<string, string>()

  function attempt (key: string, taker: string): Promise<void> {
    return giveBack(key, taker).then((done) => { if (done === 1) pending.delete(taker) }, () => {})
  }

  function tryLater (key: string, taker: string, tries: number): void {
    const delayMs = DELAYS_MS[tries]
    if (delayMs === undefined) pending.delete(taker)
    if (delayMs === undefined || !pending.has(taker)) return
    setTimeout(() => {
      if (pending.has(taker)) attempt(key, taker).finally(() => tryLater(key, taker, tries + 1)).catch(() => {})
    }, delayMs).unref()
  }

  return {
    add (key, taker) {
      pending.set(taker, key)
      const [oldest] = pending.keys()
      if (pending.size > PENDING_MAX && oldest !== undefined) pending.delete(oldest)
      tryLater(key, taker, 0)
    },
    flush () { for (const [taker, key] of pending) attempt(key, taker).catch(() => {}) }
  }
}
