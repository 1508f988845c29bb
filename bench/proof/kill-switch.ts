/**
 * The kill switch on the wire: thrown and lifted at random moments on three server processes that are asked all the while, with both stores up,
 * and with Redis or PostgreSQL stopped or hanging. The time to effect is when the last request began that was still let through, counted
 * from before the change was written. The stores are servers of the proof's own.
 */
import { sql } from 'drizzle-orm'
import { killControlOf } from '../../bin/kill.ts'
import { loadConfig } from '../../config.ts'
import { openDatabase, type Database } from '../../db/client.ts'
import { rowsOf } from '../../db/rows.ts'
import { changeKillSwitch, readKillState, waitForInstances, type KillControl } from '../../evaluation/kill-control.ts'
import { closeRedis, connectRedis, whenReady } from '../../plugins/support/redis.ts'
import { startPrivatePostgres, whyNoPostgres, type PrivatePostgres } from '../../test/helper/private-postgres.ts'
import { hasRedisServer, NO_REDIS_SERVER, startPrivateRedis, type PrivateRedis } from '../../test/helper/private-redis.ts'
import { spawnServer, type ServerProcess } from '../../test/helper/process.ts'
import { call, embedded, newCaller, send, start, type Caller } from '../../test/helper/service.ts'
import { NotHereError, type Figure, type Proof, type ProofOptions } from '../proof-definition.ts'
import { seededRandom } from '../seeded.ts'

const INSTANCES = ['one', 'two', 'three']
const EFFECT_MS_MAX = 2000
const EVERY_MS = 5
/** Answers in a row that show an instance to have changed its mind. */
const SETTLED = 10
const HEALTH = '/api/public/v1/governance/health'

interface Phase { name: string, needsPostgres: boolean, begin: (scene: Scene) => unknown, end: (scene: Scene) => unknown }

const PHASES: readonly Phase[] = [
  { name: 'both stores up', needsPostgres: true, begin () {}, end () {} },
  { name: 'Redis stopped', needsPostgres: true, begin: ({ redis }) => redis.stop(), end: ({ redis }) => redis.restart({ empty: true }) },
  { name: 'Redis hanging', needsPostgres: true, begin: ({ redis }) => redis.hang(), end: ({ redis }) => redis.resume() },
  { name: 'PostgreSQL stopped', needsPostgres: false, begin: ({ postgres }) => postgres.stop('fast'), end: ({ postgres }) => postgres.start() },
  { name: 'PostgreSQL hanging', needsPostgres: false, begin: ({ postgres }) => postgres.hang(), end: ({ postgres }) => postgres.resume() }
]

const proof: Proof = {
  summary: 'the kill switch takes effect within 2 s on three instances, with both stores up and with either stopped or hanging',
  count: 100,
  unit: 'throws',
  run: throwAndLift
}

export default proof

interface Scene { servers: ServerProcess[], caller: Caller, control: KillControl, database: Database, redis: PrivateRedis, postgres: PrivatePostgres }
interface Effects { thrown: number[], lifted: number[] }

async function throwAndLift ({ count, seed, progress }: ProofOptions): Promise<Figure[]> {
  const missing = whyNoPostgres() ?? (hasRedisServer() ? null : NO_REDIS_SERVER)
  if (missing !== null) throw new NotHereError(missing)
  const random = seededRandom(seed)
  const { scene, close } = await setUp()
  const figures: Figure[] = []
  let done = 0
  try {
    for (const [index, phase] of PHASES.entries()) {
      await phase.begin(scene)
      const effects: Effects = { thrown: [], lifted: [] }
      const rounds = Math.floor((count + index) / PHASES.length)
      for (let round = 0; round < rounds; round++) {
        // A key is only served with PostgreSQL; health is served without.
        const org = phase.needsPostgres && round % 2 === 1
        await new Promise((resolve) => setTimeout(resolve, random() * 1000))
        effects.thrown.push(...await change(scene, 'on', org))
        effects.lifted.push(...await change(scene, 'off', org))
        progress(++done, phase.name)
      }
      figures.push(...describe(phase.name, effects))
      await phase.end(scene)
      await settle(scene)
    }
    const [row] = rowsOf(await scene.database.db.execute(sql`select count(*)::int as events from kill_switch_events`))
    const lost = 2 * done - Number(row?.['events'])
    figures.push({ what: 'changes missing from the history', value: lost, bar: '0', ok: lost === 0 })
    return figures
  } finally {
    await close()
  }
}

async function setUp (): Promise<{ scene: Scene, close: () => Promise<void> }> {
  const [redis, postgres] = await Promise.all([startPrivateRedis(), startPrivatePostgres()])
  if (redis === null || postgres === null) throw new NotHereError('the stores of the proof could not be started')
  const folder = embedded()
  const env = { ...folder.env, DATABASE_URL: postgres.url, REDIS_URL: redis.url, RUN_WORKER: 'false' }
  const { runtime } = await start({ ...folder, env }, { INSTANCE_ID: 'set-up' })
  const caller = await newCaller(runtime, { rpm: 100_000, rph: 100_000 })
  await runtime.close()
  const servers = await Promise.all(INSTANCES.map((id) => spawnServer({ ...env, INSTANCE_ID: id, LOG_LEVEL: 'silent' })))
  const database = await openDatabase({ url: postgres.url })
  const connection = connectRedis(redis.url)
  await whenReady(connection)
  const control = killControlOf(loadConfig(env), database, connection)
  return {
    scene: { servers, caller, control, database, redis, postgres },
    async close () {
      await Promise.all(servers.map((server) => server.stop()))
      await closeRedis(connection)
      await database.close()
      await Promise.all([redis.close(), postgres.close()])
      await folder.drop()
    }
  }
}

/** Makes one change while every instance is asked; milliseconds per instance until the last answer of the old kind began. */
async function change ({ servers, caller, control }: Scene, kind: 'on' | 'off', org: boolean): Promise<number[]> {
  const wanted = kind === 'on' ? 'api_disabled' : 'open'
  const ask = async (url: string): Promise<string> => {
    const { status, body } = await (org ? call(url, caller, 'GET', '/governance/policies') : send(url, 'GET', HEALTH))
    return status === 200 ? 'open' : String(body.code)
  }
  let startedMs = Number.POSITIVE_INFINITY
  const watch = async ({ url }: ServerProcess): Promise<number> => {
    let lastOldMs = Number.NEGATIVE_INFINITY
    for (let settled = 0; settled < SETTLED;) {
      const begunMs = performance.now()
      const isStillOld = await ask(url) !== wanted
      if (isStillOld) lastOldMs = begunMs
      settled = isStillOld || begunMs < startedMs ? 0 : settled + 1
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS))
    }
    return Math.max(0, lastOldMs - startedMs)
  }
  const watches = servers.map(watch)
  startedMs = performance.now()
  await changeKillSwitch(control, { target: org ? `org:${caller.orgId}` : 'all', kind, reason: 'proof', actor: 'proof' })
  return await Promise.all(watches)
}

/** Until both stores answer, nothing waits for the history and every instance holds what the stores hold. */
async function settle ({ control }: Scene): Promise<void> {
  for (;;) {
    const state = await readKillState(control)
    const waiting = (await control.fast?.read().catch(() => null))?.deferred.length
    const arrivals = await waitForInstances(state.stores, performance.now())
    if (state.stores.length === 2 && waiting === 0 && arrivals.length === INSTANCES.length && arrivals.every(({ ms }) => ms !== null)) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

function describe (phase: string, { thrown, lifted }: Effects): Figure[] {
  const slowest = Math.max(0, ...thrown)
  const slowestLift = Math.max(0, ...lifted)
  return [
    { what: `${phase}: thrown, times to effect`, value: thrown.length },
    { what: `${phase}: median`, value: `${quantile(thrown, 0.5)} ms` },
    { what: `${phase}: 99th percentile`, value: `${quantile(thrown, 0.99)} ms` },
    { what: `${phase}: slowest`, value: `${Math.round(slowest)} ms`, bar: `<= ${EFFECT_MS_MAX} ms`, ok: slowest <= EFFECT_MS_MAX },
    { what: `${phase}: slowest lift`, value: `${Math.round(slowestLift)} ms`, bar: `<= ${EFFECT_MS_MAX} ms`, ok: slowestLift <= EFFECT_MS_MAX }
  ]
}

function quantile (values: readonly number[], share: number): number {
  return Math.round([...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN)
}
