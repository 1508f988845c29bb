/**
 * How the places of a delivery worker are shared. A receiver that took long the last time goes to a lane of its own, which has half of
 * the places, together with the probes of receivers that are switched off: however many receivers are slow, the quick ones find the other
 * half free. What was slow is remembered per process, for a bounded number of subscriptions, until it is quick again.
 */
import { LRUCache } from 'lru-cache'
import type { ClaimOptions } from '../db/queries/delivery-queue.ts'

const SLOW_MS = 2000
const SLOW_MAX = 1000

/** One claim: what it may take and how much. */
export type Lane = Required<Pick<ClaimOptions, 'scope' | 'among' | 'limit'>> & { readonly isSlow: boolean }

export interface DeliveryLanes {
  /** The next claims to make, as far as there are places; each is worked out when it is asked for. */
  open (): Iterable<Lane>
  /** An attempt begins; call what it returns when it ends. */
  enter (lane: Lane): () => void
  /** Remembers how long a receiver took. */
  note (subscriptionId: string, durationMs: number): void
}

/** Throws TypeError unless `places` is a whole number of at least 1. */
export function deliveryLanes (places: number): DeliveryLanes {
  if (!Number.isInteger(places) || places < 1) throw new TypeError('deliver: concurrency must be a whole number of at least 1')
  const slowPlaces = Math.ceil(places / 2)
  const slow = new LRUCache<string, true>({ max: SLOW_MAX })
  const taken = { all: 0, slow: 0 }
  const free = (): number => places - taken.all
  const freeSlow = (): number => Math.min(free(), slowPlaces - taken.slow)

  return {
    * open () {
      const known = [...slow.keys()]
      if (free() > 0) yield { scope: 'active', among: { except: known }, limit: free(), isSlow: false }
      if (known.length > 0 && freeSlow() > 0) yield { scope: 'active', among: { only: known }, limit: freeSlow(), isSlow: true }
      if (freeSlow() > 0) yield { scope: 'probes', among: { except: [] }, limit: freeSlow(), isSlow: true }
    },
    enter ({ isSlow }) {
      taken.all++
      if (isSlow) taken.slow++
      return () => {
        taken.all--
        if (isSlow) taken.slow--
      }
    },
    note (subscriptionId, durationMs) {
      if (durationMs >= SLOW_MS) slow.set(subscriptionId, true)
      else slow.delete(subscriptionId)
    }
  }
}
