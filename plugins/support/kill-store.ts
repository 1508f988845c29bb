/** The ports of the kill switch: its stores, and what an instance says of itself to them. */
import type { KillEvent } from '../lib/kill-state.ts'

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

export function instanceKey ({ id, boot }: Pick<InstanceReport, 'id' | 'boot'>): string {
  return `${id} ${boot}`
}

/** A report as a store kept it. Throws on anything else. */
export function parseInstanceReport (value: unknown): InstanceReport {
  if (typeof value !== 'object' || value === null) throw new TypeError('kill switch: an instance report must be an object')
  const { id, boot, role, isEnabled, isKnown, version, fingerprint } = value as Record<string, unknown>
  if (typeof id !== 'string' || typeof boot !== 'string' || (role !== 'server' && role !== 'worker') || typeof isEnabled !== 'boolean' || typeof isKnown !== 'boolean' ||
    typeof version !== 'number' || typeof fingerprint !== 'string') throw new TypeError('kill switch: an instance report that is not understood')
  return { id, boot, role, isEnabled, isKnown, version, fingerprint }
}
