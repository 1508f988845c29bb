/**
 * Keeps the kill switch's state in this process. Every store is polled each second on its own, so that one which hangs holds up
 * no other; what they say is merged, newest event per target. A store that is away changes nothing: the last known state stays,
 * and a switch thrown for a time lifts itself by the stores' clock, carried on here by a monotonic one. What one store lacks and
 * another had is written back to it. After each look the instance says what state it holds, so that an operator can see a switch
 * arrive everywhere.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { fingerprintOf, nextExpiryMs, stateAt, supersedes, takeEvents, thrownAt, versionOf, type KillEvent, type KillState } from '../lib/kill-state.ts'
import type { DeferringKillStore, InstanceReport, KillReading, KillStore } from './kill-store.ts'

const POLL_MS = 1000

export interface KillKeeperOptions {
  /** The store that holds the history, and whose clock counts. */
  history: KillStore
  /** The second store. Default none. */
  fast?: DeferringKillStore
  instance: Pick<InstanceReport, 'id' | 'boot' | 'role' | 'isEnabled'>
  logger: { warn (fields: object, message: string): void, info (fields: object, message: string): void }
  /** Milliseconds between looks at each store. Default 1000. */
  pollMs?: number
  /** Monotonic milliseconds. Default `performance.now`. */
  now?: () => number
}

export interface KillKeeper {
  /** From memory, at once. */
  state (): KillState
  /** Takes an event that was made in this process, without waiting for any store. */
  take (event: KillEvent): void
  /** Looks at every store now and says what it holds. Rejects when no store answers. */
  refresh (): Promise<void>
  /** Ends polling and takes leave of the stores. */
  stop (): Promise<void>
}

/** Starts polling. The state is unknown until a store has answered. */
export function startKillKeeper (options: KillKeeperOptions): KillKeeper {
  const { history, fast, logger } = options
  const pollMs = options.pollMs ?? POLL_MS
  const now = options.now ?? (() => performance.now())
  if (!(pollMs >= 1)) throw new RangeError('kill keeper: pollMs must be at least 1')
  const stores: readonly KillStore[] = fast === undefined ? [history] : [history, fast]
  const known = new Map<string, KillEvent>()
  const away = new Set<KillStore>()
  const ending = new AbortController()
  let clock: { offsetMs: number, isOfHistory: boolean } | null = null
  let isKnown = false
  let deferred: readonly KillEvent[] = []
  let hasHistory = false
  let view: { state: KillState, staleAtMs: number } = { state: stateAt(known, 0, false), staleAtMs: Number.POSITIVE_INFINITY }
  // Half a period apart, so that a switch that reached both stores is seen twice as soon.
  const loops = stores.map((store, index) => run(store, index * pollMs / stores.length))

  function state (): KillState {
    if (storeNow() >= view.staleAtMs) renew()
    return view.state
  }

  function storeNow (): number {
    return now() + (clock?.offsetMs ?? 0)
  }

  function renew (): void {
    const nowMs = storeNow()
    view = { state: stateAt(known, nowMs, isKnown), staleAtMs: nextExpiryMs(known, nowMs) }
  }

  async function run (store: KillStore, offsetMs: number): Promise<void> {
    for (let isFirst = true; !ending.signal.aborted; isFirst = false) {
      const startedMs = now()
      try {
        await look(store)
        if (away.delete(store)) logger.info({ store: store.name }, 'the kill switch is read from this store again')
      } catch (err) {
        if (!away.has(store) && !ending.signal.aborted) logger.warn({ store: store.name, reason: reasonOf(err) }, 'the kill switch cannot be read from this store; its last known state stays')
        away.add(store)
      }
      const restMs = Math.max(0, pollMs - (now() - startedMs)) + (isFirst ? offsetMs : 0)
      // Ended early is how stopping ends it.
      await wait(restMs, undefined, { signal: ending.signal, ref: false }).catch(() => {})
    }
  }

  async function look (store: KillStore): Promise<void> {
    const reading = await store.read()
    takeReading(store, reading)
    await mend(store, reading)
    if (store === history) await catchUp()
    else deferred = reading.deferred
    await store.beat(report())
  }

  function takeReading (store: KillStore, reading: KillReading): void {
    const isOfHistory = store === history
    if (clock === null || isOfHistory || !clock.isOfHistory) clock = { offsetMs: reading.nowMs - now(), isOfHistory }
    hasHistory ||= isOfHistory
    isKnown ||= reading.isComplete
    takeIn(reading.events)
  }

  function takeIn (events: readonly KillEvent[]): void {
    const changed = takeEvents(known, events)
    renew()
    if (changed.length > 0) logger.info({ targets: changed, thrown: thrownAt(known, storeNow()).map(({ target }) => target) }, 'the kill switch changed')
  }

  function take (event: KillEvent): void {
    takeIn([event])
    // Who waits for this instance reads it from a store; one that is away is told at the next look.
    for (const store of stores) if (!away.has(store)) store.beat(report()).catch(() => {})
  }

  /** Gives a store what it lacks. Several instances may do so at once: an event is the same whoever writes it. */
  async function mend (store: KillStore, reading: KillReading): Promise<void> {
    const held = new Map(reading.events.map((event) => [event.target, event]))
    const lacking = [...known.values()].filter((event) => {
      const theirs = held.get(event.target)
      return theirs === undefined || supersedes(event, theirs)
    })
    const completes = !reading.isComplete && hasHistory
    if (lacking.length > 0 || completes) await store.adopt(lacking, { isComplete: completes })
  }

  /** What waited for the history is written to it as soon as it is back; what cannot be settled yet is written again, which changes nothing. */
  async function catchUp (): Promise<void> {
    if (fast === undefined || deferred.length === 0) return
    const caughtUp = deferred
    await history.adopt(caughtUp)
    await fast.settle(caughtUp.map(({ id }) => id)).catch(() => {})
    if (deferred === caughtUp) deferred = []
  }

  function report (): InstanceReport {
    return { ...options.instance, isKnown, version: versionOf(known), fingerprint: fingerprintOf(known) }
  }

  async function refresh (): Promise<void> {
    const looks = await Promise.allSettled(stores.map(look))
    if (looks.every(({ status }) => status === 'rejected')) throw new Error('no store of the kill switch answers')
  }

  async function stop (): Promise<void> {
    ending.abort()
    await Promise.allSettled(loops)
    await Promise.allSettled(stores.filter((store) => !away.has(store)).map((store) => store.leave(report())))
  }

  return { state, take, refresh, stop }
}

function reasonOf (err: unknown): string {
  return err instanceof Error ? err.name : 'unknown'
}
