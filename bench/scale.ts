/**
 * Whether a request costs the same however much is stored: `npm run bench:scale`. Keys, their windows and audit rows grow step by step; at each
 * step the strict chain is loaded by the same number of active keys, in slots that alternate with bare Fastify, which stores nothing and so
 * tells what the machine does besides. One more slot asks with another key in each request, whose record is then read first. Costs are printed
 * as ratios to the first step; more than the bar is exit code 1.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import postgres from 'postgres'
import { PUBLIC_PREFIX } from '../app.ts'
import { redisAdmissionStore } from '../plugins/support/redis.ts'
import { redisCircuits } from '../plugins/support/redis-circuits.ts'
import { wholeNumber } from './arguments.ts'
import { readCounters, type Counters } from './load/counters.ts'
import { writeSection } from './load/docs.ts'
import { findLoader, type Slot } from './load/loader.ts'
import { aligned } from './load/report.ts'
import { median } from './load/statistics.ts'
import { openStores, type BenchStores } from './load/stores.ts'
import { BASELINE, findTarget, startTarget, type RunningTarget } from './load/targets.ts'
import { keyText, storeAuditRows, storeKeys, storeWindows } from './scale/population.ts'
import { BENCH_PATH } from './servers/answer.ts'

const HELP = `usage: npm run bench:scale -- [options]

  --keys LIST      stored keys at each step, ascending (default 1,1000,100000,1000000)
  --audit-rows N   stored before the last two steps (default 10000000, about 5 GB and several minutes)
  --rounds N       slots of each step (default 5)
  --seconds N      of each slot (default 2)
  --json           the result as JSON
  --docs           puts the table into docs/performance.md
  --help

Exit code: 0; 1 when a step costs the server more than 1.2 times the first one, or an answer was no 2xx.
`
const FLAT_MAX = 1.2
const FILLING_DEADLINE_MS = 10_000
/** For each instance, until most of what will be compiled is. */
const WARM_SECONDS = 4
const CONNECTIONS = 64
const REQUESTS_PER_SECOND_MAX = 30_000
const PREFIX = 'b:scale'
const MB = 1024 * 1024

interface Step {
  readonly keys: number
  readonly auditRows: number
  readonly instances: number
  readonly isCold: boolean
  /** Microseconds of processor time a request, medians of the slots. */
  readonly serverMicros: number
  readonly bareMicros: number
  readonly redisMicros: number
  readonly postgresMicros: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly failed: number
  /** Of all instances together. */
  readonly residentMb: number
  readonly redisMb: number
  readonly databaseMb: number
  /** The cost against bare Fastify, relative to the first step's. */
  readonly timesFirst: number
}

const say = (line: string): void => { process.stderr.write(`${line}\n`) }

const { values } = parseArgs({
  options: {
    keys: { type: 'string', default: '1,1000,100000,1000000' },
    'audit-rows': { type: 'string', default: '10000000' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    json: { type: 'boolean', default: false },
    docs: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false }
  }
})
if (values.help) process.stdout.write(HELP)
else process.exitCode = await run(values.keys.split(',').map((text) => wholeNumber('keys', text)), wholeNumber('audit-rows', values['audit-rows']))

async function run (populations: number[], auditRows: number): Promise<number> {
  for (const [at, keys] of populations.entries()) if (keys <= (populations[at - 1] ?? 0)) throw new RangeError('--keys takes ascending numbers')
  const [rounds, seconds] = [wholeNumber('rounds', values.rounds), wholeNumber('seconds', values.seconds)]
  const stores = await openStores((rounds * seconds + 2 * WARM_SECONDS) * REQUESTS_PER_SECOND_MAX)
  const sql = postgres(stores.env['DATABASE_URL'] ?? '', { max: 1, onnotice: () => {} })
  // What fills the store may wait while it writes a million windows to its disk; what is measured has the service's own patience.
  const admission = redisAdmissionStore(stores.redis, { prefix: PREFIX, guard: redisCircuits(stores.redis, { prefix: PREFIX, deadlineMs: FILLING_DEADLINE_MS }).guard })
  const measured: Step[] = []
  try {
    const [{ id: orgId } = { id: '' }] = await sql<Array<{ id: string }>>`select id from organizations limit 1`
    const step = async (about: Pick<Step, 'keys' | 'auditRows' | 'instances' | 'isCold'>): Promise<void> => {
      const seen = await measure(stores, about, { rounds, seconds })
      const cost = (one: Pick<Step, 'serverMicros' | 'bareMicros'>): number => one.serverMicros / one.bareMicros
      measured.push({ ...seen, timesFirst: cost(seen) / cost(measured[0] ?? seen) })
    }
    let stored = 0
    for (const keys of populations) {
      await storeKeys(sql, orgId, stored, keys, say)
      await storeWindows(admission, stored, keys, say)
      stored = keys
      await step({ keys, auditRows: 0, instances: 1, isCold: false })
    }
    await storeAuditRows(sql, orgId, auditRows, say)
    await sql`checkpoint`
    await step({ keys: stored, auditRows, instances: 1, isCold: false })
    await step({ keys: stored, auditRows, instances: 2, isCold: false })
    await step({ keys: stored, auditRows, instances: 1, isCold: true })
  } finally {
    await sql.end({ timeout: 2 })
    await stores.close()
  }
  process.stdout.write(values.json ? `${JSON.stringify({ stores: stores.versions, node: process.version, steps: measured }, null, 2)}\n` : `${text(measured)}\n`)
  if (values.docs) writeSection('scale', 'npm run bench:scale', { ...stores.versions, load: findLoader().name }, text(measured))
  return measured.every(({ failed, timesFirst, isCold }) => failed === 0 && (isCold || timesFirst <= FLAT_MAX)) ? 0 : 1
}

interface Seen { slot: Slot, before: Counters, after: Counters }

async function measure (stores: BenchStores, about: Pick<Step, 'keys' | 'auditRows' | 'instances' | 'isCold'>, { rounds, seconds }: { rounds: number, seconds: number }): Promise<Omit<Step, 'timesFirst'>> {
  const title = `${about.keys} keys, ${about.auditRows} audit rows, ${about.instances} instance(s)${about.isCold ? ', another key each request' : ''}`
  const { run: load } = findLoader()
  const keysFile = join(stores.keysFile, '..', 'scale-keys.txt')
  writeFileSync(keysFile, about.isCold ? Array.from({ length: Math.min(about.keys, (rounds + 1) * seconds * REQUESTS_PER_SECOND_MAX) }, (_, n) => keyText(n)).join('\n') : readFileSync(stores.keysFile), { mode: 0o600 })
  // Active keys start each step with windows of their own, so that none of them is full.
  const env = { ...stores.env, REDIS_PREFIX: about.isCold ? PREFIX : `${PREFIX}:${about.keys}:${about.auditRows}:${about.instances}` }
  const running: RunningTarget[] = []
  const seen = new Map<RunningTarget, Seen[]>()
  try {
    for (const name of [BASELINE, 'chain-strict']) running.push(await startTarget(findTarget(name), env, about.instances))
    const slot = { method: 'GET' as const, connections: CONNECTIONS, path: `${PUBLIC_PREFIX}${BENCH_PATH}`, keysFile, seconds }
    // The same compiled code at each step; a cold step is warmed by keys that it will not ask with.
    for (const target of running) await load(target.url, { ...slot, keysFile: stores.keysFile, seconds: WARM_SECONDS * about.instances })
    for (let round = 0; round < rounds; round++) {
      say(`${title}: slot ${round + 1} of ${rounds}`)
      for (const target of running) {
        const before = await readCounters(target.pid, stores)
        const heard = await load(target.url, slot)
        await stores.settle()
        seen.set(target, [...seen.get(target) ?? [], { slot: heard, before, after: await readCounters(target.pid, stores) }])
      }
    }
    const [bare = [], chain = []] = running.map((target) => seen.get(target) ?? [])
    const per = (slots: readonly Seen[], read: (counters: Counters) => number): number => median(slots.map(({ slot: { requests }, before, after }) => (read(after) - read(before)) / requests))
    const [row] = await stores.sql<Array<{ mb: number }>>`select pg_database_size(current_database())::float8 / ${MB} as mb`
    return {
      ...about,
      serverMicros: per(chain, ({ serverMicros }) => serverMicros),
      bareMicros: per(bare, ({ serverMicros }) => serverMicros),
      redisMicros: per(chain, ({ redisMicros }) => redisMicros),
      postgresMicros: per(chain, ({ postgresMicros }) => postgresMicros),
      p50Ms: median(chain.map(({ slot: { p50Ms } }) => p50Ms)),
      p99Ms: median(chain.map(({ slot: { p99Ms } }) => p99Ms)),
      failed: chain.reduce((sum, { slot: { failed } }) => sum + failed, 0),
      residentMb: residentMb(running[1]?.pid ?? 0),
      redisMb: Number(/^used_memory:(\d+)/m.exec(await stores.redis.info('memory'))?.[1]) / MB,
      databaseMb: row?.mb ?? Number.NaN
    }
  } finally {
    for (const target of running) await target.stop()
  }
}

/** Of a process and the ones that it started. */
function residentMb (pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter((text) => text !== '').map(Number)
  return [pid, ...children].reduce((sum, one) => sum + Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${one}/status`, 'utf8'))?.[1] ?? Number.NaN) / 1024, 0)
}

function text (steps: readonly Step[]): string {
  return aligned([
    ['keys stored', 'audit rows', 'instances', 'asked by', 'µs/req', 'bare', 'of first', '', 'Redis µs', 'PG µs', 'p50 ms', 'p99 ms', 'server MB', 'Redis MB', 'database MB'],
    ...steps.map((step) => [
      String(step.keys), String(step.auditRows), String(step.instances), step.isCold ? 'another key each time' : 'the same keys',
      step.serverMicros.toFixed(0), step.bareMicros.toFixed(0), step.timesFirst.toFixed(2),
      step.failed > 0 ? `${step.failed} no 2xx` : step.isCold ? '' : step.timesFirst <= FLAT_MAX ? 'flat' : 'NOT FLAT',
      step.redisMicros.toFixed(1), step.postgresMicros.toFixed(1), step.p50Ms.toFixed(2), step.p99Ms.toFixed(1),
      step.residentMb.toFixed(0), step.redisMb.toFixed(0), step.databaseMb.toFixed(0)
    ])
  ])
}
