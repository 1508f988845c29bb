/**
 * The state of the kill switch, as values. A switch is thrown for a target: everything, one organization or one key. Each change
 * is an event with a version; of two events about one target the newer one counts, so events may arrive from several stores, in
 * any order and repeatedly, and everybody who has seen the same events holds the same state.
 */
import { createHash } from 'node:crypto'

/** What a switch refuses: everything, or only requests that change state. */
export type KillReach = 'everything' | 'writes'

export interface KillEvent {
  readonly id: string
  /** `all`, `org:<organization>` or `key:<key>`. */
  readonly target: string
  /** Above every version that was known when the event was made, and not below the store's clock in Unix milliseconds. */
  readonly version: number
  /** `drill` is the record of a drill; it changes no state. */
  readonly kind: 'on' | 'off' | 'drill'
  readonly writesOnly: boolean
  readonly reason: string
  readonly actor: string
  /** Unix milliseconds, by the clock of a store. */
  readonly atMs: number
  /** When the switch lifts itself, by the clock of a store; null when it does not. */
  readonly untilMs: number | null
  /** What a drill measured. */
  readonly detail: object | null
}

export interface KillState {
  /** False until the state was read once since the process began. */
  readonly isKnown: boolean
  readonly everything: KillReach | null
  readonly orgs: ReadonlyMap<string, KillReach>
  readonly keys: ReadonlyMap<string, KillReach>
}

export const EVERYTHING = 'all'
const TARGET = /^(?:all|(?:org|key):[A-Za-z0-9_-]{1,64})$/
const KINDS = ['on', 'off', 'drill'] as const
const FINGERPRINT_CHARS = 16

/** A state with nothing thrown, for services without a switch at run time. */
export const NOTHING_KILLED: KillState = Object.freeze({ isKnown: true, everything: null, orgs: new Map(), keys: new Map() })

/** Everything is refused: the environment's flag. */
export const ALL_KILLED: KillState = Object.freeze({ isKnown: true, everything: 'everything', orgs: new Map(), keys: new Map() })

export function targetOf (scope: { org?: string | undefined, key?: string | undefined }): string {
  if (scope.org !== undefined) return `org:${scope.org}`
  return scope.key === undefined ? EVERYTHING : `key:${scope.key}`
}

export function isTarget (text: string): boolean {
  return TARGET.test(text)
}

/** Takes events into what is known, newest per target. Returns the targets that changed. */
export function takeEvents (known: Map<string, KillEvent>, events: readonly KillEvent[]): string[] {
  const changed: string[] = []
  for (const event of events) {
    if (event.kind === 'drill') continue
    const before = known.get(event.target)
    if (before !== undefined && !supersedes(event, before)) continue
    known.set(event.target, event)
    changed.push(event.target)
  }
  return changed
}

/** The newer one; of two with one version the one that refuses more, so that a tie never opens what somebody closed. */
export function supersedes (event: KillEvent, before: KillEvent): boolean {
  if (event.version !== before.version) return event.version > before.version
  if (weightOf(event) !== weightOf(before)) return weightOf(event) > weightOf(before)
  return event.id > before.id
}

function weightOf ({ kind, writesOnly }: KillEvent): number {
  if (kind !== 'on') return 0
  return writesOnly ? 1 : 2
}

/** Switches that are thrown at this time. */
export function thrownAt (known: ReadonlyMap<string, KillEvent>, nowMs: number): KillEvent[] {
  return [...known.values()].filter(({ kind, untilMs }) => kind === 'on' && (untilMs === null || untilMs > nowMs))
}

export function stateAt (known: ReadonlyMap<string, KillEvent>, nowMs: number, isKnown: boolean): KillState {
  const orgs = new Map<string, KillReach>()
  const keys = new Map<string, KillReach>()
  let everything: KillReach | null = null
  for (const { target, writesOnly } of thrownAt(known, nowMs)) {
    const reach = writesOnly ? 'writes' : 'everything'
    if (target === EVERYTHING) everything = reach
    else (target.startsWith('org:') ? orgs : keys).set(target.slice('org:'.length), reach)
  }
  return { isKnown, everything, orgs, keys }
}

/** When the next switch lifts itself, Unix milliseconds; infinity when none will. */
export function nextExpiryMs (known: ReadonlyMap<string, KillEvent>, nowMs: number): number {
  return Math.min(Number.POSITIVE_INFINITY, ...thrownAt(known, nowMs).map(({ untilMs }) => untilMs ?? Number.POSITIVE_INFINITY))
}

/** The highest version that is known; 0 when nothing was ever thrown. */
export function versionOf (known: ReadonlyMap<string, KillEvent>): number {
  return Math.max(0, ...[...known.values()].map(({ version }) => version))
}

/** Equal for two who have seen the same events; a version alone does not say that, because a store can miss an older one. */
export function fingerprintOf (known: ReadonlyMap<string, KillEvent>): string {
  const lines = [...known.values()].map(({ target, version, id }) => `${target} ${version} ${id}\n`).sort()
  return createHash('sha256').update(lines.join('')).digest('hex').slice(0, FINGERPRINT_CHARS)
}

/** An event as a store kept it. Throws on anything else: a state that cannot be read must not be taken for an empty one. */
export function parseKillEvent (value: unknown): KillEvent {
  if (typeof value !== 'object' || value === null) throw new TypeError('kill switch: an event must be an object')
  const { id, target, version, kind, writesOnly, reason, actor, atMs, untilMs, detail } = value as Record<string, unknown>
  const knownKind = KINDS.find((one) => one === kind)
  const isWhole = (number: unknown): number is number => Number.isSafeInteger(number)
  if (typeof id !== 'string' || typeof target !== 'string' || !isTarget(target) || !isWhole(version) || knownKind === undefined || typeof writesOnly !== 'boolean' ||
    typeof reason !== 'string' || typeof actor !== 'string' || !isWhole(atMs) || (untilMs !== null && !isWhole(untilMs)) || typeof detail !== 'object') {
    throw new TypeError('kill switch: an event that is not understood')
  }
  return { id, target, version, kind: knownKind, writesOnly, reason, actor, atMs, untilMs, detail }
}
