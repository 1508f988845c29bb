/** Opens everything a process needs from one configuration, in order, and closes it in the reverse one. */
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import { buildApp } from '../app.ts'
import type { Config } from '../config.ts'
import { openDatabase, safeDatabaseError, type Database } from '../db/client.ts'
import { addRefusalCounts, insertAuditRows } from '../db/queries/system.ts'
import { startDelivery, type DeliveryLogger } from '../evaluation/deliver.ts'
import { createEgress, type Egress } from '../evaluation/egress.ts'
import { startExpiryNotices } from '../evaluation/expiry-notices.ts'
import type { KillControl } from '../evaluation/kill-control.ts'
import { enqueueEvent } from '../evaluation/webhook-events.ts'
import { startWorker, type EvaluationWorker } from '../evaluation/worker.ts'
import type { AdmissionStore, SingleUseStore } from '../plugins/context.ts'
import type { KillState } from '../plugins/lib/kill-state.ts'
import { groupCommitSink, refusalCounter } from '../plugins/support/audit-log.ts'
import { createMetrics, type Metrics } from '../plugins/support/metrics.ts'
import { anomalyDetectorOf, anomalyResponder } from './anomalies.ts'
import { bootLogger, writeScrubbed, type BootLogger, type WriteLine } from './boot-log.ts'
import { drainOf } from './drain.ts'
import { openKillSwitch, type PausedWork } from './kill.ts'
import { buildOps } from './ops.ts'
import { bringUpToDate, type Schema } from './schema.ts'
import { openWindows, type Windows } from './windows.ts'

export interface RuntimeOptions {
  /** Apply migrations first. Default true. */
  migrate?: boolean
  /** Serve HTTP. Default true; a process that only works on the queue says false. */
  serve?: boolean
  /** Takes each line of the log. Default: standard output, scrubbed. */
  writeLog?: WriteLine
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
  /**
   * Says that it is not ready, gives its work back and asks clients to leave; after `delayMs` (default 0) stops listening, answers what is
   * under way for at most fifteen seconds, and closes the stores.
   */
  close (options?: { delayMs?: number }): Promise<void>
}

const DRAIN_MS = 15_000
const CURRENT: Schema = { isCurrent: true, whenCurrent: Promise.resolve(), stop () {} }

export async function openRuntime (config: Config, options: RuntimeOptions = {}): Promise<Runtime> {
  const serve = options.serve ?? true
  const writeLog = options.writeLog ?? writeScrubbed
  const early = bootLogger(config, writeLog)
  const database = await openDatabase({
    url: config.databaseUrl,
    onChange: ({ isAway, cause }) => isAway ? early.warn(safeDatabaseError(cause), 'the database is away') : early.info({}, 'the database is back')
  })
  const metrics = createMetrics()
  const { schema, windows } = await openStores(config, database, metrics, early, options).catch(async (err: unknown) => {
    await database.close()
    throw err
  })
  const audit = groupCommitSink({ write: (rows) => insertAuditRows(database, rows) })
  const refusals = refusalCounter({ write: (counts) => addRefusalCounts(database.db, counts) })
  let draining = false

  const logger = loggerOptions(config, writeLog)
  const wakeWorker: { kick: () => void } = { kick: () => {} }
  const { admission, singleUse } = windows
  if (serve && config.secrets.nextAuth === null) early.info({}, 'the console is not served: NEXTAUTH_SECRET is not set')
  const egress = createEgress({ allowHttp: !config.production, unsafeAllowedRanges: config.webhookUnsafeAllowedRanges })
  // The application's logger exists only once it is built; until then nothing can be raised.
  let raiseAnomaly: ReturnType<typeof anomalyResponder> = async () => {}
  const killSwitch = await openKillSwitch({ config, database, redis: windows.redis, role: serve ? 'server' : 'worker', logger: early })
  const { control: kill, state: killState } = killSwitch
  const app = await buildApp(config, {
    killState, database, admission, singleUse, egress, audit, refusals, metrics, logger, wake: () => wakeWorker.kick(), raiseAnomaly: (anomaly) => raiseAnomaly(anomaly)
  })
  raiseAnomaly = anomalyResponder(config, database, admission, app.log)
  const drain = drainOf(app.server)
  let stopWork = async (): Promise<void> => {}
  function startWork (): void {
    if (draining || !config.worker) return
    const worker = startWorkers(config, database, egress, killSwitch.paused, app.log)
    const detector = anomalyDetectorOf(config, database, raiseAnomaly, app.log)
    wakeWorker.kick = () => worker.kick()
    stopWork = async () => { await Promise.all([worker.stop(), detector.stop()]) }
  }
  if (schema.isCurrent) startWork()
  // A schema that cannot be made current rejects here, which ends the process.
  else schema.whenCurrent.then(startWork)
  const ops = buildOps({ metrics, databaseClock: () => database.ping(), windowsStore: windows.health, isDraining: () => draining, killState })

  async function listen (): Promise<{ url: string, opsUrl: string }> {
    await ops.listen({ host: config.opsHost, port: config.opsPort })
    const scheme = config.tlsCertPath === null ? 'http' : 'https'
    if (serve) await app.listen({ host: config.host, port: config.port })
    return { url: serve ? addressOf(app, scheme) : '', opsUrl: addressOf(ops, 'http') }
  }

  async function close ({ delayMs = 0 }: { delayMs?: number } = {}): Promise<void> {
    draining = true
    drain.begin()
    schema.stop()
    // Claims are given back at once, so that another instance takes them while this one still answers.
    const idle = stopWork()
    await wait(delayMs)
    const cut = setTimeout(() => app.server.closeAllConnections(), DRAIN_MS)
    await drain.stopListening()
    await app.close()
    clearTimeout(cut)
    await idle
    await killSwitch.stop()
    await audit.close()
    await refusals.close()
    await windows.close()
    await database.close()
    await ops.close()
  }

  return { config, database, admission, singleUse, kill, killState, app, ops, stores: `${database.kind}, ${windows.name}`, listen, close }
}

async function openStores (config: Config, database: Database, metrics: Metrics, logger: BootLogger, options: RuntimeOptions): Promise<{ schema: Schema, windows: Windows }> {
  const schema = options.migrate ?? true ? await bringUpToDate(database, logger) : CURRENT
  return { schema, windows: await openWindows(config, metrics, logger) }
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
  const notices = startExpiryNotices({ database, logger })
  return {
    kick () {
      evaluation.kick()
      delivery.kick()
    },
    async stop () {
      await evaluation.stop()
      await delivery.stop()
      await notices.stop()
    }
  }
}

// Allow-list: what is not named here is not logged. The raw URL can hold a result token and never is.
function loggerOptions (config: Config, write: WriteLine): FastifyServerOptions['logger'] {
  if (config.logLevel === 'silent') return false
  return {
    level: config.logLevel,
    stream: { write },
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
