/**
 * What follows from an anomaly: it is kept, and a key is suspended when that was opted into and the case is strong enough: one certain
 * signal, or two signals of different families within an hour. Off, the event says what would have been done. A suspension is
 * committed before the instances are told, and a person can undo it.
 */
import type { DetectedAnomaly } from '../lib/anomaly/detector.ts'
import { SIGNAL_TABLE, type Signal } from '../lib/anomaly/thresholds.ts'

const TOGETHER_MS = 3_600_000

export type SuspensionOutcome = 'suspended' | 'declined_last_key' | 'not_active'

export interface AnomalyResponseOptions {
  /** Keeps an event; null when the same one was kept inside its cool-down. */
  record: (anomaly: DetectedAnomaly & { label?: string | null }) => Promise<number | null>
  /** Signals of at least medium severity that the key has raised since a time, this one included. */
  signalsOf: (keyId: string, since: Date) => Promise<Signal[]>
  suspend: (keyId: string, by: { reason: string, isCertain: boolean }) => Promise<SuspensionOutcome>
  /** Makes every cached record of the key stale, on all instances. */
  bumpEpoch: (keyId: string) => Promise<void>
  setAction: (id: number, action: SuspensionOutcome | 'would_suspend') => Promise<void>
  /** Default false: say what would have been done. */
  autoSuspend?: boolean
  logger: { warn (fields: object, message: string): void, error (fields: object, message: string): void }
}

/** Whether signals that were raised within an hour are reason enough to suspend. Pure; also judges past events. */
export function isReasonToSuspend (anomaly: Pick<DetectedAnomaly, 'isCertain' | 'severity'>, signals: readonly Signal[]): boolean {
  if (anomaly.isCertain) return true
  if (anomaly.severity === 'low') return false
  return new Set(signals.map((signal) => SIGNAL_TABLE[signal].family)).size >= 2
}

/** Answers to anomalies, whoever noticed them. */
export function anomalyResponse (options: AnomalyResponseOptions): (anomaly: DetectedAnomaly & { label?: string | null }) => Promise<void> {
  const { record, signalsOf, suspend, bumpEpoch, setAction, logger } = options
  const autoSuspend = options.autoSuspend ?? false

  return async function respond (anomaly) {
    const id = await record(anomaly)
    if (id === null) return
    const { signal, severity, keyId, orgId, numbers } = anomaly
    logger.warn({ anomaly: id, signal, severity, key: keyId, organization: orgId, numbers }, 'anomaly')
    // A canary key is dead already.
    if (keyId === null || signal === 'canary_used') return
    const signals = anomaly.isCertain ? [signal] : await signalsOf(keyId, new Date(anomaly.atMs - TOGETHER_MS))
    if (!isReasonToSuspend(anomaly, signals)) return
    if (!autoSuspend) return await setAction(id, 'would_suspend')
    const outcome = await suspend(keyId, { reason: `${signals.join(', ')} (anomaly ${id})`, isCertain: anomaly.isCertain })
    await setAction(id, outcome)
    if (outcome !== 'suspended') return
    try {
      await bumpEpoch(keyId)
      logger.warn({ anomaly: id, key: keyId, signals }, 'a key was suspended')
    } catch (err) {
      logger.error({ anomaly: id, key: keyId, reason: err instanceof Error ? err.name : 'unknown' }, 'a key was suspended, but the instances could not be told: they may serve it from cache for ten seconds')
    }
  }
}
