import t, { type Test } from 'tap'
import postgres from 'postgres'
import { NO_SERVERS, P, submit } from '../helper/fronts.ts'
import { runFb, spawnServer, type ServerProcess } from '../helper/process.ts'
import { startProxy } from '../helper/proxy.ts'
import { call, FLOW, headersFor, newCaller, operate, real, send, start, type Answer, type Caller } from '../helper/service.ts'

// Promises that hold over instances, with each instance a process of its own. What two fronts in one process can show is in service.test.ts.
const stores = await real()
t.teardown(async () => { await stores?.drop() })

const policies = async (url: string, caller: Caller): Promise<Answer> => await call(url, caller, 'GET', '/governance/policies')
const health = async (url: string): Promise<Answer> => await send(url, 'GET', `${P}/governance/health`)
const ready = async ({ opsUrl }: ServerProcess): Promise<Answer> => await send(opsUrl, 'GET', '/readyz')

t.test('over two server processes', { skip: stores === null ? NO_SERVERS : false, timeout: 120_000 }, async (t) => {
  if (stores === null) return
  const { runtime } = await start(stores, { RUN_WORKER: 'false', INSTANCE_ID: 'operator' })
  const servers = await Promise.all(['one', 'two'].map((id) => spawnServer({ ...stores.env, INSTANCE_ID: id, LOG_LEVEL: 'warn' })))
  t.teardown(async () => {
    await Promise.all(servers.map((server) => server.stop()))
    await runtime.close()
  })
  const urls = servers.map(({ url }) => url)
  const everywhere = async (t: Test, caller: Caller, status: number): Promise<void> => {
    // Twice, so that the second meets whatever the first left in a cache.
    for (const url of [...urls, ...urls]) t.equal((await policies(url, caller)).status, status, url)
  }

  await t.test('a suspension and a resumption hold on both as soon as the command has returned', async (t) => {
    const caller = await newCaller(runtime)
    await everywhere(t, caller, 200)
    t.match(await runFb(stores.env, 'key', 'suspend', caller.keyId), { code: 0 })
    await everywhere(t, caller, 401)
    t.match(await runFb(stores.env, 'key', 'resume', caller.keyId), { code: 0 })
    await everywhere(t, caller, 200)
  })

  await t.test('a revocation is not undone by the cache of a process that served the key a moment before', async (t) => {
    for (let round = 0; round < 10; round++) {
      const caller = await newCaller(runtime)
      await everywhere(t, caller, 200)
      await operate(runtime, 'key.revoke', { key: caller.keyId })
      t.same((await Promise.all([...urls, ...urls].map((url) => policies(url, caller)))).map(({ status }) => status), [401, 401, 401, 401])
    }
  })

  await t.test('of 120 simultaneous requests of one key over both exactly sixty are admitted', async (t) => {
    const caller = await newCaller(runtime)
    const answers = await Promise.all(Array.from({ length: 120 }, (_, n) => policies(String(urls[n % 2]), caller)))
    t.equal(answers.filter(({ status }) => status === 200).length, 60)
    t.equal(answers.filter(({ status }) => status === 429).length, 60)
  })

  await t.test('of twenty copies of one signed request over both exactly one is admitted', async (t) => {
    const caller = await newCaller(runtime)
    const body = JSON.stringify({ blueprints: [{ id: 'a', blueprint: FLOW }] })
    const headers = headersFor(caller, 'POST', `${P}/evaluate`, body)
    const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => send(String(urls[n % 2]), 'POST', `${P}/evaluate`, headers, body)))
    t.equal(answers.filter(({ status }) => status === 200).length, 1)
    t.equal(answers.filter(({ body }) => body.code === 'signature_replayed').length, 19)
  })

  await t.test('of forty presenters of one token over both exactly one succeeds, also when the process that issued it is gone', async (t) => {
    const caller = await newCaller(runtime)
    const third = await spawnServer({ ...stores.env, INSTANCE_ID: 'three', LOG_LEVEL: 'warn' })
    const { id, token } = await submit(third.url, caller)
    t.equal(await third.stop(), 0)
    while ((await call(String(urls[0]), caller, 'GET', `/evaluations/${id}`)).body.data.status !== 'complete') await new Promise((resolve) => setTimeout(resolve, 100))
    const statuses = (await Promise.all(Array.from({ length: 40 }, (_, n) => send(String(urls[n % 2]), 'GET', `${P}/results/${token}`)))).map(({ status }) => status)
    t.equal(statuses.filter((status) => status === 200).length, 1)
    t.equal(statuses.filter((status) => status === 410).length, 39)
  })

  await t.test('a switch has arrived on every instance when the command has returned, and no request that begins then passes', async (t) => {
    const caller = await newCaller(runtime, { rpm: 10_000 })
    const running = [{ id: 'one' }, { id: 'operator' }, { id: 'two' }]
    const on = await runFb(stores.env, 'kill', 'on', '--reason', 'incident', '--org', caller.orgId)
    t.match(on, { code: 0, answer: { in_effect: true, verified: true, stores: { PostgreSQL: 'written', Redis: 'written' }, instances: running } })
    for (const url of urls) t.match(await policies(url, caller), { status: 503, body: { code: 'api_disabled' } })
    for (const server of servers) t.match(await ready(server), { status: 200 })
    const off = await runFb(stores.env, 'kill', 'off', '--org', caller.orgId, '--reason', 'over')
    t.match(off, { code: 0, answer: { in_effect: true, instances: running } })
    await everywhere(t, caller, 200)
    t.match((await runFb(stores.env, 'kill', 'status', '--history', '2')).answer.history, [{ kind: 'off', reason: 'over' }, { kind: 'on', reason: 'incident', actor: /^fb:/ }])
  })

  await t.test('a drill hears every instance, and is in the history', async (t) => {
    const { answer } = await runFb(stores.env, 'kill', 'drill')
    t.match(answer, { instances: ['one', 'operator', 'two'].map((id) => ({ id, on_ms: Number, off_ms: Number })), bar_ms: 2000, recorded: String })
    t.match((await runFb(stores.env, 'kill', 'status', '--history', '1')).answer, { on: [], history: [{ id: answer.recorded, kind: 'drill', detail: { slowest_ms: answer.slowest_ms } }] })
  })

  await t.test('an instance whose environment disables it stays closed whatever is lifted, and the command says so', async (t) => {
    const closed = await spawnServer({ ...stores.env, INSTANCE_ID: 'closed', PUBLIC_API_ENABLED: 'false', LOG_LEVEL: 'warn' })
    await operate(runtime, 'kill.on', { reason: 'incident' })
    const off = await runFb(stores.env, 'kill', 'off')
    t.match(off, { code: 0, answer: { disabled_by_environment: ['closed'] }, stderr: /PUBLIC_API_ENABLED=false .*closed.* No command lifts that/ })
    t.match(await health(closed.url), { status: 503, body: { code: 'api_disabled' } })
    t.equal(await closed.stop(), 0)
    t.notOk((await runFb(stores.env, 'kill', 'status')).answer.instances.some(({ id }: { id: string }) => id === 'closed'), 'one that ended took its leave')
  })

  await t.test('a process that starts while the switch is thrown never serves', async (t) => {
    await operate(runtime, 'kill.on', { reason: 'incident' })
    const late = await spawnServer({ ...stores.env, INSTANCE_ID: 'late', LOG_LEVEL: 'warn' })
    t.match(await health(late.url), { status: 503, body: { code: 'api_disabled' } })
    await operate(runtime, 'kill.off', {})
    t.equal(await late.stop(), 0)
  })

  await t.test('a process that starts while both stores are away serves nothing and is not ready until one has said what is thrown', async (t) => {
    const { DATABASE_URL = '', REDIS_URL = '' } = stores.env
    const [redis, database] = await Promise.all([startProxy(REDIS_URL, 6379), startProxy(DATABASE_URL, 5432)])
    await Promise.all([redis.refuse(), database.refuse()])
    const blind = await spawnServer({ ...stores.env, DATABASE_URL: database.through(DATABASE_URL), REDIS_URL: redis.through(REDIS_URL), INSTANCE_ID: 'blind', LOG_LEVEL: 'silent' })
    t.teardown(async () => {
      redis.resume()
      database.resume()
      await blind.stop()
      await Promise.all([redis.close(), database.close()])
    })
    t.match(await health(blind.url), { status: 503, body: { code: 'unavailable' } })
    t.match(await ready(blind), { status: 503 })
    t.match((await ready(blind)).body.checks.find(({ name }: { name: string }) => name === 'kill-switch'), { ok: false })
    redis.resume()
    while ((await health(blind.url)).status !== 200) await new Promise((resolve) => setTimeout(resolve, 50))
    t.match((await ready(blind)).body.checks.find(({ name }: { name: string }) => name === 'kill-switch'), { ok: true, detail: 'off' })
  })

  await t.test('a database whose schema is older than the switch is refused, not taken for one where nothing is thrown', async (t) => {
    const admin = postgres(stores.env['DATABASE_URL'] ?? '', { max: 1, onnotice: () => {} })
    t.teardown(() => admin.end({ timeout: 2 }))
    await admin`alter table kill_switch_events rename to kill_switch_events_gone`
    const status = await runFb({ ...stores.env, REDIS_URL: '' }, 'kill', 'status')
    await admin`alter table kill_switch_events_gone rename to kill_switch_events`
    t.match(status, { code: 3, answer: { error: /no store of the kill switch answers/ } })
  })
})
