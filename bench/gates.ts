/**
 * What a build must keep, counted and not timed: the chain as in production over stores of its own, and each figure beside what it must be.
 * Processor time is the one figure that is not counted; it is compared with bare Fastify's within the run, and its floor is wide.
 */
import { Redis } from 'ioredis'
import { askMany } from './load/client.ts'
import { readCounters } from './load/counters.ts'
import { openStores, type BenchStores } from './load/stores.ts'
import { findTarget, startTarget, type RunningTarget } from './load/targets.ts'

const REQUESTS = 3000
const CONNECTIONS = 32
const OVER_REQUESTS = 200

export interface Gates {
  readonly requests: number
  readonly answers: Record<number, number>
  /** Commands that the servers sent to Redis during those requests, by name; what scripts call inside Redis is not sent. */
  readonly commands: Record<string, number>
  readonly auditRows: number
  /** Answers to many requests at once, over two instances, with a key of SMALL_LIMIT requests. */
  readonly overAnswers: Record<number, number>
  /** Bare Fastify's processor time a request against the chain's. */
  readonly cpuRatio: number
}

export async function measureGates (): Promise<Gates> {
  const stores = await openStores(REQUESTS * 2)
  const running: RunningTarget[] = []
  try {
    for (const name of ['bare', 'chain-strict', 'chain-strict']) running.push(await startTarget(findTarget(name), { ...stores.env, REDIS_PREFIX: 'gates' }, 1))
    const [bare, chain, second] = running
    if (bare === undefined || chain === undefined || second === undefined) throw new Error('a target is missing')
    const warm = await askMany([chain.url], stores.keys.full, stores.keys.full.length, CONNECTIONS)
    const before = await readCounters(chain.pid, stores)
    const rowsBefore = await countRows(stores)
    const watched = await watchCommands(stores)
    const answers = await askMany([chain.url], stores.keys.full, REQUESTS, CONNECTIONS)
    const commands = await watched.stop()
    const chainMicros = (await readCounters(chain.pid, stores)).serverMicros - before.serverMicros
    const auditRows = await countRows(stores) - rowsBefore
    const overAnswers = await askMany([chain.url, second.url], [stores.keys.small], OVER_REQUESTS, CONNECTIONS)
    if (warm.get(200) !== stores.keys.full.length) throw new Error(`the first request of a key was answered ${JSON.stringify(Object.fromEntries(warm))}`)
    return { requests: REQUESTS, answers: Object.fromEntries(answers), commands, auditRows, overAnswers: Object.fromEntries(overAnswers), cpuRatio: await microsOf(bare, stores) / chainMicros }
  } finally {
    for (const target of running) await target.stop()
    await stores.close()
  }
}

/** Of as many requests as the chain was asked, after as long a warm-up. */
async function microsOf (target: RunningTarget, stores: BenchStores): Promise<number> {
  await askMany([target.url], stores.keys.full, stores.keys.full.length, CONNECTIONS)
  const before = await readCounters(target.pid, stores)
  await askMany([target.url], stores.keys.full, REQUESTS, CONNECTIONS)
  return (await readCounters(target.pid, stores)).serverMicros - before.serverMicros
}

async function countRows ({ sql }: BenchStores): Promise<number> {
  const [row] = await sql<Array<{ rows: number }>>`select count(*)::float8 as rows from audit_rows`
  return row?.rows ?? 0
}

/** Everything that clients send from now on, as Redis itself tells it. */
async function watchCommands ({ env }: BenchStores): Promise<{ stop (): Promise<Record<string, number>> }> {
  const redis = new Redis(env['REDIS_URL'] ?? '', { enableReadyCheck: false, disableClientInfo: true })
  const asker = new Redis(env['REDIS_URL'] ?? '', { enableReadyCheck: false, disableClientInfo: true })
  await asker.ping()
  const monitor = await redis.monitor()
  const commands: Record<string, number> = {}
  const endMark = `gates-${process.pid}`
  const ended = new Promise<void>((resolve) => {
    monitor.on('monitor', (_time: string, [name = '', ...args]: string[], source: string) => {
      if (name.toLowerCase() === 'echo' && args[0] === endMark) resolve()
      else if (source !== 'lua') commands[name.toLowerCase()] = (commands[name.toLowerCase()] ?? 0) + 1
    })
  })
  return {
    async stop () {
      await asker.echo(endMark)
      await ended
      for (const connection of [monitor, redis, asker]) connection.disconnect()
      return { ...commands }
    }
  }
}
