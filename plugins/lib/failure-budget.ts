/**
 * What a process spends on callers whom it does not know. A flood of bad keys from ever new addresses stays under any limit per address;
 * each of its keys costs a read of the key store. Failures are paid from a budget that refills evenly, so that a flood never has a whole
 * second's reads at once; successes are free, so that a restart, after which nobody is known, costs nothing but their reads. Those take
 * turns: whoever comes while all places are taken waits, in a line of bounded length and for a bounded time.
 */
export interface FailureBudgetOptions {
  /** Failures a second in the long run; a quarter of them may come at once. */
  perSecondMax: number
  /** Reads at a time, whatever they will turn out to be. */
  underWayMax: number
  /** Places in the line. Default 1000. */
  waitingMax?: number
  /** How long one waits in the line. Default 3000: whoever waits longer waits for a store that does not answer. */
  waitMs?: number
  /** Unix milliseconds. */
  now: () => number
}

/** `go`, and then `end` must be called; or why not: the failures are spent or the line is full, or the turn did not come in time. */
export type Turn = 'go' | 'spent' | 'late'

export interface FailureBudget {
  begin (): Promise<Turn>
  end (hasFailed: boolean): void
}

export function failureBudget ({ perSecondMax, underWayMax, waitingMax = 1000, waitMs = 3000, now }: FailureBudgetOptions): FailureBudget {
  for (const [name, value] of Object.entries({ perSecondMax, underWayMax, waitingMax, waitMs })) if (!(value >= 1)) throw new RangeError(`${name} must be at least 1`)
  const burst = Math.max(1, perSecondMax / 4)
  const waiting = new Set<(turn: Turn) => void>()
  /** Failures not paid yet, at that time. */
  let owed = 0
  let owedAtMs = now()
  let underWay = 0

  function isSpent (): boolean {
    const nowMs = now()
    // A clock that is set back pays nothing, and owes nothing more either.
    owed = Math.max(0, owed - Math.max(0, nowMs - owedAtMs) / 1000 * perSecondMax)
    owedAtMs = nowMs
    return owed > burst - 1
  }

  /** The next in the line, which is refused like anyone else once the failures are spent. */
  function callNext (): void {
    for (const resolve of waiting) {
      if (underWay >= underWayMax) return
      resolve(isSpent() ? 'spent' : 'go')
    }
  }

  return {
    async begin () {
      if (isSpent()) return 'spent'
      if (underWay < underWayMax) {
        underWay++
        return 'go'
      }
      if (waiting.size >= waitingMax) return 'spent'
      return await new Promise<Turn>((resolve) => {
        const leave = (turn: Turn): void => {
          clearTimeout(timer)
          waiting.delete(leave)
          if (turn === 'go') underWay++
          resolve(turn)
        }
        const timer = setTimeout(leave, waitMs, 'late')
        waiting.add(leave)
      })
    },
    end (hasFailed) {
      underWay--
      if (hasFailed) owed++
      callNext()
    }
  }
}
