import { sql } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { signHardened, type SignHardenedOptions } from '../../plugins/lib/hardened-signature.ts'
import { front } from '../helper/fronts.ts'
import { embedded, FLOW, headersFor, newCaller, operate, real, send, start, type Answer, type Caller, type Stores } from '../helper/service.ts'

const BASE = '/api/public/v1'
const POLICIES = `${BASE}/governance/policies`

async function hardened (runtime: Parameters<typeof operate>[0], options: object = {}): Promise<Caller & { secret: string }> {
  const org = await operate(runtime, 'org.create', { name: 'Hardened' })
  const key = await operate(runtime, 'key.create', { org: org.id, name: 'h', permissions: ['admin'], signing_profile: 'hardened', ...options })
  return { orgId: org.id, keyId: key.id, key: key.key, secret: key.signing_secret }
}

const bearing = (caller: Caller, header: string, body?: string): Record<string, string> =>
  ({ authorization: `Bearer ${caller.key}`, 'x-fb-signature': header, ...(body === undefined ? {} : { 'content-type': 'application/json' }) })

async function ask (url: string, caller: Caller & { secret: string }, target: string, change: Partial<SignHardenedOptions> = {}): Promise<Answer> {
  return await send(url, 'GET', target, bearing(caller, signHardened({ secret: caller.secret, method: 'GET', target, ...change })))
}

function refused (t: Test, answer: Answer, code: string, name = code): void {
  t.match(answer, { status: 403, body: { ok: false, code, meta: { watermark: /^wm_/ } } }, name)
}

function suite (stores: Stores): void {
  t.test(`the hardened profile on ${stores.name}`, async (t) => {
    t.comment(`stores: ${stores.name}`)
    const { runtime, url } = await start(stores)
    t.teardown(async () => {
      await runtime.close()
      await stores.drop()
    })

    await t.test('a hardened key takes v2 over path and query, and refuses v1; a published key refuses v2', async (t) => {
      const caller = await hardened(runtime)
      t.equal((await ask(url, caller, POLICIES)).status, 200)
      t.equal((await ask(url, caller, `${BASE}/requests?limit=1`)).status, 200)
      refused(t, await send(url, 'GET', POLICIES, headersFor(caller, 'GET', POLICIES)), 'signature_invalid', 'v1')
      refused(t, await send(url, 'GET', POLICIES, { authorization: `Bearer ${caller.key}` }), 'signature_missing')
      refused(t, await send(url, 'GET', `${BASE}/requests?limit=2`, bearing(caller, signHardened({ secret: caller.secret, method: 'GET', target: `${BASE}/requests?limit=1` }))), 'signature_invalid', 'another query')
      const published = await newCaller(runtime)
      refused(t, await send(url, 'GET', POLICIES, bearing(published, signHardened({ secret: caller.secret, method: 'GET', target: POLICIES }))), 'signature_invalid', 'v2 for a published key')
      const both = `${signHardened({ secret: caller.secret, method: 'GET', target: POLICIES })},${headersFor(published, 'GET', POLICIES)['x-fb-signature']?.split(',')[1] ?? ''}`
      t.equal((await send(url, 'GET', POLICIES, bearing(caller, both))).status, 200, 'the other profile is an unknown part')
    })

    await t.test('a nonce is accepted once, whatever the method, and only an admitted request is remembered', async (t) => {
      const caller = await hardened(runtime, { rpm: 3 })
      const nonce = 'one-nonce-of-this-test'
      t.equal((await ask(url, caller, POLICIES, { nonce })).status, 200)
      refused(t, await ask(url, caller, POLICIES, { nonce }), 'signature_replayed', 'the same request')
      refused(t, await ask(url, caller, `${POLICIES}?x=1`, { nonce, timestampSeconds: Math.floor(Date.now() / 1000) - 5 }), 'signature_replayed', 'another request with the same nonce')
      const body = JSON.stringify({ org_id: caller.orgId, blueprints: [{ id: 'a', blueprint: FLOW }] })
      const target = `${BASE}/evaluate`
      const submit = (): Promise<Answer> => send(url, 'POST', target, bearing(caller, header, body), body)
      const header = signHardened({ secret: caller.secret, method: 'POST', target, body: Buffer.from(body) })
      t.equal((await submit()).status, 200)
      refused(t, await submit(), 'signature_replayed', 'POST')
      t.equal((await ask(url, caller, POLICIES)).status, 200)
      const late = signHardened({ secret: caller.secret, method: 'GET', target: POLICIES })
      for (const status of [429, 429]) t.equal((await send(url, 'GET', POLICIES, bearing(caller, late))).status, status)
      const rows = await runtime.database.db.execute(sql`select count(*)::int as count from accepted_requests where key_id = ${caller.keyId}`)
      t.same([...(Array.isArray(rows) ? rows : (rows as { rows: object[] }).rows)], [{ count: 1 }], 'only what changes state is confirmed by a row')
    })

    await t.test('of fifty senders of one nonce one gets through', async (t) => {
      const caller = await hardened(runtime)
      const header = signHardened({ secret: caller.secret, method: 'GET', target: POLICIES })
      const answers = await Promise.all(Array.from({ length: 50 }, () => send(url, 'GET', POLICIES, bearing(caller, header))))
      t.equal(answers.filter(({ status }) => status === 200).length, 1)
      t.equal(answers.filter(({ body }) => body.code === 'signature_replayed').length, 49)
    })

    await t.test('the bearer key signs nothing of a hardened key, nor does another key\'s secret', async (t) => {
      const [caller, other] = [await hardened(runtime), await hardened(runtime)]
      refused(t, await ask(url, { ...caller, secret: other.secret }, POLICIES), 'signature_invalid')
    })

    await t.test('after a rotation both secrets work until the time that was told, and at most two at once', async (t) => {
      const caller = await hardened(runtime)
      t.equal((await ask(url, caller, POLICIES)).status, 200, 'the record is in the cache')
      const rotated = await operate(runtime, 'key.rotate-signing-secret', { key: caller.keyId, grace: '1h' })
      t.match(rotated, { id: caller.keyId, previous_until: /Z$/ })
      t.ok(Math.abs(Date.parse(rotated.previous_until) - Date.now() - 3_600_000) < 5000)
      t.equal((await ask(url, caller, POLICIES)).status, 200, 'the one before')
      t.equal((await ask(url, { ...caller, secret: rotated.signing_secret }, POLICIES)).status, 200, 'the new one')
      const again = await operate(runtime, 'key.rotate-signing-secret', { key: caller.keyId })
      refused(t, await ask(url, caller, POLICIES), 'signature_invalid', 'the oldest of three')
      t.equal((await ask(url, { ...caller, secret: rotated.signing_secret }, POLICIES)).status, 200)
      t.equal((await ask(url, { ...caller, secret: again.signing_secret }, POLICIES)).status, 200)
      await runtime.database.db.execute(sql`update api_keys set previous_signing_secret_until = now() where id = ${caller.keyId}`)
      await runtime.admission.bumpEpoch(caller.keyId)
      refused(t, await ask(url, { ...caller, secret: rotated.signing_secret }, POLICIES), 'signature_invalid', 'after its time')
    })

    await t.test('the secret before ends to the millisecond, also in a record that is cached', async (t) => {
      let nowMs = Date.now()
      const clocked = await front(t, runtime, {}, { now: () => nowMs })
      const caller = await hardened(runtime)
      const untilMs = Date.parse((await operate(runtime, 'key.rotate-signing-secret', { key: caller.keyId, grace: '1m' })).previous_until)
      for (const [at, status] of [[untilMs - 1, 200], [untilMs, 403]] as const) {
        nowMs = at
        t.equal((await ask(clocked, caller, POLICIES, { timestampSeconds: Math.floor(at / 1000) })).status, status)
      }
    })

    await t.test('a rotation without grace ends the secret at once, whatever is cached', async (t) => {
      const caller = await hardened(runtime)
      t.equal((await ask(url, caller, POLICIES)).status, 200)
      const rotated = await operate(runtime, 'key.rotate-signing-secret', { key: caller.keyId, grace: 'none' })
      t.equal(rotated.previous_until, null)
      refused(t, await ask(url, caller, POLICIES), 'signature_invalid', 'verified with a cached record, refused under the new epoch')
      t.equal((await ask(url, { ...caller, secret: rotated.signing_secret }, POLICIES)).status, 200)
    })

    await t.test('a new secret works at once where an old record is still cached', async (t) => {
      const caller = await hardened(runtime)
      t.equal((await ask(url, caller, POLICIES)).status, 200)
      const silent = { ...runtime, admission: { ...runtime.admission, bumpEpoch: async () => { throw new Error('away') } } }
      const rotated = await operate(silent, 'key.rotate-signing-secret', { key: caller.keyId })
      t.match(rotated.warning, /could not be told/)
      t.equal((await ask(url, { ...caller, secret: rotated.signing_secret }, POLICIES)).status, 200)
    })

    await t.test('what cannot be rotated is refused with a reason, and nothing is stored in clear', async (t) => {
      const published = await newCaller(runtime)
      await t.rejects(operate(runtime, 'key.rotate-signing-secret', { key: published.keyId }), { kind: 'failed', message: /published/ })
      const caller = await hardened(runtime)
      for (const grace of ['8d', '0m', 'soon', 5]) await t.rejects(operate(runtime, 'key.rotate-signing-secret', { key: caller.keyId, grace }), { name: 'OperationError', kind: 'usage' })
      for (const change of [{ signing_profile: 'v2' }, { signing_profile: 'hardened', canary_label: 'wiki' }]) {
        await t.rejects(operate(runtime, 'key.create', { org: caller.orgId, name: 'x', permissions: ['admin'], ...change }), { name: 'OperationError', kind: 'usage' })
      }
      await operate(runtime, 'key.revoke', { key: caller.keyId })
      await t.rejects(operate(runtime, 'key.rotate-signing-secret', { key: caller.keyId }), { kind: 'failed', message: /revoked/ })
      const { keys } = await operate(runtime, 'key.list', { org: caller.orgId })
      t.match(keys, [{ signing_profile: 'hardened', previous_signing_secret_until: null, debug_until: null }])
      t.notMatch(JSON.stringify(keys), caller.secret)
    })

    await t.test('the master key is rotated under the signing secrets too', async (t) => {
      const caller = await hardened(runtime)
      const { signing_secret: secret } = await operate(runtime, 'key.rotate-signing-secret', { key: caller.keyId, grace: '1h' })
      const masterKeys = new Map([...runtime.config.secrets.masterKeys, [900_000, Buffer.from(Array.from({ length: 32 }, (_, at) => at))]])
      const config = { ...runtime.config, secrets: { ...runtime.config.secrets, masterKeys } }
      const report = await operate({ ...runtime, config }, 'secrets.rewrap', {})
      t.match(report, { current_version: 900_000, unreadable: [] })
      t.ok(report.rewrapped >= 2)
      t.match(await operate(runtime, 'secrets.rewrap', {}), { unreadable: new RegExp(caller.keyId) }, 'what no configured key opens is named')
      await runtime.admission.bumpEpoch(caller.keyId)
      t.match(await ask(url, { ...caller, secret }, POLICIES), { status: 503, body: { code: 'unavailable' } }, 'a key whose secret does not open is nobody\'s fault outside')
    })
  })
}

suite(embedded())
const servers = await real()
if (servers === null) t.comment('PostgreSQL or Redis do not answer')
else suite(servers)
