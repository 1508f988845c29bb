/**
 * Undoes, in the background, takes whose answer never came. A server that hung may still do what it had been sent, some time
 * after it is heard again, so an undo that finds nothing to undo is tried again until its last delay has passed.
 */

const DELAYS_MS = [250, 500, 1000, 2000, 4000, 8000, 15_000, 30_000, 60_000, 120_000]
const PENDING_MAX = 10_000

/** `giveBack` answers 1 when the taker's use was given back. Beyond 10 000 at once the oldest are left as they are: their tokens stay used. */
export function undoLater (giveBack: (key: string, taker: string) => Promise<unknown>): (key: string, taker: string) => void {
  const pending = new Set<string>()

  function tryLater (key: string, taker: string, tries: number): void {
    const delayMs = DELAYS_MS[tries]
    if (delayMs === undefined || !pending.has(taker)) {
      pending.delete(taker)
      return
    }
    setTimeout(() => {
      giveBack(key, taker).then((done) => {
        if (done === 1) pending.delete(taker)
        else tryLater(key, taker, tries + 1)
      }, () => tryLater(key, taker, tries + 1))
    }, delayMs).unref()
  }

  return (key, taker) => {
    pending.add(taker)
    const [oldest] = pending
    if (pending.size > PENDING_MAX && oldest !== undefined) pending.delete(oldest)
    tryLater(key, taker, 0)
  }
}
