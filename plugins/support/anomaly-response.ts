/**
 * What follows from an anomaly: it is kept, and a key is suspended when that was opted into and the case is strong enough: one certain
 * signal, or two signals of different families within an hour. Off, the event says what would have been done. A suspension is
 * committed before the instances are told, and a person can undo it.
 */
import { KEY_CACHE_SECONDS } from '../context.ts'
import type { DetectedAnomaly } from '../lib/anomaly/detector.ts'
import { SIGNAL_TABLE, type Signal } from '../lib/anomaly/thresholds.ts'

const TOGETHER_MS = 3_600_000

export type SuspensionOutcome = 'suspended' | 'declined_last_key' | 'not_active'
export type SuspensionAction = SuspensionOutcome | 'would_suspend' | 'would_decline_last_key'

/** What is kept, and decided from what is kept; everything that one anomaly changes is changed together or not at all. */
export interface AnomalyStore {
  /** Keeps an event; null when the same one was kept inside its cool-down. Events of one subject are kept one after the other. */
  record (anomaly: DetectedAnomaly & { label?: string | null }): Promise<number | null>
  /** Signals of at least medium severity that the key has raised since a time, this one included. */
  signalsOf (keyId: string, since: Date): Promise<Signal[]>
  /** With `isTrial` only says what would come of it. */
  suspend (keyId: string, by: { reason: string, isCertain: boolean, isTrial: boolean }): Promise<SuspensionOutcome>
  setAction (id: number, action: SuspensionAction): Promise<void>
}

export interface AnomalyResponseOptions {
  inTransaction: <Result>(work: (store: AnomalyStore) => Promise<Result>) => Promise<Result>
  /** Makes every cached record of the key stale, on all instances. */
  bumpEpoch: (keyId: string) => Promise<void>
  /** Default false: say what would have been done. */
  autoSuspend?: boolean
  logger: { warn (fields: object, message: string): void, error (fields: object, message: string): void }
}

/** What auto-suspend would have done, had it been on. */
const WOULD_HAVE = { suspended: 'would_suspend', declined_last_key: 'would_decline_last_key', not_active: 'not_active' } as const satisfies Record<SuspensionOutcome, SuspensionAction>

/** Whether signals that were raised within an hour are reason enough to suspend. Pure; also judges past events. */
export function isReasonToSuspend (anomaly: Pick<DetectedAnomaly, 'isCertain' | 'severity'>, signals: readonly Signal[]): boolean {
  if (anomaly.isCertain) return true
  if (anomaly.severity === 'low') return false
  return new Set(signals.map((signal) => SIGNAL_TABLE[signal].family)).size >= 2
}

/** Answers to anomalies, whoever noticed them. */
export function anomalyResponse (options: AnomalyResponseOptions): (anomaly: DetectedAnomaly & { label?: string | null }) => Promise<void> {
  const { inTransaction, bumpEpoch, logger } = options
  const autoSuspend = options.autoSuspend ?? false

  /** In the transaction that keeps the event: a process that dies in between leaves neither an event that nobody acted on nor a suspension without one. */
  async function decide (store: AnomalyStore, id: number, anomaly: DetectedAnomaly): Promise<SuspensionAction | 'none'> {
    const { keyId, signal, isCertain, atMs } = anomaly
    // A canary key is dead already.
    if (keyId === null || signal === 'canary_used') return 'none'
    const signals = isCertain ? [signal] : await store.signalsOf(keyId, new Date(atMs - TOGETHER_MS))
    if (!isReasonToSuspend(anomaly, signals)) return 'none'
    const outcome = await store.suspend(keyId, { reason: `${signals.join(', ')} (anomaly ${id})`, isCertain, isTrial: !autoSuspend })
    const action = autoSuspend ? outcome : WOULD_HAVE[outcome]
    await store.setAction(id, action)
    return action
  }

  return async function respond (anomaly) {
    const kept = await inTransaction(async (store) => {
      const id = await store.record(anomaly)
      return id === null ? null : { id, action: await decide(store, id, anomaly) }
    })
    if (kept === null) return
    const { id, action } = kept
    const { signal, severity, keyId, orgId, numbers } = anomaly
    logger.warn({ anomaly: id, signal, severity, key: keyId, organization: orgId, numbers, action }, 'anomaly')
    if (action !== 'suspended' || keyId === null) return
    try {
      await bumpEpoch(keyId)
    } catch (err) {
      logger.error({ anomaly: id, key: keyId, reason: err instanceof Error ? err.name : 'unknown' }, `a key was suspended, but the instances could not be told: they may serve it from cache for ${KEY_CACHE_SECONDS} s`)
    }
  }
}
