/**
 * The whole service, built by its own composition root with the measured answer in place of its routes. AUDIT says what happens to audit
 * rows: `strict` as in production, `behind` written 20 ms later (a measurement only), `off` not written (a measurement only).
 */
import { buildApp } from '../../app.ts'
import { loadConfig } from '../../config.ts'
import { openDatabase } from '../../db/client.ts'
import { addRefusalCounts, insertAuditRows } from '../../db/queries/system.ts'
import { createEgress } from '../../evaluation/egress.ts'
import type { AuditRow, AuditSink } from '../../plugins/context.ts'
import { groupCommitSink, refusalCounter } from '../../plugins/support/audit-log.ts'
import { NOTHING_KILLED } from '../../plugins/lib/kill-state.ts'
import { createMetrics } from '../../plugins/support/metrics.ts'
import { redisCircuits } from '../../plugins/support/redis-circuits.ts'
import { connectRedis, redisAdmissionStore, redisSingleUseStore, whenReady } from '../../plugins/support/redis.ts'
import { benchRoutes } from './answer.ts'
import { serve } from './serve.ts'

const BEHIND_MS = 20

type Write = (rows: AuditRow[]) => Promise<void>

const SINKS: Record<string, (write: Write) => AuditSink> = {
  strict: (write) => groupCommitSink({ write }),
  behind: writeBehind,
  off: () => ({ record: async () => {} })
}

await serve(async () => {
  const config = loadConfig(process.env)
  const sink = SINKS[process.env['AUDIT'] ?? 'strict']
  if (sink === undefined || config.redisUrl === null) throw new Error('AUDIT must be strict, behind or off, and REDIS_URL must be set')
  const database = await openDatabase({ url: config.databaseUrl })
  const redis = connectRedis(config.redisUrl)
  await whenReady(redis)
  const { guard } = redisCircuits(redis, { prefix: config.redisPrefix })
  const stores = { prefix: config.redisPrefix, guard }
  return await buildApp(config, {
    database,
    admission: redisAdmissionStore(redis, stores),
    singleUse: redisSingleUseStore(redis, stores),
    egress: createEgress({ allowHttp: false, unsafeAllowedRanges: [] }),
    audit: sink((rows) => insertAuditRows(database, rows)),
    refusals: refusalCounter({ write: (counts) => addRefusalCounts(database.db, counts) }),
    raiseAnomaly: async () => {},
    killState: () => NOTHING_KILLED,
    metrics: createMetrics(),
    logger: { level: 'info' },
    routes: benchRoutes
  })
})

function writeBehind (write: Write): AuditSink {
  let waiting: AuditRow[] = []
  setInterval(() => {
    if (waiting.length === 0) return
    const rows = waiting
    waiting = []
    write(rows).catch((err: unknown) => { process.stderr.write(`${String(err)}\n`) })
  }, BEHIND_MS)
  return { record: async (row) => { waiting.push(row) } }
}
