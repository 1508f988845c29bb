import type { FaultEvent, Operation } from './history.ts'

export interface AuditFact { readonly count: number, readonly degraded: boolean, readonly instance: string }
export interface SubscriptionFact { readonly id: string, readonly orgId: string }
export interface DeliveryFact { readonly subscriptionId: string, readonly evaluationId: string | null, readonly isValid: boolean, readonly foreignMark: string | null }

/** What the stores and the receiver say once the run has settled. */
export interface Facts {
  /** State of every evaluation that the database holds. */
  readonly evaluations: ReadonlyMap<string, { readonly orgId: string, readonly state: string }>
  /** Audit rows by watermark. */
  readonly rows: ReadonlyMap<string, AuditFact>
  readonly subscriptions: readonly SubscriptionFact[]
  readonly deliveries: readonly DeliveryFact[]
  /** Limits of the keys whose windows are judged. */
  readonly limits: ReadonlyMap<string, { readonly perMinute: number, readonly perHour: number }>
  readonly instances: number
  /** How each process that was told to end did end, and those that ended by themselves. */
  readonly drains: ReadonlyArray<{ readonly process: string, readonly exit: number | string, readonly ms: number }>
  readonly crashes: readonly string[]
  readonly isMarkOurs: (watermark: string) => boolean
}

export interface Run { readonly operations: readonly Operation[], readonly faults: readonly FaultEvent[], readonly facts: Facts }

export interface Violation { readonly what: string, readonly operations: readonly Operation[] }

export interface Verdict {
  readonly promise: string
  /** What was looked at, such as `evaluations accepted`. */
  readonly counts: Readonly<Record<string, number>>
  readonly violations: readonly Violation[]
}

export type Check = (run: Run) => Verdict

export function groupBy<T> (items: readonly T[], keyOf: (item: T) => string | null): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const key = keyOf(item)
    if (key === null) continue
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
}
