/** The operations listener: liveness, readiness, metrics and the API's readable pages, for the operator, on its own port, loopback by default. */
import fastify, { type FastifyInstance } from 'fastify'
import type { KillState } from '../plugins/lib/kill-state.ts'
import type { Metrics } from '../plugins/support/metrics.ts'
import apiPages from './api-pages.ts'

const CLOCK_SKEW_MS_MAX = 30_000
const CHECK_DEADLINE_MS = 2000

export interface OpsDeps {
  metrics: Metrics
  /** The database's clock, Unix milliseconds. */
  databaseClock: () => Promise<number>
  /** Resolves when the windows' store answers; its detail stands in the report. */
  windowsStore: () => Promise<string>
  isDraining: () => boolean
  killState: () => KillState
}

interface Check { name: string, ok: boolean, detail: string }

export function buildOps (deps: OpsDeps): FastifyInstance {
  const ops = fastify({ logger: false, forceCloseConnections: true })
  ops.get('/livez', async () => ({ ok: true }))
  ops.get('/readyz', async (_request, reply) => {
    const checks = await Promise.all([
      check('database', () => clockCheck(deps.databaseClock)),
      check('windows', deps.windowsStore),
      check('kill-switch', async () => describeKillSwitch(deps.killState())),
      check('draining', async () => {
        if (deps.isDraining()) throw new Error('the process is draining')
        return 'no'
      })
    ])
    const ok = checks.every((one) => one.ok)
    return reply.code(ok ? 200 : 503).send({ ok, checks })
  })
  ops.get('/metrics', async (_request, reply) => reply.type(deps.metrics.registry.contentType).send(await deps.metrics.registry.metrics()))
  ops.register(apiPages)
  return ops
}

/** A switch that is thrown is a decision, and the instance that obeys it is ready; one that does not know must not serve. */
function describeKillSwitch ({ isKnown, everything, orgs, keys }: KillState): string {
  if (!isKnown) throw new Error('the kill switch has not been read since the process began')
  if (everything === null && orgs.size + keys.size === 0) return 'off'
  return `on: ${everything === null ? '' : `all (${everything}), `}${orgs.size} organizations, ${keys.size} keys`
}

async function clockCheck (databaseClock: () => Promise<number>): Promise<string> {
  const skewMs = Math.abs(await databaseClock() - Date.now())
  if (skewMs > CLOCK_SKEW_MS_MAX) throw new Error(`clock differs from the database's by ${Math.round(skewMs)} ms`)
  return `clock within ${Math.round(skewMs)} ms`
}

async function check (name: string, work: () => Promise<string>): Promise<Check> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${CHECK_DEADLINE_MS} ms`)), CHECK_DEADLINE_MS)
  })
  try {
    return { name, ok: true, detail: await Promise.race([work(), deadline]) }
  } catch (err) {
    // Driver messages may hold bound values; the check's own words do not.
    const own = err instanceof Error && /^(clock|no answer|the process|the kill switch)/.test(err.message)
    return { name, ok: false, detail: own ? err.message : 'no answer' }
  } finally {
    clearTimeout(timer)
  }
}
