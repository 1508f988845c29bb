import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import t from 'tap'
import { guard, type GuardOptions } from '../../plugins/index.ts'
import { ALL_KILLED, NOTHING_KILLED } from '../../plugins/kill-switch.ts'
import { memoryAdmissionStore } from '../../plugins/support/memory.ts'
import { collectingSink, KEY, record, route, SECRET, signed } from '../helper/bare.ts'

const keys = { findByDigest: async () => record({ perMinute: 2 }) }
const layers = () => ({
  authentication: { keys },
  signature: {},
  ipAllowlist: {},
  orgScope: { recordIdSecret: SECRET },
  permissionScopes: {},
  rateLimits: { store: memoryAdmissionStore() },
  anomalyDetection: { raise: async () => {} },
  watermark: { secret: SECRET, audit: collectingSink() },
  transport: { requireHttps: false },
  killSwitch: { state: () => NOTHING_KILLED }
})
type Name = keyof ReturnType<typeof layers>

async function boot (options: GuardOptions): Promise<FastifyInstance> {
  const app = fastify()
  await guard(app, options)
  await app.ready()
  return app
}

t.test('every subset of the layers that cannot hold says what it lacks; every small and every large one that can answers', async (t) => {
  const all = { ...layers(), authentication: { keys: { findByDigest: async () => record() } } }
  const names = Object.keys(all) as Name[]
  const onCaller = new Set<Name>(['ipAllowlist', 'orgScope', 'permissionScopes', 'rateLimits', 'anomalyDetection', 'signature'])
  const untouched = fastify()
  let booted = 0
  for (let subset = 0; subset < 2 ** names.length; subset++) {
    const chosen = names.filter((_, at) => (subset & 1 << at) !== 0)
    const options: GuardOptions = Object.fromEntries(chosen.map((name) => [name, all[name]]))
    const orphan = chosen.includes('authentication') ? undefined : chosen.find((name) => onCaller.has(name))
    if (orphan === undefined && chosen.length > 3 && chosen.length < names.length - 1) continue
    const app = orphan === undefined ? fastify() : untouched
    const failure = await guard(app, options).then(() => null, (err: Error) => err.message)
    if (orphan !== undefined) {
      if (failure === null || !/^guard: \w+ needs authentication/.test(failure)) t.fail(`${chosen.join(' ')}: ${failure ?? 'booted'}`)
      continue
    }
    if (failure !== null) t.fail(`${chosen.join(' ')}: ${failure}`)
    route(app)
    const answer = await app.inject({ url: '/thing', headers: signed('GET', '/thing') })
    if (answer.statusCode !== 200) t.fail(`${chosen.join(' ')}: ${answer.body}`)
    booted++
    await app.close()
  }
  t.equal(booted, 8 + 46 + 10, 'without authentication the three that need nobody; with it none to two others, and all but one or none')
})

t.test('refusals are envelopes, in the order of all ten whatever the order of the options', async (t) => {
  const sink = collectingSink()
  const { killSwitch, watermark, rateLimits, signature, authentication } = layers()
  const app = fastify()
  await guard(app, { killSwitch, watermark: { ...watermark, audit: sink }, rateLimits, signature, authentication })
  route(app)
  t.match((await app.inject('/thing')).json(), { ok: false, code: 'invalid_api_key' })
  t.match((await app.inject({ url: '/thing', headers: { authorization: `Bearer ${KEY}` } })).json(), { ok: false, code: 'signature_missing' })
  for (const status of [200, 200, 429]) t.equal((await app.inject({ url: '/thing', headers: signed('GET', '/thing') })).statusCode, status)
  t.same(sink.rows.map(({ status }) => status), [403, 200, 200, 429])
  await app.close()
})

t.test('a caller that is known otherwise goes through the layers after it', async (t) => {
  let state: 'active' | 'revoked' = 'active'
  let asked = 0
  const caller = (request: FastifyRequest) => {
    asked++
    return request.headers['x-client'] === undefined ? null : record({ keyId: String(request.headers['x-client']), perMinute: 2, state })
  }
  const { ipAllowlist, orgScope, permissionScopes, rateLimits, watermark } = layers()
  const app = fastify()
  await guard(app, { caller, ipAllowlist, orgScope, permissionScopes, rateLimits, watermark })
  route(app)
  const ask = async (client: string) => (await app.inject({ url: '/thing', headers: { 'x-client': client } })).statusCode
  t.equal((await app.inject('/thing')).statusCode, 401)
  t.same([await ask('a'), await ask('a'), await ask('a'), await ask('b')], [200, 200, 429, 200])
  asked = 0
  await ask('b')
  t.equal(asked, 1, 'its record is asked for once')
  state = 'revoked'
  t.equal(await ask('c'), 401)
  await app.close()
})

t.test('a killed organization is refused whoever says who calls', async (t) => {
  const orgs = new Map([['org_1', 'everything' as const]])
  const app = fastify()
  await guard(app, { caller: () => record(), killSwitch: { state: () => ({ ...NOTHING_KILLED, orgs }) } })
  route(app)
  t.equal((await app.inject('/thing')).statusCode, 503)
  await app.close()
  const closed = await boot({ killSwitch: { state: () => ALL_KILLED } })
  t.equal((await closed.inject('/nothing')).statusCode, 503)
  await closed.close()
})

t.test('a wrong composition says what is wrong with it', async (t) => {
  const { authentication, rateLimits } = layers()
  await t.rejects(boot({ rateLimits }), { message: /guard: rateLimits needs authentication or caller: windows are the caller's; give authentication/ })
  await t.rejects(boot({ signature: {}, caller: () => record() }), { message: /guard: signature needs authentication: it verifies with the key/ })
  await t.rejects(boot({ authentication, caller: () => record() }), { message: /both say who calls/ })
  const misspelt: object = { authentification: authentication }
  const twice = await boot({ authentication })
  await t.rejects(guard(twice, { rateLimits, caller: () => record() }), { message: /guard: this scope has its layers already; give all of them at once/ })
  await twice.close()
  const switchedOff: object = { authentication, signature: false }
  await t.rejects(boot(switchedOff), { message: /guard: signature must be an object with the layer's options; leave it out/ })
  await t.rejects(boot(misspelt), { message: /there is no layer authentification; the layers are transport, authentication/ })
})

t.test('a route whose access is misspelt asks for a key, and a record whose expiry is no time has expired', async (t) => {
  const { authentication, signature } = layers()
  const app = fastify()
  await guard(app, { authentication, signature })
  const misspelt: object = { access: 'Key' }
  app.get('/thing', { config: misspelt }, async () => ({ ok: true, data: {} }))
  t.equal((await app.inject('/thing')).statusCode, 401)
  t.equal((await app.inject({ url: '/thing', headers: signed('GET', '/thing') })).statusCode, 200)
  await app.close()
  for (const expiresAtMs of ['2020-01-01T00:00:00Z', undefined] as unknown as number[]) {
    for (const options of [{ authentication: { keys: { findByDigest: async () => record({ expiresAtMs }) } } }, { caller: () => record({ expiresAtMs }) }]) {
      const closed = fastify()
      await guard(closed, options)
      let reason: string | null | undefined
      closed.addHook('onSend', async (request) => { reason = request.refusal?.reason })
      route(closed)
      t.equal((await closed.inject({ url: '/thing', headers: signed('GET', '/thing') })).statusCode, 401)
      t.equal(reason, 'expired', 'as the audit row tells it')
      await closed.close()
    }
  }
})

t.test('a sink that throws at once sends nothing of it, and permissions that are a text grant nothing', async (t) => {
  const app = fastify()
  await guard(app, { caller: () => record(), watermark: { secret: SECRET, audit: { record: () => { throw new Error('zqcanary970') } } } })
  route(app)
  const withheld = await app.inject('/thing')
  t.match([withheld.statusCode, withheld.json()], [503, { ok: false, code: 'unavailable' }])
  t.notMatch(withheld.body, /zqcanary970/)
  await app.close()
  const text = fastify()
  await guard(text, { caller: () => record({ permissions: 'no-admin' as unknown as [] }), permissionScopes: {} })
  route(text)
  t.equal((await text.inject('/thing')).statusCode, 403)
  await text.close()
})
