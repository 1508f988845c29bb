/** What an operator does with the kill switch: throws it, lifts it, looks at it, drills it. Arguments are checked here. */
import type { Database } from '../db/client.ts'
import { findOrganization } from '../db/queries/organizations.ts'
import { EVERYTHING, fingerprintOf, targetOf, thrownAt, versionOf, type KillEvent } from '../plugins/lib/kill-state.ts'
import { changeKillSwitch, listInstances, readKillState, RUNNING_MS, waitForInstances, type Arrival, type KillChange, type KillControl } from './kill-control.ts'
import { oneKey } from './operator-anomalies.ts'
import { OperationError, readDuration, readLimitOrNull, readText } from './operator-arguments.ts'

const FOR_MAX = { ms: 30 * 86_400_000, text: '30d' }
const SWITCHES_MAX = 1000
const HISTORY_DEFAULT = 10
const HISTORY_MAX = 1000
const ORG_ID = /^org_[A-Za-z0-9_-]{1,60}$/
const KEY_ID = /^key_[A-Za-z0-9_-]{1,60}$/
const LOOK_UP_DEADLINE_MS = 1000
/** No organization: what is refused in its name is nobody's. */
export const DRILL_ORG = 'org_drill'
/** A drill that is broken off lifts itself. */
const DRILL_FOR_MS = 60_000
export const EFFECT_MS_MAX = 2000

export interface KillDeps { readonly database: Pick<Database, 'db'>, readonly kill: KillControl, readonly actor: string }

type Arguments = Record<string, unknown>

export async function throwKillSwitch ({ database, kill, actor }: KillDeps, args: Arguments): Promise<object> {
  const reason = readText(args, 'reason')
  const forMs = readDuration(args['for'], 'for', FOR_MAX)
  const writesOnly = readFlag(args, 'writes_only')
  const { target, isVerified } = await readTarget(database, args)
  const { known, nowMs } = await readKillState(kill)
  if (thrownAt(known, nowMs).length >= SWITCHES_MAX) throw new OperationError('failed', `${SWITCHES_MAX} switches are thrown already; lift some, or throw it for everything`)
  const startedMs = performance.now()
  const change = await changeKillSwitch(kill, { target, kind: 'on', writesOnly, reason, actor, forMs })
  return { switch: shown(change.event), verified: isVerified, ...await effectOf(change, startedMs) }
}

export async function liftKillSwitch ({ database, kill, actor }: KillDeps, args: Arguments): Promise<object> {
  const reason = args['reason'] === undefined ? 'lifted' : readText(args, 'reason')
  const { known, nowMs } = await readKillState(kill)
  const thrown = thrownAt(known, nowMs)
  const { target: named } = scopeOf(args)
  const lifted = readFlag(args, 'all') ? [...thrown] : thrown.filter(({ target }) => target === named)
  if (lifted.length === 0) lifted.push(...await namedByPrefix(database, args, thrown))
  if (lifted.length === 0) throw new OperationError('failed', `nothing is thrown for ${describeScope(args)}. ${thrown.length === 0 ? 'Nothing is thrown at all.' : `Thrown: ${thrown.map(({ target }) => target).join(', ')}`}`)
  const startedMs = performance.now()
  let change: KillChange | null = null
  for (const { target } of lifted) change = await changeKillSwitch(kill, { target, kind: 'off', reason, actor })
  if (change === null) throw new OperationError('failed', 'nothing was lifted')
  return { lifted: lifted.map(shown), ...await effectOf(change, startedMs), ...await environmentOf(kill, change) }
}

export async function showKillSwitch ({ kill }: KillDeps, args: Arguments): Promise<object> {
  const limit = readLimitOrNull(args['history'], 'history', HISTORY_MAX) ?? HISTORY_DEFAULT
  const { known, nowMs, stores } = await readKillState(kill)
  const [heard, history] = await Promise.all([listInstances(stores), stores.includes(kill.history) ? kill.listEvents(limit) : null])
  const fingerprint = fingerprintOf(known)
  return {
    on: thrownAt(known, nowMs).map(shown),
    version: versionOf(known),
    environment_enabled: kill.isEnabled,
    instances: heard.map((seen) => ({
      id: seen.id,
      role: seen.role,
      running: seen.silentMs < RUNNING_MS,
      silent_ms: seen.silentMs,
      state_known: seen.isKnown,
      version: seen.version,
      up_to_date: seen.fingerprint === fingerprint,
      environment_enabled: seen.isEnabled
    })),
    stores: Object.fromEntries([kill.history, ...(kill.fast === undefined ? [] : [kill.fast])].map((store) => [store.name, stores.includes(store) ? 'answers' : 'away'])),
    history: history?.map(shown) ?? null
  }
}

/** Throws the switch for nobody, sees it arrive and go on every running instance, and records what was measured. */
export async function drillKillSwitch ({ kill, actor }: KillDeps): Promise<object> {
  const { stores } = await readKillState(kill)
  if (!(await listInstances(stores)).some(({ silentMs }) => silentMs < RUNNING_MS)) throw new OperationError('failed', 'no running instance was heard of, so there is nothing to measure')
  const target = targetOf({ org: DRILL_ORG })
  const thrown = await timed((startedMs) => changeKillSwitch(kill, { target, kind: 'on', reason: 'drill', actor, forMs: DRILL_FOR_MS }).then(({ state }) => waitForInstances(state.stores, startedMs)))
  const lifted = await timed((startedMs) => changeKillSwitch(kill, { target, kind: 'off', reason: 'drill', actor }).then(({ state }) => waitForInstances(state.stores, startedMs)))
  const instances = thrown.map(({ id, role, ms }, index) => ({ id, role, on_ms: ms, off_ms: lifted[index]?.id === id ? lifted[index].ms : lifted.find((one) => one.id === id)?.ms ?? null }))
  const slowestMs = instances.flatMap(({ on_ms: on, off_ms: off }) => [on, off]).reduce<number | null>((slowest, ms) => slowest === null || ms === null ? null : Math.max(slowest, ms), 0)
  const result = { instances, slowest_ms: slowestMs, bar_ms: EFFECT_MS_MAX, passed: slowestMs !== null && slowestMs <= EFFECT_MS_MAX }
  const { event } = await changeKillSwitch(kill, { target, kind: 'drill', reason: 'drill', actor, detail: result })
  return { ...result, recorded: event.id }
}

async function timed<T> (work: (startedMs: number) => Promise<T>): Promise<T> {
  return await work(performance.now())
}

async function effectOf ({ stores, state }: KillChange, startedMs: number): Promise<{ stores: object, instances: Arrival[], in_effect: boolean }> {
  const instances = await waitForInstances(state.stores, startedMs)
  return { stores, instances, in_effect: instances.every(({ ms }) => ms !== null) }
}

/** Where the environment's flag keeps everything refused, whatever is lifted here. */
async function environmentOf (kill: KillControl, { state }: KillChange): Promise<{ disabled_by_environment: string[] }> {
  const disabled = (await listInstances(state.stores)).filter(({ isEnabled, silentMs }) => !isEnabled && silentMs < RUNNING_MS).map(({ id }) => id)
  return { disabled_by_environment: kill.isEnabled ? disabled : [...disabled, 'the environment of this command'] }
}

function readFlag (args: Arguments, name: string): boolean {
  const value = args[name]
  if (value !== undefined && typeof value !== 'boolean') throw new OperationError('usage', `${name} must be true or false`)
  return value === true
}

function scopeOf (args: Arguments): { org?: string, key?: string, target: string } {
  if ([args['org'] !== undefined, args['key'] !== undefined, args['all'] === true].filter(Boolean).length > 1) throw new OperationError('usage', 'name one organization, or one key, or all')
  const scope = { ...(args['org'] === undefined ? {} : { org: readText(args, 'org') }), ...(args['key'] === undefined ? {} : { key: readText(args, 'key') }) }
  return { ...scope, target: targetOf(scope) }
}

function describeScope (args: Arguments): string {
  const { target } = scopeOf(args)
  return target === EVERYTHING ? 'everything' : target
}

/**
 * The target that the arguments name, looked up where that can be. While PostgreSQL is away an id is taken as it stands: a switch
 * must not wait for the store whose loss may be the reason for it.
 */
async function readTarget (database: Pick<Database, 'db'>, args: Arguments): Promise<{ target: string, isVerified: boolean }> {
  const { org, key, target } = scopeOf(args)
  if (org !== undefined) {
    if (!ORG_ID.test(org)) throw new OperationError('usage', 'org must be an id such as org_01J…')
    const found = await lookUp(findOrganization(database.db, org))
    if (found === null) throw new OperationError('failed', 'no organization has this id')
    return { target, isVerified: found !== 'away' }
  }
  if (key === undefined) return { target, isVerified: true }
  const found = await lookUp(oneKey(database, key))
  if (found !== 'away') return { target: targetOf({ key: found.id }), isVerified: true }
  if (!KEY_ID.test(key)) throw new OperationError('usage', 'PostgreSQL is away, so a key can be named by its id only (key_…)')
  return { target, isVerified: false }
}

/** Switches that a key's prefix names. */
async function namedByPrefix (database: Pick<Database, 'db'>, args: Arguments, thrown: readonly KillEvent[]): Promise<KillEvent[]> {
  const { key } = scopeOf(args)
  if (key === undefined || KEY_ID.test(key)) return []
  const found = await lookUp(oneKey(database, key))
  if (found === 'away') throw new OperationError('unavailable', 'PostgreSQL is away, so a key can be named by its id only (key_…)')
  return thrown.filter(({ target }) => target === targetOf({ key: found.id }))
}

async function lookUp<T> (work: Promise<T>): Promise<T | 'away'> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<'away'>((resolve) => { timer = setTimeout(resolve, LOOK_UP_DEADLINE_MS, 'away') })
  try {
    return await Promise.race([work, deadline])
  } catch (err) {
    if (err instanceof OperationError) throw err
    return 'away'
  } finally {
    clearTimeout(timer)
  }
}

function shown (event: KillEvent): object {
  return {
    id: event.id,
    target: event.target,
    kind: event.kind,
    writes_only: event.writesOnly,
    reason: event.reason,
    actor: event.actor,
    at: new Date(event.atMs).toISOString(),
    until: event.untilMs === null ? null : new Date(event.untilMs).toISOString(),
    ...(event.detail === null ? {} : { detail: event.detail })
  }
}
