import { createSecretKey } from 'node:crypto'
import t from 'tap'
import fc from 'fast-check'
import type { Principal } from '../../plugins/context.ts'
import signature from '../../plugins/signature.ts'
import jsonBody from '../../plugins/support/json-body.ts'
import { signHardened } from '../../plugins/lib/hardened-signature.ts'
import { anyMacMatches, macOf, parseSignatureHeader } from '../../plugins/lib/hmac.ts'
import { bareApp, KEY, leavePrincipal, NOW_MS, principal, route, signed } from '../helper/bare.ts'

async function build (now = NOW_MS): Promise<Awaited<ReturnType<typeof bareApp>>> {
  const app = await bareApp()
  leavePrincipal(app, principal())
  await app.register(jsonBody)
  await app.register(signature, { now: () => now, bodyBytesMax: 1000 })
  return app
}

for (const [age, status] of [[-301, 403], [-300, 200], [0, 200], [299, 200], [300, 200], [301, 403]] as const) {
  t.test(`answers ${status} to a signature ${age} seconds old`, async (t) => {
    const app = await build()
    route(app)
    const answer = await app.inject({ url: '/thing', headers: signed('GET', '/thing', '', NOW_MS - age * 1000) })
    t.equal(answer.statusCode, status)
    if (status === 403) t.equal(answer.json().error, 'Invalid request signature')
  })
}

t.test('names every request that changes state, so that it is accepted once, and no read', async (t) => {
  const app = await build()
  const named: Record<string, string | null> = {}
  const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const
  for (const method of methods) {
    app.route({ method, url: '/thing', config: { access: 'key', scope: 'admin' }, handler: async (request) => { named[method] = request.replayId } })
  }
  for (const method of methods) await app.inject({ method, url: '/thing', headers: signed(method, '/thing', '', NOW_MS) })
  const { GET, ...changing } = named
  t.equal(GET, null)
  t.same(Object.keys(changing), ['POST', 'PUT', 'PATCH', 'DELETE'])
  for (const [method, id] of Object.entries(changing)) t.match(id, /^[0-9a-f]{32}$/, method)
  t.equal(new Set(Object.values(changing)).size, 4)
})

t.test('refuses an unsigned request with its own sentence', async (t) => {
  const app = await build()
  const seen = route(app)
  const answer = await app.inject('/thing')
  t.equal(answer.statusCode, 403)
  t.equal(answer.json().error, 'Missing request signature')
  t.equal(seen.calls, 0)
})

t.test('refuses a signature over another body, path, method or key', async (t) => {
  const app = await build()
  const seen = route(app, { method: 'POST' })
  const json = { 'content-type': 'application/json' }
  const right = '{"a":1}'
  const wrong: Array<[string, Record<string, string>]> = [
    ['body', signed('POST', '/thing', '{"a":2}', NOW_MS)],
    ['path', signed('POST', '/other', right, NOW_MS)],
    ['method', signed('PUT', '/thing', right, NOW_MS)],
    ['key', { ...signed('POST', '/thing', right, NOW_MS, `fb_live_${'f'.repeat(48)}`), authorization: `Bearer ${KEY}` }]
  ]
  for (const [name, headers] of wrong) {
    const answer = await app.inject({ method: 'POST', url: '/thing', headers: { ...headers, ...json }, payload: right })
    t.equal(answer.statusCode, 403, name)
    t.equal(answer.json().code, 'signature_invalid', name)
  }
  t.equal(seen.calls, 0)
  const accepted = await app.inject({ method: 'POST', url: '/thing', headers: { ...signed('POST', '/thing', right, NOW_MS), ...json }, payload: right })
  t.same(accepted.json().data, { body: { a: 1 } })
})

t.test('covers the bytes as sent and leaves the query out', async (t) => {
  const app = await build()
  route(app, { method: 'POST' })
  const body = '{ "a" : "\u00e4" }\n'
  const answer = await app.inject({ method: 'POST', url: '/thing?x=1', headers: { ...signed('POST', '/thing', body, NOW_MS), 'content-type': 'application/json' }, payload: body })
  t.equal(answer.statusCode, 200)
})

t.test('refuses a body over the limit, declared or not, without keeping it', async (t) => {
  const app = await build()
  const seen = route(app, { method: 'POST' })
  const body = `"${'a'.repeat(1000)}"`
  const answer = await app.inject({ method: 'POST', url: '/thing', headers: { ...signed('POST', '/thing', body, NOW_MS), 'content-type': 'application/json' }, payload: body })
  t.equal(answer.statusCode, 413)
  t.equal(answer.json().error, 'Payload too large')
  t.equal(seen.calls, 0)
})

t.test('reads the header grammar strictly', async (t) => {
  const mac = 'a'.repeat(64)
  for (const good of [`t=1,v1=${mac}`, `t=1, v1=${mac}`, `v1=${mac},t=1`, `t=1,v1=${mac},v1=${mac}`, `t=1,v0=x,v1=${mac}`]) t.ok(parseSignatureHeader(good), good)
  for (const bad of ['', 't=1', `v1=${mac}`, `t=,v1=${mac}`, `t=1,t=1,v1=${mac}`, `t=01,v1=${mac}`, `t=-1,v1=${mac}`, `t=1.0,v1=${mac}`, `t=1,v1=${mac.toUpperCase()}`,
    `t=1,v1=${mac.slice(1)}`, `t=1,v1=${mac},v1=${mac},v1=${mac}`, `t=999999999999,v1=${mac}`]) t.equal(parseSignatureHeader(bad), null, bad)
})

t.test('accepts no mutation of a valid signature', async (t) => {
  const parts = { key: KEY, timestamp: '1800000000', method: 'POST', path: '/x', body: Buffer.from('{}') }
  const mac = macOf(parts)
  fc.assert(fc.property(fc.integer({ min: 0, max: 31 }), fc.integer({ min: 1, max: 255 }), (place, flip) => {
    const mutated = Buffer.from(mac)
    mutated.writeUInt8(mutated.readUInt8(place) ^ flip, place)
    return !anyMacMatches([mutated], mac)
  }), { numRuns: 2000 })
  t.ok(anyMacMatches([Buffer.alloc(32), mac], mac))
})

t.test('a key without its signing secret cannot make the key store work for every request, and whoever has a new secret is let in', async (t) => {
  const [held, known, unknown] = ['a', 'b', 'c'].map((digit) => `fbs_${digit.repeat(64)}`) as [string, string, string]
  const signing = (...secrets: string[]): Partial<Principal> => ({ signing: secrets.map((secret) => ({ secret: createSecretKey(Buffer.from(secret)), untilMs: null })) })
  const sent = (secret: string): object => ({ url: '/thing', headers: { authorization: `Bearer ${KEY}`, 'x-fb-signature': signHardened({ secret, method: 'GET', target: '/thing', timestampSeconds: NOW_MS / 1000 }) } })
  const app = await bareApp()
  leavePrincipal(app, principal(signing(held)))
  const asked = { epochs: 0, records: 0 }
  app.addHook('onRequest', async (request) => {
    request.renewPrincipal = async () => {
      asked.epochs++
      return principal(signing(held))
    }
    request.reloadPrincipal = async () => {
      asked.records++
      request.principal = principal(signing(held, known))
      return request.principal
    }
  })
  await app.register(signature, { now: () => NOW_MS })
  route(app)
  t.equal((await app.inject(sent(known))).statusCode, 200, 'by a record that nobody said was stale')
  for (let n = 0; n < 50; n++) t.equal((await app.inject(sent(unknown))).statusCode, 403)
  t.same(asked, { epochs: 51, records: 10 })
  t.equal((await app.inject(sent(held))).statusCode, 200)
  t.equal(asked.epochs, 51)
})
