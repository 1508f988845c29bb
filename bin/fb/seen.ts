/**
 * What a follower has seen. Ids are drawn before they are committed, so one that is committed late is lower than ids that were seen before it:
 * a follower that only asked for higher ones would never see it. Each time it asks again from where everything has settled.
 */

/** Longer than a transaction of the service can last. */
export const SETTLING_MS = 30_000

export interface Seen<Id> {
  /** Every id up to this one was seen, or will never be there. */
  floor (): Id
  /** Those that are new, in their order. */
  add<One extends { id: Id }> (found: readonly One[], atMs: number): One[]
  /** Raises the floor. `nowMs` is before the last question, on the same clock as `add`. */
  settle (nowMs: number): void
}

/**
 * `past` was seen at `nowMs` (default now); up to `floor` nothing new can come, and where that is not known it is below every id. Ids are compared as they
 * are: numbers, or texts of one length.
 */
export function seenBefore<Id extends number | string> (past: ReadonlyArray<{ id: Id }>, floor: Id, nowMs = performance.now()): Seen<Id> {
  const seenAt = new Map(past.map(({ id }) => [id, nowMs]))

  return {
    floor: () => floor,
    add (found, atMs) {
      const fresh = found.filter(({ id }) => !seenAt.has(id))
      for (const { id } of fresh) seenAt.set(id, atMs)
      return fresh
    },
    settle (nowMs) {
      const settled = [...seenAt.keys()].sort((one, other) => one < other ? -1 : 1)
      for (const id of settled) {
        if ((seenAt.get(id) ?? nowMs) > nowMs - SETTLING_MS) break
        seenAt.delete(id)
        if (id > floor) floor = id
      }
    }
  }
}
