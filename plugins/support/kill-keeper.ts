/**
 * Keeps the kill switch's state in this process. Every store is polled each second on its own, so that one which hangs holds up
 * no other; what they say is merged, newest event per target. A store that is away changes nothing: the last known state stays,
 * and a switch thrown for a time lifts itself by the stores' clock, carried on here by a monotonic one. What one store lacks and
 * another had is written back to it. After each look the instance says what state it holds, so that an operator can see a switch
 * arrive everywhere.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { fingerprintOf, nextExpiryMs, stateAt, supersedes, takeEvents, thrownAt, versionOf, type KillEvent, type KillState } from '../lib/kill-state.ts'

const POLL_MS = 1000

export interface KillReading {
  /** The store's clock, Unix milliseconds. */
  readonly nowMs: number
  /** False when the store may have lost events: what it says then counts, but what it does not say is not known to be off. */
  readonly isComplete: boolean
  /** The newest event of each target. */
  readonly events: readonly KillEvent[]
  /** Events that the history has not got yet. */
  readonly deferred: readonly KillEvent[]
}

export interface InstanceReport {
  /** `INSTANCE_ID`, and a text that is new with each process, because two processes may have been given one name. */
  readonly id: string
  readonly boot: string
  readonly role: 'server' | 'worker'
  /** The environment's flag. */
  readonly isEnabled: boolean
  /** False until the state was read once. */
  readonly isKnown: boolean
  readonly version: number
  readonly fingerprint: string
}

/** `silentMs`: how long ago it was heard of, by the store's clock. */
export interface InstanceSeen extends InstanceReport { readonly silentMs: number }

/** A store of the switch. Rejects when it is away. Events are immutable, so taking one in again changes nothing. */
export interface KillStore {
  readonly name: string
  read (): Promise<KillReading>
  /** `isComplete`: with these events the store has everything that the history has. */
  adopt (events: readonly KillEvent[], options?: { isComplete?: boolean }): Promise<void>
  beat (report: InstanceReport): Promise<void>
  leave (report: InstanceReport): Promise<void>
  instances (): Promise<InstanceSeen[]>
}

/** A store that keeps events for the history while that is away. */
export interface DeferringKillStore extends KillStore {
  defer (events: readonly KillEvent[]): Promise<void>
  settle (ids: readonly string[]): Promise<void>
}

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

export function instanceKey ({ id, boot }: Pick<InstanceReport, 'id' | 'boot'>): string {
  return `${id} ${boot}`
}

/** A report as a store kept it. */
export function parseInstanceReport (value: unknown): InstanceReport {
  const { id, boot, role, isEnabled, isKnown, version, fingerprint } = value as Record<string, unknown>
  if (typeof id !== 'string' || typeof boot !== 'string' || (role !== 'server' && role !== 'worker') || typeof isEnabled !== 'boolean' || typeof isKnown !== 'boolean' ||
    typeof version !== 'number' || typeof fingerprint !== 'string') throw new TypeError('kill switch: an instance report that is not understood')
  return { id, boot, role, isEnabled, isKnown, version, fingerprint }
}

function reasonOf (err: unknown): string {
  return err instanceof Error ? err.name : 'unknown'
}
