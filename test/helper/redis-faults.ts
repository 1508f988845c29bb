import type { Test } from 'tap'
import { sql } from 'drizzle-orm'
import type { Runtime } from '../../bin/runtime.ts'
import { rowsOf } from '../../db/rows.ts'
import { verifyWatermark } from '../../plugins/lib/watermark-id.ts'
import { auditRowOf, judge, P, submit } from './fronts.ts'
import type { PrivateRedis } from './private-redis.ts'
import { call, embedded, headersFor, newCaller, operate, real, send, start, type Answer, type Caller, type Stores } from './service.ts'

export const INSTANCES = 2
/** The promise of docs/operations.md, from the moment at which the server answers again. */
export const RECOVERY_MS = 2000
const WEBHOOK = JSON.stringify({ url: 'https://hooks.example.com/in', events: ['evaluation.complete'] })

export interface Fault {
  /** The row of docs/operations.md. */
  readonly name: string
  readonly cut: (redis: PrivateRedis) => unknown
  /** Resolves once the server answers again. */
  readonly mend: (redis: PrivateRedis) => unknown
}

export interface Service { readonly runtime: Runtime, readonly url: string, readonly redis: PrivateRedis }

// The running service on a Redis of its own, and on PostgreSQL where one answers.
export async function startOn (t: Test, redis: PrivateRedis, env: Record<string, string> = {}): Promise<Service & { stores: Stores }> {
  t.teardown(() => redis.resume())
  return { ...await startAt(t, redis.url, env), redis }
}

export async function startAt (t: Test, url: string, env: Record<string, string> = {}): Promise<Omit<Service, 'redis'> & { stores: Stores }> {
  const stores = await real() ?? embedded()
  t.comment(`stores: ${stores.env['DATABASE_URL'] === undefined ? 'PGlite' : 'PostgreSQL'} and a private Redis`)
  const prefix = 'fbfault'
  const service = await start({ ...stores, env: { ...stores.env, REDIS_URL: url, REDIS_PREFIX: prefix } }, { RUN_WORKER: 'false', INSTANCE_COUNT: String(INSTANCES), ...env })
  t.teardown(async () => {
    await service.runtime.close()
    await stores.drop()
  })
  return { ...service, stores }
}

export const policies = async (url: string, caller: Caller): Promise<Answer> => await call(url, caller, 'GET', '/governance/policies')
export const fetchResults = async (url: string, token: string): Promise<Answer> => await send(url, 'GET', `${P}/results/${token}`)

export async function isDegraded (runtime: Runtime, answer: Answer): Promise<boolean | undefined> {
  return (await auditRowOf(runtime, answer))?.degraded
}

// Milliseconds until an answer was judged by the shared windows again; Infinity after ten seconds.
export async function recoveredMs ({ runtime, url }: Pick<Service, 'runtime' | 'url'>, caller: Caller): Promise<number> {
  const startedMs = performance.now()
  while (performance.now() - startedMs < 10_000) {
    const answer = await policies(url, caller)
    if (answer.status === 200 && await isDegraded(runtime, answer) === false) return performance.now() - startedMs
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return Number.POSITIVE_INFINITY
}

export function assertUnavailable (t: Test, answer: Answer, secret: Buffer): void {
  t.equal(answer.status, 503)
  t.match(answer.body, { ok: false, error: 'Service temporarily unavailable', code: 'unavailable' })
  t.match(answer.headers.get('retry-after'), /^[1-9]\d?$/)
  t.ok(verifyWatermark(String(answer.headers.get('x-fb-watermark')), secret), 'its watermark proves itself')
}

export async function judgedToken ({ runtime, url }: Pick<Service, 'runtime' | 'url'>, caller: Caller): Promise<{ id: string, token: string }> {
  const submitted = await submit(url, caller)
  await judge(runtime, submitted.id)
  return submitted
}

export async function redemptionsOf (runtime: Runtime, id: string): Promise<number> {
  return Number(rowsOf(await runtime.database.db.execute(sql`select count(*)::int as count from redemptions where evaluation_id = ${id}`))[0]?.['count'])
}

export async function readiness ({ runtime }: Pick<Service, 'runtime'>): Promise<{ status: number, detail: string, metrics: string }> {
  const answer = await runtime.ops.inject('/readyz')
  const detail = answer.json().checks.find(({ name }: { name: string }) => name === 'windows').detail
  return { status: answer.statusCode, detail, metrics: (await runtime.ops.inject('/metrics')).body }
}

export interface Signed { readonly caller: Caller, readonly headers: Record<string, string> }

export function signedWebhook (caller: Caller): Signed {
  return { caller, headers: headersFor(caller, 'POST', `${P}/webhooks`, WEBHOOK) }
}

export async function sendWebhook (url: string, { headers }: Signed): Promise<Answer> {
  return await send(url, 'POST', `${P}/webhooks`, headers, WEBHOOK)
}

// One row of the table, whole: what the service does before, during and after a Redis that cannot be used.
export async function judgeAsAway (t: Test, service: Service, fault: Fault): Promise<{ firstMs: number, fortyMs: number, backMs: number, open: { id: string, token: string } }> {
  const { runtime, url, redis } = service
  const { watermark } = runtime.config.secrets
  const [known, minute, hour, revoked, poster] = await Promise.all([
    newCaller(runtime, { rpm: 1000, rph: 10_000 }), newCaller(runtime, { rpm: 10, rph: 1000 }), newCaller(runtime, { rpm: 100, rph: 7 }), newCaller(runtime), newCaller(runtime, { permissions: ['admin'] })])
  for (const caller of [known, revoked]) t.equal((await policies(url, caller)).status, 200)
  const { id, token } = await judgedToken(service, known)
  const before = signedWebhook(poster)
  t.equal((await sendWebhook(url, before)).status, 200)

  await fault.cut(redis)
  const cutMs = performance.now()
  t.equal((await policies(url, known)).status, 200)
  const firstMs = performance.now() - cutMs
  for (let n = 0; n < 39; n++) if ((await policies(url, known)).status !== 200) t.fail('not answered')
  const fortyMs = performance.now() - cutMs
  t.ok(fortyMs < 40 * 250, 'no request after the first few waited for the store')

  // Authentication: from the database, on every request.
  await t.rejects(operate(runtime, 'key.revoke', { key: revoked.keyId }), /committed, but the instances could not be told/)
  t.equal((await policies(url, revoked)).status, 401, 'a revocation holds at once')
  t.equal((await policies(url, { ...known, key: `fb_live_${'0'.repeat(48)}` })).status, 401, 'a stranger is a stranger')

  // Limits: exactly the share, in both windows, and said.
  for (const [caller, limit, share] of [[minute, '10', 5], [hour, '100', 3]] as const) {
    const answers = await Promise.all(Array.from({ length: 20 }, () => policies(url, caller)))
    t.equal(answers.filter(({ status }) => status === 200).length, share)
    t.equal(answers.filter(({ status }) => status === 429).length, 20 - share)
    t.same([...new Set(await Promise.all(answers.map((answer) => isDegraded(runtime, answer))))], [true], 'every row says degraded')
    t.same([...new Set(answers.map(({ headers }) => headers.get('x-ratelimit-limit')))], [limit], "the limit named is the key's")
    for (const { status, headers } of answers) if (status === 429 && !(Number(headers.get('retry-after')) >= 1)) t.fail('no Retry-After')
  }

  // Replays: what was accepted before is not accepted now; what is accepted now, once.
  t.match((await sendWebhook(url, before)).body, { code: 'signature_replayed' })
  const during = signedWebhook(await newCaller(runtime, { permissions: ['admin'] }))
  t.same((await Promise.all(Array.from({ length: 5 }, () => sendWebhook(url, during)))).map(({ status }) => status).sort(), [200, 403, 403, 403, 403])

  // Tokens: 503, and nothing spent.
  for (let n = 0; n < 3; n++) assertUnavailable(t, await fetchResults(url, token), watermark)
  assertUnavailable(t, await call(url, known, 'POST', '/evaluate', JSON.stringify({ blueprints: [{ id: 'x', blueprint: { flow: [] } }] })), watermark)
  t.equal(await redemptionsOf(runtime, id), 0)

  const { status, detail, metrics } = await readiness(service)
  t.equal(status, 200, 'an instance that answers is ready')
  t.match(detail, /away/)
  t.match(metrics, /^flowbeacon_circuit_open\{store="redis",shard=""\} 1$/m)

  await fault.mend(redis)
  const backMs = await recoveredMs(service, known)
  t.ok(backMs <= RECOVERY_MS, `the shared windows judge again after ${Math.round(backMs)} ms`)
  t.equal((await policies(url, revoked)).status, 401, 'the revocation holds, although nobody could be told')
  t.match((await sendWebhook(url, during)).body, { code: 'signature_replayed' }, 'what was accepted meanwhile is not accepted again')
  t.match((await readiness(service)).metrics, /^flowbeacon_circuit_open\{store="redis",shard=""\} 0$/m)
  return { firstMs, fortyMs, backMs, open: { id, token } }
}

// The token that was open during the fault gives its results now, once.
export async function assertOnce (t: Test, { runtime, url }: Pick<Service, 'runtime' | 'url'>, { id, token }: { id: string, token: string }): Promise<void> {
  t.equal((await fetchResults(url, token)).status, 200)
  t.equal((await fetchResults(url, token)).status, 410)
  t.equal(await redemptionsOf(runtime, id), 1)
}
