/**
 * What this process admitted alone while the shared windows were away, until they have been told of it: it is told with the next
 * request of the key, and counts there like what they admitted themselves. Bounded by keys and by what a window remembers.
 */
import { LRUCache } from 'lru-cache'
import { LIMIT_MAX } from './sliding-window.ts'

const KEYS_MAX = 10_000

export interface UntoldAdmissions {
  /** Keeps one, Unix milliseconds. */
  add (keyId: string, admittedMs: number): void
  /** Takes all of a key, oldest first; whoever takes them tells them or puts them back. */
  take (keyId: string): readonly number[]
  putBack (keyId: string, admittedMs: readonly number[]): void
}

const NONE: readonly number[] = []

export function untoldAdmissions (): UntoldAdmissions {
  const untold = new LRUCache<string, number[]>({ max: KEYS_MAX })
  return {
    add (keyId, admittedMs) {
      const kept = untold.get(keyId)
      if (kept === undefined) untold.set(keyId, [admittedMs])
      else if (kept.push(admittedMs) > LIMIT_MAX) kept.shift()
    },
    take (keyId) {
      // As long as the store is there nothing is ever untold.
      if (untold.size === 0) return NONE
      const taken = untold.get(keyId)
      if (taken === undefined) return NONE
      untold.delete(keyId)
      return taken
    },
    putBack (keyId, admittedMs) {
      if (admittedMs.length > 0) untold.set(keyId, [...admittedMs, ...untold.get(keyId) ?? NONE].slice(-LIMIT_MAX))
    }
  }
}
