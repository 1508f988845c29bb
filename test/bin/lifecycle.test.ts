import { once } from 'node:events'
import { Agent, request, type IncomingMessage } from 'node:http'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { P } from '../helper/fronts.ts'
import { instanceOf, type Instance } from '../helper/instance.ts'
import { startPrivatePostgres, whyNoPostgres, type PrivatePostgres } from '../helper/private-postgres.ts'
import { hasRedisServer, NO_REDIS_SERVER, startPrivateRedis, type PrivateRedis } from '../helper/private-redis.ts'
import { RECOVERY_MS, storesOn } from '../helper/postgres-faults.ts'
import { call, embedded, headersFor, newCaller, send, start, type Answer, type Caller } from '../helper/service.ts'

// docs/operations.md, "The life of a process", on real processes.
const program = (name: string): string => fileURLToPath(new URL(`../../bin/${name}.js`, import.meta.url))
const READY = /(?:Public API on (\S+) )?\(operations on (\S+)\)/

interface Process { readonly instance: Instance, readonly url: string, readonly opsUrl: string }

async function run (t: Test, env: Record<string, string>, name = 'server'): Promise<Process> {
  const instance = instanceOf({ program: program(name), ready: READY, env: { PORT: '0', OPS_PORT: '0', AUTH_FAILURE_LIMIT_RPM: '100000', ...env } })
  await instance.start()
  t.teardown(() => instance.kill9())
  const [, url = '', opsUrl = ''] = READY.exec(instance.output()) ?? []
  return { instance, url, opsUrl }
}

const readiness = async ({ opsUrl }: Process): Promise<number> => (await fetch(`${opsUrl}/readyz`)).status
const policies = async (url: string, caller: Caller): Promise<Answer> => await call(url, caller, 'GET', '/governance/policies')
const until = async (holds: () => Promise<boolean>): Promise<number> => {
  const startedMs = performance.now()
  while (!await holds() && performance.now() - startedMs < 20_000) await wait(20)
  return performance.now() - startedMs
}

// A request that has begun and is not whole: its headers and half of its body are there.
function half (url: string, caller: Caller, agent: Agent): { answer: Promise<IncomingMessage>, finish: () => void } {
  const body = JSON.stringify({ blueprints: [{ id: 'a', blueprint: { name: 'Small', flow: [{ id: 1, module: 'http:ActionSendData', version: 3 }], metadata: { version: 1 } } }] })
  const { hostname, port } = new URL(url)
  const outgoing = request({ hostname, port, method: 'POST', path: `${P}/evaluate`, agent, headers: { ...headersFor(caller, 'POST', `${P}/evaluate`, body), 'content-length': String(body.length) } })
  const answer = once(outgoing, 'response').then(([response]) => {
    const incoming = response as IncomingMessage
    incoming.resume()
    return incoming
  })
  outgoing.write(body.slice(0, 20))
  return { answer, finish: () => outgoing.end(body.slice(20)) }
}

// Embedded stores, made once, and a caller of them: what is judged here needs no server.
const own = embedded()
t.teardown(() => own.drop())
const caller = await callerOf(own.env)

t.test('SIGTERM turns readiness off, goes on answering with connection: close until the delay is over, answers what is under way, and ends with 0', { timeout: 60_000 }, async (t) => {
  const service = await run(t, { ...own.env, SHUTDOWN_DELAY_MS: '1500' })
  const { instance, url } = service
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  t.equal(await readiness(service), 200)
  t.not((await policies(url, caller)).headers.get('connection'), 'close')
  const slow = half(url, caller, agent)
  await wait(200)
  const ended = instance.stop()
  await until(async () => await readiness(service) === 503)
  for (let n = 0; n < 3; n++) {
    const answer = await policies(url, caller)
    t.equal(answer.status, 200, 'it is not ready and still serves')
    t.equal(answer.headers.get('connection'), 'close')
  }
  await until(async () => await send(url, 'GET', `${P}/governance/health`).then(() => false, () => true))
  slow.finish()
  const answer = await slow.answer
  t.equal(answer.statusCode, 200, 'a request that had begun is answered after the end of listening')
  t.equal(answer.headers.connection, 'close')
  t.match(await ended, { exit: 0 })
})

t.test('a second signal ends the process at once, with 1, whatever is under way', { timeout: 60_000 }, async (t) => {
  const { instance, url } = await run(t, own.env)
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  const slow = half(url, caller, agent)
  slow.answer.catch(() => {})
  await wait(200)
  const first = instance.stop()
  await until(async () => instance.output().includes('"msg":"draining"'))
  await wait(200)
  t.ok(instance.isRunning(), 'it waits for the request')
  await instance.stop()
  t.match(await first, { exit: 1 })
  t.match(instance.output(), /a second signal: ending at once/)
})

// Something goes wrong in the middle of a running process: when the test says so, by a signal that means nothing else.
function wrong (code: string): Record<string, string> {
  const file = join(own.env['DATA_DIR'] ?? '', 'wrong.mjs')
  writeFileSync(file, `process.on('SIGWINCH', () => { ${code} })`)
  return { NODE_OPTIONS: `--import=${file}` }
}

for (const [what, code] of [['an exception', "throw new RangeError('CANARY')"], ['a rejection', "Promise.reject(new RangeError('CANARY'))"]] as const) {
  t.test(`${what} that nobody caught is logged by name and frames, never by message, and ends the process with 1, its stores closed`, { timeout: 60_000 }, async (t) => {
    const { instance } = await run(t, { ...own.env, ...wrong(code) })
    process.kill(instance.pid() ?? 0, 'SIGWINCH')
    await until(async () => !instance.isRunning())
    const line = instance.output().split('\n').find((text) => text.includes('unhandled error')) ?? '{}'
    t.match(JSON.parse(line), { level: 60, type: 'RangeError', frames: [/^ {4}at /] })
    t.notMatch(instance.output(), /CANARY/)
    // The folder's lock is given back only when the database was closed in order.
    t.notOk(existsSync(join(own.env['DATA_DIR'] ?? '', 'pg.lock')))
  })
}

const skip = whyNoPostgres() ?? (hasRedisServer() ? false : NO_REDIS_SERVER)

t.test('on stores that come and go', { skip, timeout: 120_000 }, async (t) => {
  const server = await startPrivatePostgres()
  const redis = await startPrivateRedis({ aof: true })
  if (server === null || redis === null) return
  t.teardown(() => redis.close())
  t.teardown(() => server.close())
  const name = 'lifecycle'
  await server.query(`create database ${name}`)
  const url = new URL(server.url)
  url.pathname = `/${name}`
  const stores = embedded()
  t.teardown(() => stores.drop())
  const env = { ...stores.env, DATABASE_URL: url.href, REDIS_URL: redis.url }

  await t.test('Both stores down at start: server and worker come up, are not ready, serve nothing, and go on by themselves, migrations included', async (t) => {
    await stopBoth(server, redis)
    const worker = await run(t, { ...env, INSTANCE_ID: 'worker' }, 'worker')
    const service = await run(t, { ...env, RUN_WORKER: 'false', INSTANCE_ID: 'server' })
    t.same(await Promise.all([readiness(service), readiness(worker)]), [503, 503])
    t.equal((await fetch(`${service.opsUrl}/livez`)).status, 200, 'it lives: nobody should restart it')
    const stranger: Caller = { orgId: '', keyId: '', key: `fb_live_${'0'.repeat(48)}` }
    for (const answer of [await policies(service.url, stranger), await send(service.url, 'GET', `${P}/governance/health`)]) t.match(answer, { status: 503, body: { code: 'unavailable' } })
    await Promise.all([server.start(), redis.restart()])
    const ms = await until(async () => await readiness(service) === 200 && await readiness(worker) === 200)
    t.comment(`both stores down at start: ready ${Math.round(ms)} ms after their return, with a schema from nothing`)
    t.equal((await policies(service.url, stranger)).status, 401)
    const caller = await callerOf(env)
    t.equal((await policies(service.url, caller)).status, 200)
    t.same([await service.instance.stop(), await worker.instance.stop()].map(({ exit }) => exit), [0, 0])
  })

  await t.test('Both stores stopped: 503 and never 401, and all is well again within 2 s', async (t) => {
    const service = await run(t, env)
    const caller = await callerOf(env)
    t.equal((await policies(service.url, caller)).status, 200)
    await stopBoth(server, redis)
    for (let n = 0; n < 10; n++) t.match(await policies(service.url, caller), { status: 503, body: { code: 'unavailable' } })
    t.equal(await readiness(service), 503)
    await Promise.all([server.start(), redis.restart()])
    const ms = await until(async () => (await policies(service.url, caller)).status === 200 && await readiness(service) === 200)
    t.comment(`both stores stopped: answering again ${Math.round(ms)} ms after their return`)
    t.ok(ms <= RECOVERY_MS, `${Math.round(ms)} ms`)
    t.match(await service.instance.stop(), { exit: 0 })
  })

  await t.test('a process that is told to stop while its database is away ends with 0 in time', async (t) => {
    const service = await run(t, env)
    server.hang()
    const { exit, ms } = await service.instance.stop()
    server.resume()
    t.equal(exit, 0)
    t.ok(ms < 30_000, `${Math.round(ms)} ms`)
    await stopBoth(server, redis)
    const waiting = await run(t, env)
    t.match(await waiting.instance.stop(), { exit: 0 }, 'also one that still waits for its first schema')
    await Promise.all([server.start(), redis.restart()])
  })

  await t.test('any number of processes may migrate an empty database at once: each ends with 0, and each migration was applied once', async (t) => {
    const stores = await storesOn(server)
    t.teardown(() => stores.drop())
    const codes = await Promise.all(Array.from({ length: 4 }, async () => {
      const child = spawn(process.execPath, [program('migrate')], { env: { PATH: process.env['PATH'] ?? '', ...stores.env }, stdio: 'ignore' })
      const [code] = await once(child, 'close')
      return Number(code)
    }))
    t.same(codes, [0, 0, 0, 0])
    const { runtime } = await start(stores)
    t.teardown(() => runtime.close())
    const rows = await runtime.database.db.execute("select has_schema_privilege('flowbeacon_system', 'public', 'usage') as usable")
    t.match(rows, [{ usable: true }])
  })
})

async function stopBoth (server: PrivatePostgres, redis: PrivateRedis): Promise<void> {
  await Promise.all([server.stop('immediate'), redis.stop()])
}

async function callerOf (env: Record<string, string>): Promise<Caller> {
  const { runtime } = await start({ name: 'private', env, drop: async () => {} }, { RUN_WORKER: 'false' })
  try {
    return await newCaller(runtime)
  } finally {
    await runtime.close()
  }
}
