/** Opens everything a process needs from one configuration, in order, and closes it in the reverse one. */
import type { AddressInfo } from 'node:net'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import { buildApp } from '../app.ts'
import type { Config } from '../config.ts'
import { openDatabase, type Database } from '../db/client.ts'
import { addRefusalCounts, insertAuditRows } from '../db/queries/system.ts'
import { startDelivery, type DeliveryLogger } from '../evaluation/deliver.ts'
import { createEgress, type Egress } from '../evaluation/egress.ts'
import type { KillControl } from '../evaluation/kill-control.ts'
import { enqueueEvent } from '../evaluation/webhook-events.ts'
import { startWorker, type EvaluationWorker } from '../evaluation/worker.ts'
import type { AdmissionStore, SingleUseStore } from '../plugins/context.ts'
import type { KillState } from '../plugins/lib/kill-state.ts'
import { groupCommitSink, refusalCounter } from '../plugins/support/audit-log.ts'
import { createMetrics } from '../plugins/support/metrics.ts'
import { anomalyDetectorOf, anomalyResponder } from './anomalies.ts'
import { openKillSwitch, type PausedWork } from './kill.ts'
import { buildOps } from './ops.ts'
import { openWindows } from './windows.ts'

export interface RuntimeOptions {
  /** Apply migrations first. Default true. */
  migrate?: boolean
  /** Serve HTTP. Default true; a process that only works on the queue says false. */
  serve?: boolean
}

export interface Runtime {
  readonly config: Config
  readonly database: Database
  readonly admission: AdmissionStore
  readonly singleUse: SingleUseStore
  readonly kill: KillControl
  readonly killState: () => KillState
  readonly app: FastifyInstance
  readonly ops: FastifyInstance
  readonly stores: string
  listen (): Promise<{ url: string, opsUrl: string }>
  /** Stops taking requests, answers those under way, then closes the stores. */
  close (): Promise<void>
}

export async function openRuntime (config: Config, options: RuntimeOptions = {}): Promise<Runtime> {
  const serve = options.serve ?? true
  const database = await openDatabase({ url: config.databaseUrl })
  if (options.migrate ?? true) await database.migrate()
  const metrics = createMetrics()
  const windows = await openWindows(config, metrics).catch(async (err: unknown) => {
    await database.close()
    throw err
  })
  const audit = groupCommitSink({ write: (rows) => insertAuditRows(database, rows) })
  const refusals = refusalCounter({ write: (counts) => addRefusalCounts(database.db, counts) })
  let draining = false

  const logger = loggerOptions(config)
  const wakeWorker: { kick: () => void } = { kick: () => {} }
  const { admission, singleUse } = windows
  const egress = createEgress({ allowHttp: !config.production, unsafeAllowedRanges: config.webhookUnsafeAllowedRanges })
  // The application's logger exists only once it is built; until then nothing can be raised.
  let raiseAnomaly: ReturnType<typeof anomalyResponder> = async () => {}
  let killLogger: Pick<FastifyInstance['log'], 'warn' | 'info'> = { warn () {}, info () {} }
  const killSwitch = await openKillSwitch({
    config, database, redis: windows.redis, role: serve ? 'server' : 'worker', logger: { warn: (fields, message) => killLogger.warn(fields, message), info: (fields, message) => killLogger.info(fields, message) }
  })
  const { control: kill, state: killState } = killSwitch
  const app = await buildApp(config, {
    killState, database, admission, singleUse, egress, audit, refusals, metrics, logger, wake: () => wakeWorker.kick(), raiseAnomaly: (anomaly) => raiseAnomaly(anomaly)
  })
  killLogger = app.log
  raiseAnomaly = anomalyResponder(config, database, admission, app.log)
  const worker = config.worker ? startWorkers(config, database, egress, killSwitch.paused, app.log) : null
  const detector = config.worker ? anomalyDetectorOf(config, database, raiseAnomaly, app.log) : null
  if (worker !== null) wakeWorker.kick = () => worker.kick()
  const ops = buildOps({ metrics, databaseClock: () => database.ping(), windowsStore: windows.health, isDraining: () => draining, killState })

  async function listen (): Promise<{ url: string, opsUrl: string }> {
    await ops.listen({ host: config.opsHost, port: config.opsPort })
    const scheme = config.tlsCertPath === null ? 'http' : 'https'
    if (serve) await app.listen({ host: config.host, port: config.port })
    return { url: serve ? addressOf(app, scheme) : '', opsUrl: addressOf(ops, 'http') }
  }

  async function close (): Promise<void> {
    draining = true
    await app.close()
    await worker?.stop()
    await detector?.stop()
    await killSwitch.stop()
    await audit.close()
    await refusals.close()
    await windows.close()
    await database.close()
    await ops.close()
  }

  return { config, database, admission, singleUse, kill, killState, app, ops, stores: `${database.kind}, ${windows.name}`, listen, close }
}

/** The evaluation worker and the delivery worker; the first writes the second's outbox. */
function startWorkers (config: Config, database: Database, egress: Egress, paused: () => PausedWork, logger: DeliveryLogger): EvaluationWorker {
  const { secrets, instanceId: workerId, webhookBackoffMs: backoffMs } = config
  const delivery = startDelivery({ database, egress, secrets, workerId, logger, backoffMs, paused })
  const evaluation = startWorker({
    database,
    workerId,
    logger,
    paused,
    onEnded: (tx, { id, orgId, state }) => enqueueEvent(tx, orgId, { event: `evaluation.${state}`, evaluationId: id }, secrets)
  })
  return {
    kick () {
      evaluation.kick()
      delivery.kick()
    },
    async stop () {
      await evaluation.stop()
      await delivery.stop()
    }
  }
}

// Allow-list: what is not named here is not logged. The raw URL can hold a result token and never is.
function loggerOptions (config: Config): FastifyServerOptions['logger'] {
  if (config.logLevel === 'silent') return false
  return {
    level: config.logLevel,
    base: { instance: config.instanceId },
    serializers: {
      req: (request) => ({ method: request.method, route: request.routeOptions?.url ?? '*' }),
      res: (reply) => ({ status: reply.statusCode }),
      err: (err) => ({ type: err.name, message: '', stack: (err.stack ?? '').split('\n').filter((line: string) => line.startsWith('    at ')).join('\n') })
    }
  }
}

function addressOf (app: FastifyInstance, scheme: string): string {
  const address = app.server.address() as AddressInfo | null
  if (address === null) return ''
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address
  return `${scheme}://${host}:${address.port}`
}
