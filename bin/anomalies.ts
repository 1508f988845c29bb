/** Puts anomaly detection together: one way to respond, for the layer of each instance and for the elected detector. */
import type { Config } from '../config.ts'
import type { Database } from '../db/client.ts'
import { giveUpLease, insertAnomaly, readHours, readObservations, readRaised, setAnomalyAction, signalsOf, suspendKey, takeLease } from '../db/queries/anomalies.ts'
import type { AdmissionStore } from '../plugins/context.ts'
import { startAnomalyDetector, type AnomalyDetector } from '../plugins/support/anomaly-detector.ts'
import { anomalyResponse, type AnomalyResponseOptions } from '../plugins/support/anomaly-response.ts'

const LEASE = 'anomaly-detector'
const LEASE_MS = 10_000

type Respond = ReturnType<typeof anomalyResponse>

export function anomalyResponder (config: Config, database: Database, admission: AdmissionStore, logger: AnomalyResponseOptions['logger']): Respond {
  const { db } = database
  return anomalyResponse({
    inTransaction: (work) => db.transaction((tx) => work({
      record: (anomaly) => insertAnomaly(tx, anomaly),
      signalsOf: (keyId, since) => signalsOf(tx, keyId, since),
      suspend: (keyId, by) => suspendKey(tx, keyId, by),
      setAction: (id, action) => setAnomalyAction(tx, id, action)
    })),
    bumpEpoch: (keyId) => admission.bumpEpoch(keyId),
    autoSuspend: config.autoSuspend,
    logger
  })
}

export function anomalyDetectorOf (config: Config, database: Database, raise: Respond, logger: AnomalyResponseOptions['logger']): AnomalyDetector {
  const { db } = database
  const lease = { name: LEASE, holder: config.instanceId }
  const detector = startAnomalyDetector({
    lead: () => takeLease(db, { ...lease, ms: LEASE_MS }),
    readRows: (sinceMs, limit) => readObservations(db, { sinceMs, limit }),
    readPast: async (startMs) => ({ hours: await readHours(db, startMs), raised: await readRaised(db, startMs) }),
    raise,
    logger,
    thresholds: config.anomalyThresholds
  })
  return {
    async stop () {
      await detector.stop()
      // A database that is away lets the lease lapse by itself.
      await giveUpLease(db, lease).catch(() => {})
    }
  }
}
