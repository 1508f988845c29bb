/**
 * What a process spends on callers whom it does not know. A flood of bad keys from ever new addresses stays under any limit per address;
 * each of its keys costs a read of the key store. Failures are paid from one budget a second; successes are free, so that a restart, after
 * which nobody is known, costs nothing but their reads.
 */
export interface FailureBudgetOptions {
  /** Failures in any one second. */
  perSecondMax: number
  /** Reads at a time, whatever they will turn out to be. */
  underWayMax: number
  /** Unix milliseconds. */
  now: () => number
}

export interface FailureBudget {
  /** `go`, and then `end` must be called; or why not: the second's failures are spent, or too many reads are under way. */
  begin (): 'go' | 'spent' | 'busy'
  end (hasFailed: boolean): void
}

export function failureBudget ({ perSecondMax, underWayMax, now }: FailureBudgetOptions): FailureBudget {
  for (const [name, value] of Object.entries({ perSecondMax, underWayMax })) if (!(value >= 1)) throw new RangeError(`${name} must be at least 1`)
  let second = 0
  let failed = 0
  let underWay = 0
  return {
    begin () {
      const current = Math.floor(now() / 1000)
      if (current !== second) {
        second = current
        failed = 0
      }
      if (failed >= perSecondMax) return 'spent'
      if (underWay >= underWayMax) return 'busy'
      underWay++
      return 'go'
    },
    end (hasFailed) {
      underWay--
      if (hasFailed) failed++
    }
  }
}
