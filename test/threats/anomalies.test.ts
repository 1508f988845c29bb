import { randomBytes } from 'node:crypto'
import t from 'tap'
import { listAnomalies, type AnomalyEventRow } from '../../db/queries/anomalies.ts'
import { insertAuditRows } from '../../db/queries/system.ts'
import type { AuditRow } from '../../plugins/context.ts'
import { mintRecordId } from '../../plugins/lib/record-id.ts'
import { mintWatermark } from '../../plugins/lib/watermark-id.ts'
import { call, embedded, FLOW, headersFor, newCaller, operate, real, send, start, type Answer, type Caller, type Stores } from '../helper/service.ts'

const realStores = await real()
const P = '/api/public/v1'
const PROXIED = { TRUSTED_PROXIES: '127.0.0.1/32' }
const HOUR_MS = 3_600_000

type Runtime = Awaited<ReturnType<typeof start>>['runtime']

async function eventsOf (runtime: Runtime, orgId: string): Promise<AnomalyEventRow[]> {
  return await listAnomalies(runtime.database.db, { orgId, limit: 100 })
}

async function until (isTrue: () => Promise<boolean>, seconds: number): Promise<boolean> {
  for (const endMs = Date.now() + seconds * 1000; Date.now() < endMs;) {
    if (await isTrue()) return true
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return false
}

async function from (url: string, caller: Caller, address: string, path = '/scenarios'): Promise<Answer> {
  return await send(url, 'GET', P + path, { ...headersFor(caller, 'GET', P + path), 'x-forwarded-for': address })
}

async function many (count: number, work: (n: number) => Promise<unknown>): Promise<void> {
  for (let done = 0; done < count; done += 20) await Promise.all(Array.from({ length: Math.min(20, count - done) }, (_, n) => work(done + n)))
}

function suite (stores: Stores): void {
  t.test(`anomalies on ${stores.name}`, { timeout: 120_000 }, async (t) => {
    t.comment(`stores: ${stores.name}`)
    // The past has to be there before the detector looks at it.
    const before = await start(stores, { ...PROXIED, RUN_WORKER: 'false' })
    const loud = await newCaller(before.runtime, { rpm: 100_000, rph: 100_000 })
    const past: AuditRow[] = Array.from({ length: 48 * 5 }, (_, n) => ({
      watermark: mintWatermark(before.runtime.config.secrets.watermark),
      at: new Date(Date.now() - (2 + Math.floor(n / 5)) * HOUR_MS),
      orgId: loud.orgId,
      keyId: loud.keyId,
      keyPrefix: 'fb_live_0000',
      method: 'GET',
      route: `${P}/scenarios`,
      pathHash: 'p',
      status: 200,
      code: null,
      reason: null,
      ip: '192.0.2.1',
      userAgent: null,
      instance: 'past',
      degraded: false,
      jti: null
    }))
    await insertAuditRows(before.runtime.database, past)
    await before.runtime.close()

    const { runtime, url } = await start(stores, PROXIED)
    let isOpen = true
    t.teardown(async () => {
      if (isOpen) await runtime.close()
      await stores.drop()
    })
    const quick = { rpm: 100_000, rph: 100_000 }
    const secret = runtime.config.secrets.recordId

    await t.test('each scripted attack trips exactly its own signal within ten seconds', async (t) => {
      const other = await newCaller(runtime)
      const canaryOrg = await newCaller(runtime)
      const canary = await operate(runtime, 'key.create', { org: canaryOrg.orgId, name: 'canary', permissions: ['governance:read'], canary_label: 'wiki page' })
      const attacks: Record<string, { caller: Caller, fire: (caller: Caller) => Promise<void> }> = {
        signature_failures: { caller: await newCaller(runtime, quick), fire: (caller) => many(30, () => send(url, 'GET', `${P}/scenarios`, { ...headersFor(caller, 'GET', `${P}/scenarios`), 'x-fb-signature': `t=${Math.floor(Date.now() / 1000)},v1=${randomBytes(32).toString('hex')}` })) },
        foreign_address: { caller: await newCaller(runtime, { ...quick, ip_allow: ['203.0.113.0/24'] }), fire: async (caller) => { await from(url, caller, '192.0.2.66') } },
        scope_probing: { caller: await newCaller(runtime, quick), fire: (caller) => many(12, () => call(url, caller, 'GET', '/webhooks')) },
        foreign_organization: { caller: await newCaller(runtime, quick), fire: (caller) => many(6, () => call(url, caller, 'GET', `/evaluations/${mintRecordId('req', other.orgId, secret)}`)) },
        distinct_networks: { caller: await newCaller(runtime, quick), fire: (caller) => many(10, (n) => from(url, caller, `198.51.${n}.9`)) },
        rate_storm: { caller: await newCaller(runtime, { rpm: 5 }), fire: (caller) => many(280, () => call(url, caller, 'GET', '/scenarios')) },
        unusual_volume: { caller: loud, fire: (caller) => many(320, () => call(url, caller, 'GET', '/scenarios')) },
        record_sweep: { caller: await newCaller(runtime, quick), fire: (caller) => many(520, () => call(url, caller, 'GET', `/evaluations/${mintRecordId('req', caller.orgId, secret)}`)) },
        canary_used: { caller: { orgId: canaryOrg.orgId, keyId: canary.id, key: canary.key }, fire: async (caller) => { await call(url, caller, 'GET', '/scenarios') } },
        token_presented_twice: {
          caller: await newCaller(runtime, quick),
          fire: async (caller) => {
            const accepted = await call(url, caller, 'POST', '/evaluate', JSON.stringify({ blueprints: [{ id: 'a', blueprint: FLOW }] }))
            const path = `${P}/results/${accepted.body.data.result_token}`
            await until(async () => (await send(url, 'GET', path, { 'x-forwarded-for': '192.0.2.1' })).status === 200, 10)
            t.equal((await send(url, 'GET', path, { 'x-forwarded-for': '203.0.113.66' })).status, 410)
          }
        }
      }
      for (const [signal, { caller, fire }] of Object.entries(attacks)) {
        await fire(caller)
        const endedMs = Date.now()
        t.ok(await until(async () => (await eventsOf(runtime, caller.orgId)).length > 0, 10), signal)
        t.comment(`${signal}: ${Date.now() - endedMs} ms after the last request`)
      }
      // Nothing else follows.
      await new Promise((resolve) => setTimeout(resolve, 2500))
      for (const [signal, { caller }] of Object.entries(attacks)) {
        const events = await eventsOf(runtime, caller.orgId)
        t.same(events.map((event) => event.signal), [signal])
        t.ok(events[0]?.watermarks.length !== 0)
        const row = await operate(runtime, 'trace', { watermark: events[0]?.watermarks.at(-1) }).catch((err: Error) => err.message)
        // A canary's refusal is counted, not recorded: it looks like every other dead key's.
        if (signal === 'canary_used') t.match(row, /no audit row/)
        else t.match(row, { org_id: caller.orgId })
      }
      t.same(await eventsOf(runtime, other.orgId), [])
      t.match(await eventsOf(runtime, canaryOrg.orgId), [{ label: 'wiki page', severity: 'critical', isCertain: true, keyId: canary.id, ip: '127.0.0.1', userAgent: /./ }])
    })

    await t.test('a canary key answers as every dead key answers', async (t) => {
      const caller = await newCaller(runtime)
      const dead = await operate(runtime, 'key.create', { org: caller.orgId, name: 'dead', permissions: ['governance:read'] })
      await operate(runtime, 'key.revoke', { key: dead.id })
      const canary = await operate(runtime, 'key.create', { org: caller.orgId, name: 'canary', permissions: ['governance:read'], canary_label: 'log' })
      const unknown = `fb_live_${randomBytes(24).toString('hex')}`
      const seen = await Promise.all([canary.key, dead.key, unknown].map(async (key) => {
        const answer = await call(url, { ...caller, key }, 'GET', '/scenarios')
        return { status: answer.status, headers: [...answer.headers].filter(([name]) => !['date', 'x-fb-watermark'].includes(name)), body: { ...answer.body, meta: null } }
      }))
      t.equal(seen[0]?.status, 401)
      t.same(seen[0], seen[1])
      t.same(seen[0], seen[2])
      await t.rejects(operate(runtime, 'key.resume', { key: canary.id }), { message: /inactive/ })
    })

    await t.test('off, it says what it would have done; a person suspends and resumes', async (t) => {
      const caller = await newCaller(runtime, { ip_allow: ['203.0.113.0/24'] })
      await from(url, caller, '192.0.2.66')
      t.ok(await until(async () => (await eventsOf(runtime, caller.orgId))[0]?.action === 'would_suspend', 10))
      t.equal((await from(url, caller, '203.0.113.5')).status, 200)
      await operate(runtime, 'key.suspend', { key: caller.keyId })
      t.equal((await from(url, caller, '203.0.113.5')).status, 401)
      await operate(runtime, 'key.resume', { key: caller.keyId })
      t.equal((await from(url, caller, '203.0.113.5')).status, 200)
    })

    await t.test('a replay of the past shows whom a change would have hit, with examples', async (t) => {
      const caller = await newCaller(runtime, { permissions: ['governance:read', 'governance:evaluate'] })
      for (let n = 0; n < 12; n++) await from(url, caller, n < 4 ? '203.0.113.5' : '192.0.2.5')
      await call(url, caller, 'POST', '/evaluate', JSON.stringify({ blueprints: [{ id: 'a', blueprint: FLOW }] }))
      const backtest = async (args: object): Promise<any> => (await operate(runtime, 'backtest', { days: 1, key: caller.keyId, ...args })).keys[0]
      t.match(await backtest({ rpm: 5 }), { key: caller.keyId, requests: 13, would_refuse: { limit: { requests: 8, examples: [{ watermark: /^wm_/ }] } } })
      t.match(await backtest({ ip_allow: ['203.0.113.0/24'] }), { would_refuse: { address: { requests: 9 } } })
      t.match(await backtest({ remove_scope: 'governance:evaluate' }), { would_refuse: { scope: { requests: 1, examples: [{ method: 'POST' }] } } })
      t.match(await backtest({ thresholds: { distinct_networks: { count: 2 } } }), { anomalies: [{ signal: 'distinct_networks', only: 'proposed' }] })
      t.equal(await backtest({}), undefined)
      t.match(await backtest({ suggest: true }), { suggestion: { ip_allow: [{ range: '192.0.2.5/32', requests: 8 }, { range: '203.0.113.5/32', requests: 4 }, { range: '127.0.0.1/32', requests: 1 }], unused_permissions: [] } })
      await t.rejects(operate(runtime, 'backtest', { days: 0 }), { message: /days must be/ })
      await t.rejects(operate(runtime, 'backtest', { days: 1, thresholds: { nothing: {} } }), { message: /nothing is not a signal/ })
    })

    if (stores.env['REDIS_URL'] === undefined) return
    // The leader decides by its own configuration, so the one that suspends nothing has to go.
    await runtime.close()
    isOpen = false
    const strict = { ...PROXIED, PUBLIC_API_ANOMALY_AUTO_SUSPEND: 'true' }
    const [one, two] = [await start(stores, { ...strict, INSTANCE_ID: 'one' }), await start(stores, { ...strict, INSTANCE_ID: 'two' })]
    t.teardown(async () => { await Promise.all([one.runtime.close(), two.runtime.close()]) })

    await t.test('auto-suspend stops a flagged key on all instances at once, and a person can undo it', async (t) => {
      const caller = await newCaller(one.runtime, { ip_allow: ['203.0.113.0/24'], ...quick })
      for (const { url } of [one, two]) t.equal((await from(url, caller, '203.0.113.5')).status, 200)
      await from(one.url, caller, '192.0.2.66')
      t.ok(await until(async () => (await eventsOf(one.runtime, caller.orgId))[0]?.action === 'suspended', 10))
      const late = await Promise.all(Array.from({ length: 20 }, (_, n) => from(n % 2 === 0 ? one.url : two.url, caller, '203.0.113.5')))
      t.same([...new Set(late.map(({ status }) => status))], [401])
      await operate(one.runtime, 'key.resume', { key: caller.keyId })
      for (const { url } of [one, two]) t.equal((await from(url, caller, '203.0.113.5')).status, 200)
    })

    await t.test('two independent signals suspend, but never an organization\'s last key', async (t) => {
      const attack = async (caller: Caller): Promise<void> => {
        const foreign = await newCaller(one.runtime)
        await many(6, () => call(one.url, caller, 'GET', `/evaluations/${mintRecordId('req', foreign.orgId, secret)}`))
        await many(10, (n) => from(two.url, caller, `198.51.${n}.9`))
      }
      const last = await newCaller(one.runtime, quick)
      const spare = await newCaller(one.runtime, quick)
      await operate(one.runtime, 'key.create', { org: spare.orgId, name: 'second', permissions: ['governance:read'] })
      await Promise.all([attack(last), attack(spare)])
      const actions = async (caller: Caller): Promise<string[]> => (await eventsOf(one.runtime, caller.orgId)).map(({ action }) => action).sort()
      t.ok(await until(async () => (await actions(last)).length === 2 && (await actions(spare)).length === 2, 10))
      await until(async () => (await actions(last)).includes('declined_last_key') && (await actions(spare)).includes('suspended'), 5)
      t.same(await actions(last), ['declined_last_key', 'none'])
      t.same(await actions(spare), ['none', 'suspended'])
      t.equal((await call(one.url, last, 'GET', '/scenarios')).status, 200)
      t.equal((await call(two.url, spare, 'GET', '/scenarios')).status, 401)
    })

    await t.test('in production a key that arrives over plain HTTP is recognised', async (t) => {
      const production = await start(stores, {
        ...PROXIED, NODE_ENV: 'production', INSTANCE_ID: 'production', RESULT_TOKEN_SECRET: randomBytes(32).toString('hex'), WATERMARK_SECRET: randomBytes(32).toString('hex'), RECORD_ID_SECRET: randomBytes(32).toString('hex'), MASTER_KEYS: `1:${randomBytes(32).toString('hex')}`
      })
      t.teardown(() => production.runtime.close())
      const caller = await newCaller(production.runtime)
      t.equal((await call(production.url, caller, 'GET', '/scenarios')).body.code, 'https_required')
      t.ok(await until(async () => (await eventsOf(one.runtime, caller.orgId)).length > 0, 10))
      t.match(await eventsOf(one.runtime, caller.orgId), [{ signal: 'plain_http', keyId: caller.keyId, isCertain: false }])
    })
  })
}

// On one pair of stores, as onEachStore (helper/fronts.ts) has it.
if (realStores === null || process.env['EVERY_STORE'] === '1') suite(embedded())
if (realStores === null) t.test('anomalies on PostgreSQL and Redis', { skip: 'no PostgreSQL and Redis answered (TEST_DATABASE_URL, TEST_REDIS_URL)' }, async () => {})
else suite(realStores)
