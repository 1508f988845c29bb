import t, { type Test } from 'tap'
import { sql } from 'drizzle-orm'
import type { Runtime } from '../../bin/runtime.ts'
import { countAuditRows } from '../../db/queries/system.ts'
import { verifyWatermark } from '../../plugins/lib/watermark-id.ts'
import { auditRowOf, ended, failInserts, judge, NO_SERVERS, P, stateRows, submit } from '../helper/fronts.ts'
import { spawnServer, type ServerProcess } from '../helper/process.ts'
import { startProxy, type Proxy } from '../helper/proxy.ts'
import { call, FLOW, headersFor, newCaller, operate, real, send, start, type Answer, type Caller } from '../helper/service.ts'

// docs/operations.md, "When a store is away", row by row: a proxy stands between the service and each store.
const RECOVERY_MS = 10_000
const ANSWER_MS = 8000
const stores = await real()
const skip = stores === null ? NO_SERVERS : false
t.teardown(async () => { await stores?.drop() })

interface Stack { runtime: Runtime, url: string, redis: Proxy, database: Proxy }

async function startStack (t: Test, env: Record<string, string> = {}): Promise<Stack> {
  if (stores === null) throw new Error(NO_SERVERS)
  const { DATABASE_URL = '', REDIS_URL = '' } = stores.env
  const redis = await startProxy(REDIS_URL, 6379)
  const database = await startProxy(DATABASE_URL, 5432)
  const { runtime, url } = await start({ ...stores, env: { ...stores.env, DATABASE_URL: database.through(DATABASE_URL), REDIS_URL: redis.through(REDIS_URL) } }, { RUN_WORKER: 'false', ...env })
  t.teardown(async () => {
    redis.resume()
    database.resume()
    await runtime.close()
    await redis.close()
    await database.close()
  })
  return { runtime, url, redis, database }
}

const policies = async (url: string, caller: Caller): Promise<Answer> => await call(url, caller, 'GET', '/governance/policies')
const scenarios = async (url: string, caller: Caller): Promise<Answer> => await call(url, caller, 'GET', '/scenarios')

// Resolves to how long it took until the check held; gives up after the time that recovery may take.
async function within (ms: number, holds: () => Promise<boolean>): Promise<number> {
  const startedMs = performance.now()
  while (!await holds()) {
    if (performance.now() - startedMs > ms) return Number.POSITIVE_INFINITY
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return performance.now() - startedMs
}

async function isDegraded (runtime: Runtime, answer: Answer): Promise<boolean | undefined> {
  return (await auditRowOf(runtime, answer))?.degraded
}

const isUnavailable = (t: Test, answer: Answer, secret: Buffer): void => {
  t.match(answer.body, { ok: false, error: 'Service temporarily unavailable', code: 'unavailable' })
  t.equal(answer.status, 503)
  t.match(answer.headers.get('retry-after'), /^[1-9]\d?$/)
  t.ok(verifyWatermark(String(answer.headers.get('x-fb-watermark')), secret), 'its watermark proves itself')
  t.same(Object.keys(answer.body).sort(), ['code', 'error', 'meta', 'ok'])
}

t.test('Redis away', { skip, timeout: 170_000 }, async (t) => {
  const { runtime, url, redis } = await startStack(t, { INSTANCE_COUNT: '2' })
  const { watermark } = runtime.config.secrets
  t.beforeEach(async () => {
    redis.resume()
    const caller = await newCaller(runtime)
    t.ok(await within(RECOVERY_MS, async () => await isDegraded(runtime, await policies(url, caller)) === false) < RECOVERY_MS, 'the service finds Redis again by itself')
  })

  await t.test('authentication: the key is read from PostgreSQL on every request, so no revoked, suspended or narrowed key succeeds', async (t) => {
    const [revoked, suspended, narrowed] = [await newCaller(runtime), await newCaller(runtime), await newCaller(runtime)]
    for (const caller of [revoked, suspended, narrowed]) t.equal((await policies(url, caller)).status, 200, 'in the cache')
    await redis.refuse()
    for (const caller of [revoked, suspended, narrowed]) t.equal((await policies(url, caller)).status, 200)
    // The change is committed; that the instances could not be told is said to the operator.
    await t.rejects(operate(runtime, 'key.revoke', { key: revoked.keyId }), /committed, but the instances could not be told/)
    await t.rejects(operate(runtime, 'key.suspend', { key: suspended.keyId }), /committed, but the instances could not be told/)
    await runtime.database.db.execute(sql`update api_keys set ip_allowlist = '{203.0.113.0/24}' where id = ${narrowed.keyId}`)
    const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => policies(url, [revoked, suspended, narrowed][n % 3] ?? revoked)))
    t.same([...new Set(answers.map(({ status, body }) => `${status} ${body.code}`))].sort(), ['401 invalid_api_key', '403 ip_not_allowed'])
    redis.resume()
    t.ok(await within(RECOVERY_MS, async () => await operate(runtime, 'key.revoke', { key: revoked.keyId }).then(() => true, () => false)) < RECOVERY_MS, 'the command can be repeated')
    t.equal((await policies(url, revoked)).status, 401, 'and afterwards')
  })

  await t.test('limits: this process admits exactly its share, in both windows, and the audit row says degraded', async (t) => {
    const minute = await newCaller(runtime, { rpm: 10, rph: 1000 })
    const hour = await newCaller(runtime, { rpm: 100, rph: 7 })
    const least = await newCaller(runtime, { rpm: 1, rph: 1 })
    await redis.refuse()
    for (const [caller, share] of [[minute, 5], [hour, 3], [least, 1]] as const) {
      const answers = await Promise.all(Array.from({ length: 20 }, () => policies(url, caller)))
      t.equal(answers.filter(({ status }) => status === 200).length, share)
      t.equal(answers.filter(({ status }) => status === 429).length, 20 - share)
      for (const answer of answers) {
        if (await isDegraded(runtime, answer) !== true) t.fail(`${answer.status} is not flagged`)
        if (answer.status === 429 && !(Number(answer.headers.get('retry-after')) >= 1)) t.fail('no Retry-After')
      }
      t.equal(answers[0]?.headers.get('x-ratelimit-limit'), String(caller === minute ? 10 : caller === hour ? 100 : 1), 'the published limit is the key\'s')
    }
  })

  await t.test('limits: a signed request that changes state is accepted once here too', async (t) => {
    const caller = await newCaller(runtime, { permissions: ['admin'] })
    await redis.refuse()
    const body = JSON.stringify({ url: 'https://hooks.example.com/in', events: ['evaluation.complete'] })
    const headers = headersFor(caller, 'POST', `${P}/webhooks`, body)
    t.equal((await send(url, 'POST', `${P}/webhooks`, headers, body)).status, 200)
    t.match((await send(url, 'POST', `${P}/webhooks`, headers, body)).body, { code: 'signature_replayed' })
  })

  await t.test('results: 503, nothing is spent, and the token works once Redis is back, once', async (t) => {
    const caller = await newCaller(runtime)
    const { id, token } = await submit(url, caller)
    await judge(runtime, id)
    const rows = await stateRows(runtime)
    await redis.refuse()
    for (const answer of await Promise.all(Array.from({ length: 5 }, () => send(url, 'GET', `${P}/results/${token}`)))) isUnavailable(t, answer, watermark)
    t.same(await stateRows(runtime), rows)
    redis.resume()
    const statuses: number[] = []
    t.ok(await within(RECOVERY_MS, async () => {
      statuses.push((await send(url, 'GET', `${P}/results/${token}`)).status)
      return statuses.at(-1) !== 503
    }) < RECOVERY_MS)
    t.equal(statuses.at(-1), 200)
    t.equal((await send(url, 'GET', `${P}/results/${token}`)).status, 410)
  })

  await t.test('answers continue, each with its audit row', async (t) => {
    const caller = await newCaller(runtime)
    const { id } = await submit(url, caller)
    await judge(runtime, id)
    await redis.refuse()
    const answers = await Promise.all([policies(url, caller), scenarios(url, caller), call(url, caller, 'GET', `/evaluations/${id}`), call(url, caller, 'GET', '/nothing')])
    t.same(answers.map(({ status }) => status), [200, 200, 200, 404])
    t.equal(await countAuditRows(runtime.database.db, answers.map(({ body }) => body.meta.watermark)), 4)
  })

  await t.test('a Redis that is silent instead of away is waited for no longer than its deadline', async (t) => {
    const caller = await newCaller(runtime)
    t.equal((await policies(url, caller)).status, 200)
    redis.silence()
    const startedMs = performance.now()
    const answer = await policies(url, caller)
    t.equal(answer.status, 200)
    t.equal(await isDegraded(runtime, answer), true)
    t.ok(performance.now() - startedMs < 2000, `${Math.round(performance.now() - startedMs)} ms`)
  })
})

t.test('PostgreSQL away', { skip, timeout: 170_000 }, async (t) => {
  const { runtime, url, database } = await startStack(t)
  const { watermark } = runtime.config.secrets
  const judged = async (caller: Caller): Promise<string> => {
    const { id, token } = await submit(url, caller)
    await judge(runtime, id)
    return token
  }
  const fetchResults = async (token: string): Promise<Answer> => await send(url, 'GET', `${P}/results/${token}`)
  t.beforeEach(async () => {
    database.resume()
    t.ok(await within(RECOVERY_MS, async () => await newCaller(runtime).then((caller) => policies(url, caller)).then(({ status }) => status === 200, () => false)) < RECOVERY_MS, 'the service finds PostgreSQL again by itself')
  })

  await t.test('limits: the shared windows go on counting', async (t) => {
    const caller = await newCaller(runtime, { rpm: 5 })
    t.equal((await policies(url, caller)).headers.get('x-ratelimit-remaining'), '4')
    await database.refuse()
    for (const left of [3, 2, 1, 0, 0, 0]) {
      const answer = await policies(url, caller)
      isUnavailable(t, answer, watermark)
      t.equal(answer.headers.get('x-ratelimit-remaining'), String(left))
    }
    database.resume()
    let last: Answer | undefined
    t.ok(await within(RECOVERY_MS, async () => (last = await policies(url, caller)).status !== 503) < RECOVERY_MS)
    t.equal(last?.status, 429)
  })

  await t.test('answers: nothing leaves without its audit row, and nothing half done stays', async (t) => {
    const caller = await newCaller(runtime)
    t.equal((await scenarios(url, caller)).status, 200)
    const rows = await stateRows(runtime)
    await database.refuse()
    const body = JSON.stringify({ blueprints: [{ id: 'a', blueprint: FLOW, save: true }] })
    const answers = await Promise.all([policies(url, caller), scenarios(url, caller), call(url, caller, 'POST', '/evaluate', body), call(url, caller, 'GET', '/nothing')])
    for (const answer of answers) isUnavailable(t, answer, watermark)
    database.resume()
    await within(RECOVERY_MS, async () => (await scenarios(url, caller)).status === 200)
    t.same(await stateRows(runtime), rows)
  })

  await t.test('results: 503 before anything is taken', async (t) => {
    const token = await judged(await newCaller(runtime))
    await database.refuse()
    isUnavailable(t, await fetchResults(token), watermark)
    database.resume()
    t.ok(await within(RECOVERY_MS, async () => (await fetchResults(token)).status === 200) < RECOVERY_MS)
    t.equal((await fetchResults(token)).status, 410)
  })

  for (const [moment, table, condition] of [
    ['the redemption cannot be written', 'redemptions', 'true'],
    ['the audit row cannot be written', 'audit_rows', "new.route like '%/results/%' and new.status = 200"]
  ] as const) {
    await t.test(`results: ${moment}: 503, the use is given back, the next presenter has it`, async (t) => {
      const caller = await newCaller(runtime)
      const token = await judged(caller)
      const rows = await stateRows(runtime)
      const mend = await failInserts(runtime, table, condition)
      for (let n = 0; n < 3; n++) isUnavailable(t, await fetchResults(token), watermark)
      t.same(await stateRows(runtime), rows, 'no redemption stays')
      await mend()
      const second = await fetchResults(token)
      t.equal(second.status, 200)
      t.match(second.body.data.scenarios, [{ id: 'a' }])
      t.equal((await fetchResults(token)).status, 410)
    })
  }
})

// A server process of its own: what a broken connection may do to a process must not be done to this one.
async function startProcess (t: Test): Promise<{ server: ServerProcess, runtime: Runtime, database: Proxy }> {
  if (stores === null) throw new Error(NO_SERVERS)
  const { DATABASE_URL = '' } = stores.env
  const database = await startProxy(DATABASE_URL, 5432)
  const { runtime } = await start(stores, { RUN_WORKER: 'false' })
  const server = await spawnServer({ ...stores.env, DATABASE_URL: database.through(DATABASE_URL), LOG_LEVEL: 'fatal' })
  t.teardown(async () => {
    await runtime.close()
    await server.stop()
    await database.close()
  })
  return { server, runtime, database }
}

const answered = async (answer: Promise<Answer>): Promise<Answer | 'no answer'> => await Promise.race([
  answer.catch(() => 'no answer' as const),
  new Promise<'no answer'>((resolve) => { setTimeout(resolve, ANSWER_MS, 'no answer').unref() })
])

for (const [moment, said, when] of [
  ['before the redemption is written', /insert into "redemptions"/, 'before'],
  ['after it is written and before that is known', /insert into "redemptions"/, 'after'],
  ['before the audit row is written', /\/results\/:token/, 'before']
] as const) {
  t.test(`results: every connection to PostgreSQL breaks ${moment}: 503, and the next presenter has the use`, { skip, timeout: 60_000 }, async (t) => {
    const { server, runtime, database } = await startProcess(t)
    const { id, token } = await submit(server.url, await newCaller(runtime))
    await ended(runtime, id)
    const cut = database.cutWhen(said, when)
    const answer = await answered(send(server.url, 'GET', `${P}/results/${token}`))
    await cut
    t.equal(server.ended(), null, 'the process lives')
    if (answer === 'no answer') t.fail(`no answer in ${ANSWER_MS} ms`)
    else isUnavailable(t, answer, runtime.config.secrets.watermark)
    const later: number[] = []
    t.ok(await within(RECOVERY_MS, async () => {
      later.push((await send(server.url, 'GET', `${P}/results/${token}`).catch(() => ({ status: 0 }))).status)
      return later.at(-1) === 200
    }) < RECOVERY_MS, `the use was given back: ${later.join()}`)
  })
}
