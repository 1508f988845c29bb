import t, { type Test } from 'tap'
import { sql } from 'drizzle-orm'
import { buildOps } from '../../bin/ops.ts'
import type { Runtime } from '../../bin/runtime.ts'
import { listKillEvents } from '../../db/queries/kill-switch.ts'
import { rowsOf } from '../../db/rows.ts'
import { NOTHING_KILLED } from '../../plugins/lib/kill-state.ts'
import { createMetrics } from '../../plugins/support/metrics.ts'
import { verifyWatermark } from '../../plugins/lib/watermark-id.ts'
import { auditRowOf, ended, front, NO_SERVERS, onEachStore, P, stateRows, submit } from '../helper/fronts.ts'
import { runFb, spawnServer } from '../helper/process.ts'
import { startProxy, type Proxy } from '../helper/proxy.ts'
import { call, embedded, newCaller, operate, real, send, start, type Answer } from '../helper/service.ts'

const health = async (url: string): Promise<Answer> => await send(url, 'GET', `${P}/governance/health`)
const until = async (isTrue: () => boolean | Promise<boolean>): Promise<void> => { while (!await isTrue()) await new Promise((resolve) => setTimeout(resolve, 20)) }

await onEachStore(t, 'a switch refuses what it is for, and nothing else, until it is lifted', async (t, stores) => {
  const { runtime, url } = await start(stores)
  t.teardown(() => runtime.close())
  const secret = runtime.config.secrets.watermark
  const caller = await newCaller(runtime, { rpm: 10_000, rph: 100_000 })
  const other = await newCaller(runtime)
  const refused = (t: Test, answer: Answer): void => {
    t.equal(answer.status, 503)
    t.match(answer.body, { ok: false, error: 'Public API is disabled', code: 'api_disabled', meta: { watermark: String(answer.headers.get('x-fb-watermark')) } })
    t.ok(verifyWatermark(String(answer.body.meta.watermark), secret))
  }

  await t.test('everything: every route, health and unknown ones included', async (t) => {
    t.match(await operate(runtime, 'kill.on', { reason: 'incident' }), { in_effect: true })
    for (const path of ['/governance/health', '/governance/policies', '/nothing', '/results/none']) refused(t, await send(url, 'GET', `${P}${path}`))
    refused(t, await call(url, caller, 'GET', '/scenarios'))
    await operate(runtime, 'kill.off', {})
    t.equal((await health(url)).status, 200)
    t.equal((await call(url, caller, 'GET', '/scenarios')).status, 200)
  })

  await t.test('an organization: its keys and its result tokens; its quota and its tokens are not spent, and the refusal has its row', async (t) => {
    const { id, token } = await submit(url, caller)
    await ended(runtime, id)
    await operate(runtime, 'kill.on', { reason: 'incident', org: caller.orgId })
    const remaining = async (): Promise<number> => Number((await runtime.admission.readWindow({ keyId: caller.keyId, perMinute: 10_000, perHour: 100_000 })).remaining)
    const before = { remaining: await remaining(), rows: await stateRows(runtime) }
    const answer = await call(url, caller, 'GET', '/scenarios')
    refused(t, answer)
    t.match(await auditRowOf(runtime, answer), { orgId: caller.orgId, keyId: caller.keyId, status: 503, code: 'api_disabled', reason: 'organization' })
    refused(t, await call(url, caller, 'POST', '/evaluate', '{"scenario_ids":["a"]}'))
    const presented = await send(url, 'GET', `${P}/results/${token}`)
    refused(t, presented)
    t.match(await auditRowOf(runtime, presented), { orgId: caller.orgId, keyId: null, code: 'api_disabled', jti: null })
    t.same({ remaining: await remaining(), rows: await stateRows(runtime) }, before)
    t.equal((await call(url, other, 'GET', '/scenarios')).status, 200, 'another organization')
    t.equal((await health(url)).status, 200)
    t.equal((await send(url, 'GET', `${P}/governance/policies`)).status, 401, 'a stranger learns nothing')
    await operate(runtime, 'kill.off', { org: caller.orgId })
    t.equal((await send(url, 'GET', `${P}/results/${token}`)).status, 200, 'the token still has its use')
  })

  await t.test('a key: the organization\'s other keys and its result tokens go on', async (t) => {
    const second = await operate(runtime, 'key.create', { org: caller.orgId, name: 'second', permissions: ['governance:read'] })
    const { id, token } = await submit(url, caller)
    await ended(runtime, id)
    await operate(runtime, 'kill.on', { reason: 'incident', key: caller.keyId })
    refused(t, await call(url, caller, 'GET', '/scenarios'))
    t.equal((await call(url, { orgId: caller.orgId, keyId: second.id, key: second.key }, 'GET', '/scenarios')).status, 200)
    t.equal((await send(url, 'GET', `${P}/results/${token}`)).status, 200)
    await operate(runtime, 'kill.off', { key: caller.keyId })
  })

  await t.test('writes only: what is read goes on, a result token included', async (t) => {
    const { id, token } = await submit(url, caller)
    await ended(runtime, id)
    await operate(runtime, 'kill.on', { reason: 'maintenance', writes_only: true })
    const before = await stateRows(runtime)
    refused(t, await call(url, caller, 'POST', '/evaluate', '{"scenario_ids":["a"]}'))
    t.same(await stateRows(runtime), before)
    t.equal((await call(url, caller, 'GET', '/scenarios')).status, 200)
    t.equal((await send(url, 'GET', `${P}/results/${token}`)).status, 200)
    await operate(runtime, 'kill.off', {})
    t.equal((await call(url, caller, 'POST', '/evaluate', '{"scenario_ids":["a"]}')).status, 400)
  })

  await t.test('evaluations of an organization wait while it is refused, and go on when it is not', async (t) => {
    await operate(runtime, 'kill.on', { reason: 'incident', org: caller.orgId })
    // A way in that does not see the switch: what it accepts was accepted a moment before.
    const before = await front(t, runtime, {}, { killState: () => NOTHING_KILLED })
    const mine = await submit(before, caller)
    const theirs = await submit(before, other)
    t.equal(await ended(runtime, theirs.id), 'complete', 'the later one of another organization is judged')
    t.match(rowsOf(await runtime.database.db.execute(sql`select state from evaluations where id = ${mine.id}`)), [{ state: 'pending' }])
    await operate(runtime, 'kill.off', { org: caller.orgId })
    t.equal(await ended(runtime, mine.id), 'complete')
  })

  await t.test('the environment\'s flag is absolute', async (t) => {
    const closed = await front(t, runtime, { enabled: false })
    refused(t, await health(closed))
    await operate(runtime, 'kill.on', { reason: 'both' })
    await operate(runtime, 'kill.off', {})
    refused(t, await health(closed))
    t.equal((await health(url)).status, 200)
  })

  await t.test('while the state is not known every route answers 503 unavailable, and the instance is not ready', async (t) => {
    const unknown = { ...NOTHING_KILLED, isKnown: false }
    const blind = await front(t, runtime, {}, { killState: () => unknown })
    for (const answer of [await health(blind), await call(blind, caller, 'GET', '/scenarios')]) {
      t.match(answer, { status: 503, body: { code: 'unavailable' } })
      t.ok(verifyWatermark(String(answer.body.meta.watermark), secret))
    }
    const readiness = async (killState: Runtime['killState']): Promise<{ status: number, check: object }> => {
      const ops = buildOps({ metrics: createMetrics(), databaseClock: () => runtime.database.ping(), windowsStore: async () => 'yes', isDraining: () => false, killState })
      const answer = await ops.inject('/readyz')
      await ops.close()
      return { status: answer.statusCode, check: answer.json().checks.find(({ name }: { name: string }) => name === 'kill-switch') }
    }
    t.match(await readiness(() => unknown), { status: 503, check: { ok: false, detail: /not been read/ } })
    t.match(await readiness(() => ({ ...NOTHING_KILLED, everything: 'everything' })), { status: 200, check: { ok: true, detail: /^on: all/ } })
    t.match(await readiness(runtime.killState), { status: 200, check: { ok: true, detail: 'off' } })
  })
})

t.test('on the embedded default the command line throws the switch of the running server', { timeout: 60_000 }, async (t) => {
  const stores = embedded()
  const server = await spawnServer({ ...stores.env, LOG_LEVEL: 'silent' })
  t.teardown(async () => {
    await server.stop()
    await stores.drop()
  })
  const fb = async (...args: string[]) => await runFb(stores.env, 'kill', ...args)
  t.match(await fb('on', '--reason', 'incident', '--for', '1h'), { code: 0, answer: { in_effect: true, instances: [{ role: 'server' }], switch: { target: 'all', actor: /^fb:/ } } })
  t.match(await health(server.url), { status: 503, body: { code: 'api_disabled' } })
  t.match(await fb('status'), { code: 0, answer: { on: [{ target: 'all', reason: 'incident' }], instances: [{ running: true, up_to_date: true }], history: [{ kind: 'on' }] } })
  t.match(await fb('off'), { code: 0, answer: { in_effect: true, lifted: [{ target: 'all' }] } })
  t.equal((await health(server.url)).status, 200)
  t.match(await fb('off'), { code: 1, answer: { error: /nothing is thrown/ } })
  t.match(await fb('on', '--reason', 'r', '--for', 'soon'), { code: 2, answer: { error: /such as 30m/ } })
  t.match(await fb('on'), { code: 2, answer: { error: /--reason/ } })
})

const stores = await real()
t.teardown(async () => { await stores?.drop() })

interface Stack { runtime: Runtime, url: string, redis: Proxy, database: Proxy }

async function startStack (t: Test): Promise<Stack> {
  if (stores === null) throw new Error(NO_SERVERS)
  const { DATABASE_URL = '', REDIS_URL = '' } = stores.env
  const redis = await startProxy(REDIS_URL, 6379)
  const database = await startProxy(DATABASE_URL, 5432)
  const { runtime, url } = await start({ ...stores, env: { ...stores.env, DATABASE_URL: database.through(DATABASE_URL), REDIS_URL: redis.through(REDIS_URL) } }, { RUN_WORKER: 'false' })
  t.teardown(async () => {
    redis.resume()
    database.resume()
    await runtime.close()
    await redis.close()
    await database.close()
  })
  return { runtime, url, redis, database }
}

t.test('with PostgreSQL, Redis or both away', { skip: stores === null ? NO_SERVERS : false, timeout: 120_000 }, async (t) => {
  const { runtime, url, redis, database } = await startStack(t)
  const caller = await newCaller(runtime, { rpm: 10_000, rph: 100_000 })
  const events = async (): Promise<string[]> => (await listKillEvents(runtime.database.db, 100)).map(({ kind, reason }) => `${kind} ${reason}`)

  await t.test('thrown while PostgreSQL refuses: it takes effect through Redis, and the history is completed afterwards', async (t) => {
    await database.refuse()
    t.match(await operate(runtime, 'kill.on', { reason: 'without PostgreSQL' }), { stores: { PostgreSQL: 'away', Redis: 'written' }, in_effect: true })
    t.match(await health(url), { status: 503, body: { code: 'api_disabled' } })
    t.match(await operate(runtime, 'kill.status', {}), { on: [{ reason: 'without PostgreSQL' }], history: null })
    database.resume()
    await until(async () => (await events().catch((): string[] => [])).includes('on without PostgreSQL'))
  })

  await t.test('lifted while Redis refuses: it takes effect through PostgreSQL, and Redis is brought up to date afterwards', async (t) => {
    await redis.refuse()
    t.match(await operate(runtime, 'kill.off', { reason: 'without Redis' }), { stores: { PostgreSQL: 'written', Redis: 'away' }, in_effect: true })
    t.equal((await health(url)).status, 200)
    redis.resume()
    await until(async () => (await runtime.kill.fast?.read().catch(() => null))?.events.find(({ target }) => target === 'all')?.kind === 'off')
  })

  await t.test('a hanging PostgreSQL holds up neither the command nor the effect', async (t) => {
    database.silence()
    t.match(await operate(runtime, 'kill.on', { reason: 'hanging', org: caller.orgId }), { verified: false, stores: { PostgreSQL: 'away', Redis: 'written' }, in_effect: true })
    t.equal(runtime.killState().orgs.get(caller.orgId), 'everything')
    t.match(await operate(runtime, 'kill.off', { org: caller.orgId }), { in_effect: true })
    database.resume()
    await until(async () => (await events().catch((): string[] => [])).includes('off lifted'))
    t.equal(runtime.killState().orgs.size, 0, 'what the hanging server carries out late undoes nothing')
  })

  await t.test('both away: the state stays as it was, a command fails, and a switch for a time lifts itself', async (t) => {
    await operate(runtime, 'kill.on', { reason: 'for a time', for: '4s' })
    await operate(runtime, 'kill.on', { reason: 'for ever', org: caller.orgId })
    await Promise.all([redis.refuse(), database.refuse()])
    t.equal((await health(url)).status, 503)
    await t.rejects(operate(runtime, 'kill.off', {}), { name: 'OperationError', message: /no store of the kill switch answers/ })
    await until(() => runtime.killState().everything === null)
    t.equal((await health(url)).status, 200)
    t.equal(runtime.killState().orgs.get(caller.orgId), 'everything')
    redis.resume()
    database.resume()
    await until(async () => await operate(runtime, 'kill.off', { all: true }).then(() => true, () => false))
    t.same((await operate(runtime, 'kill.status', {})).on, [])
  })
})
