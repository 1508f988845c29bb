/**
 * How a kill switch is thrown and how it is seen to arrive. A change is written to every store that answers; one is enough. Its
 * version is fixed before it is written, so a write that a hanging store carries out much later cannot undo what came after it.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { fingerprintOf, takeEvents, versionOf, type KillEvent } from '../plugins/lib/kill-state.ts'
import { ulid } from '../plugins/lib/record-id.ts'
import { instanceKey, type DeferringKillStore, type InstanceSeen, type KillReading, type KillStore } from '../plugins/support/kill-store.ts'
import { OperationError } from './operator-arguments.ts'

/** A store that has not answered by then counts as away. */
const STORE_DEADLINE_MS = 1500
/** Once one store has answered, the others have this long: a switch does not wait for a store that hangs. */
const GRACE_MS = 400
const CONFIRM_EVERY_MS = 25
const CONFIRM_DEADLINE_MS = 5000
/** An instance reports each second; one that was not heard of for this long is not running, or is cut off from every store. */
export const RUNNING_MS = 10_000

export interface KillControl {
  readonly history: KillStore
  /** The second store. Default none. */
  readonly fast?: DeferringKillStore
  /** The environment's flag as this process sees it. */
  readonly isEnabled: boolean
  /** The latest events, newest first. */
  readonly listEvents: (limit: number) => Promise<KillEvent[]>
  /** Tells the instance in this process at once. Default none: instances poll. */
  readonly onChanged?: (event: KillEvent) => void
}

export type StoreOutcome = 'written' | 'away'

export interface KnownState {
  readonly known: ReadonlyMap<string, KillEvent>
  readonly nowMs: number
  /** The stores that answered. */
  readonly stores: readonly KillStore[]
}

export interface NewKillEvent extends Pick<KillEvent, 'target' | 'kind' | 'reason' | 'actor'> {
  writesOnly?: boolean
  /** Lifts itself after this long. Default never. */
  forMs?: number | null
  detail?: object
}

export interface KillChange { readonly event: KillEvent, readonly stores: Record<string, StoreOutcome>, readonly state: KnownState }

/** An instance and how many milliseconds after the change was begun it was first seen to hold the state; null when it was not. */
export interface Arrival { readonly id: string, readonly role: string, readonly ms: number | null }

/** What the stores know, merged. Rejects with `unavailable` when none answers. */
export async function readKillState (control: KillControl): Promise<KnownState> {
  const stores = storesOf(control)
  const readings = await readEach(stores)
  const known = new Map<string, KillEvent>()
  const answered = readings.filter((reading): reading is KillReading => reading !== null)
  for (const { events, deferred } of answered) takeEvents(known, [...events, ...deferred])
  const [first] = answered
  if (first === undefined) throw new OperationError('unavailable', `no store of the kill switch answers (${stores.map(({ name }) => name).join(', ')}). Running instances keep their last known state. To stop one now, restart it with PUBLIC_API_ENABLED=false.`)
  return { known, nowMs: first.nowMs, stores: stores.filter((_store, index) => readings[index] !== null) }
}

/** Writes one event to every store that answers. Rejects with `unavailable` when none takes it. */
export async function changeKillSwitch (control: KillControl, change: NewKillEvent): Promise<KillChange> {
  const { known, nowMs, stores } = await readKillState(control)
  const event: KillEvent = {
    id: `kev_${ulid()}`,
    target: change.target,
    version: Math.max(nowMs, versionOf(known) + 1),
    kind: change.kind,
    writesOnly: change.writesOnly ?? false,
    reason: change.reason,
    actor: change.actor,
    atMs: nowMs,
    untilMs: change.forMs === undefined || change.forMs === null ? null : nowMs + change.forMs,
    detail: change.detail ?? null
  }
  const outcomes: Record<string, StoreOutcome> = {}
  await Promise.all(storesOf(control).map(async (store) => {
    const isWritten = stores.includes(store) && await attempt(store.adopt([event]).then(() => true)) === true
    outcomes[store.name] = isWritten ? 'written' : 'away'
  }))
  const { history, fast } = control
  if (outcomes[history.name] === 'away' && fast !== undefined) {
    // The instances move it to the history when that is back.
    if (await attempt(fast.defer([event]).then(() => true)) !== true) outcomes[fast.name] = 'away'
  }
  if (!Object.values(outcomes).includes('written')) throw new OperationError('unavailable', 'no store took the change; repeat the command')
  control.onChanged?.(event)
  const merged = new Map(known)
  takeEvents(merged, [event])
  return { event, stores: outcomes, state: { known: merged, nowMs, stores } }
}

/** Every instance that the stores have heard of, with its latest report. */
export async function listInstances (stores: readonly KillStore[]): Promise<InstanceSeen[]> {
  const latest = new Map<string, InstanceSeen>()
  for (const seen of (await reportsOf(stores)).sort((a, b) => b.silentMs - a.silentMs)) latest.set(instanceKey(seen), seen)
  return [...latest.values()].sort((a, b) => a.id.localeCompare(b.id))
}

/**
 * Waits until every running instance holds what the stores hold, at most five seconds. What is measured is an upper bound:
 * an instance acts on a state before it reports it, and the report is looked for every 25 ms.
 */
export async function waitForInstances (stores: readonly KillStore[], startedMs: number): Promise<Arrival[]> {
  const running = (await listInstances(stores)).filter(({ silentMs }) => silentMs < RUNNING_MS)
  const arrivedMs = new Map<string, number>()
  while (arrivedMs.size < running.length && performance.now() - startedMs < CONFIRM_DEADLINE_MS) {
    const [wanted, reports] = await Promise.all([fingerprintNow(stores), reportsOf(stores)])
    const atMs = Math.round(performance.now() - startedMs)
    for (const report of reports) if (report.fingerprint === wanted && !arrivedMs.has(instanceKey(report))) arrivedMs.set(instanceKey(report), atMs)
    if (running.every((instance) => arrivedMs.has(instanceKey(instance)))) break
    await wait(CONFIRM_EVERY_MS)
  }
  return running.map((instance) => ({ id: instance.id, role: instance.role, ms: arrivedMs.get(instanceKey(instance)) ?? null }))
}

/** Every store's reading, in their order; null for one that has not answered in time. */
async function readEach (stores: readonly KillStore[]): Promise<Array<KillReading | null>> {
  const readings: Array<KillReading | null> = stores.map(() => null)
  const reads = stores.map(async (store, index) => {
    readings[index] = await attempt(store.read())
    if (readings[index] === null) throw new Error('no answer')
  })
  const ending = new AbortController()
  const grace = Promise.any(reads).then(() => wait(GRACE_MS, undefined, { signal: ending.signal }))
  await Promise.race([Promise.allSettled(reads), grace.catch(() => Promise.allSettled(reads))])
  ending.abort()
  return [...readings]
}

async function fingerprintNow (stores: readonly KillStore[]): Promise<string> {
  const known = new Map<string, KillEvent>()
  for (const reading of await Promise.all(stores.map((store) => attempt(store.read())))) if (reading !== null) takeEvents(known, reading.events)
  return fingerprintOf(known)
}

async function reportsOf (stores: readonly KillStore[]): Promise<InstanceSeen[]> {
  return (await Promise.all(stores.map((store) => attempt(store.instances())))).flatMap((list) => list ?? [])
}

function storesOf ({ history, fast }: KillControl): KillStore[] {
  return fast === undefined ? [history] : [history, fast]
}

/** Null when the store does not answer in time, or says no. */
async function attempt<T> (work: Promise<T>): Promise<T | null> {
  const ending = new AbortController()
  try {
    return await Promise.race([work, wait(STORE_DEADLINE_MS, null, { signal: ending.signal })])
  } catch {
    return null
  } finally {
    ending.abort()
  }
}
