import { createHash, createHmac, createSecretKey } from 'node:crypto'
import { inspect } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { hardenedMacOf, isSigningSecret, newSigningSecret, openSigningSecret, parseHardenedHeader, replayIdOfNonce, sealSigningSecret, signHardened } from '../../../plugins/lib/hardened-signature.ts'

const SECRET = `fbs_${'0123456789abcdef'.repeat(4)}`
const MASTER = new Map([[1, Buffer.alloc(32, 3)]])
const NONCE = 'nonce-0123456789'
const mac = 'a'.repeat(64)

t.test('signs the message that the profile defines, over the query and the hash of the body', async (t) => {
  const body = Buffer.from('{"a":"ü"}')
  const header = signHardened({ secret: SECRET, timestampSeconds: 1_800_000_000, nonce: NONCE, method: 'post', target: '/x?b=1&a=%2f', body })
  const message = `v2.1800000000.${NONCE}.POST./x?b=1&a=%2f.${createHash('sha256').update(body).digest('hex')}`
  t.equal(header, `t=1800000000,n=${NONCE},v2=${createHmac('sha256', SECRET).update(message).digest('hex')}`)
})

t.test('fills in the time and a nonce that nobody had before', async (t) => {
  const [one, other] = [1, 2].map(() => parseHardenedHeader(signHardened({ secret: SECRET, method: 'GET', target: '/x' })))
  t.match(one?.nonce, /^[0-9a-f]{24}$/)
  t.not(one?.nonce, other?.nonce)
  t.ok(Math.abs(Date.now() / 1000 - (one?.timestampSeconds ?? 0)) < 5)
})

t.test('signs nothing that the service would not read', async (t) => {
  const good = { secret: SECRET, method: 'GET', target: '/x' }
  for (const bad of [{ secret: 'fbs_short' }, { secret: SECRET.toUpperCase() }, { nonce: 'short' }, { nonce: 'with.point.in.the.middle' }, { nonce: 'x'.repeat(65) }, { timestampSeconds: 1.5 }, { timestampSeconds: 1_800_000_000_000 },
    { target: 'x' }, { target: '/ü' }, { target: '/a b' }]) t.throws(() => signHardened({ ...good, ...bad }), TypeError, JSON.stringify(bad).replace(/fbs_\w*/i, 'SECRET'))
})

t.test('reads the header grammar strictly', async (t) => {
  const n = `n=${NONCE}`
  for (const good of [`t=1,${n},v2=${mac}`, `v2=${mac}, ${n} ,\tt=1`, `t=1,${n},v2=${mac},v2=${mac}`, `t=1,${n},v1=x,v2=${mac}`, `t=1,n=${'A'.repeat(64)},v2=${mac}`, `t=1,n=550e8400-e29b-41d4-a716-446655440000,v2=${mac}`]) t.ok(parseHardenedHeader(good), good)
  for (const bad of ['', `t=1,v2=${mac}`, `${n},v2=${mac}`, `t=1,${n}`, `t=1,${n},v1=${mac}`, `t=1,t=1,${n},v2=${mac}`, `t=1,${n},${n},v2=${mac}`, `t=01,${n},v2=${mac}`, `t=1,n=,v2=${mac}`, `t=1,n=short,v2=${mac}`,
    `t=1,n=${'A'.repeat(65)},v2=${mac}`, `t=1,n=has.points.within.it,v2=${mac}`, `t=1,n=has blanks within it,v2=${mac}`, `t=1,${n},v2=${mac.toUpperCase()}`, `t=1,${n},v2=${mac.slice(1)}`, `t=1,${n},v2=${mac},v2=${mac},v2=${mac}`,
    `t=1,${n},v2=${mac},x=${'y'.repeat(1024)}`]) t.equal(parseHardenedHeader(bad), null, bad.slice(0, 100))
})

t.test('two different requests never have one message', async (t) => {
  const part = fc.record({
    timestamp: fc.integer({ min: 1, max: 99 }).map(String),
    nonce: fc.stringMatching(/^[A-Za-z0-9_-]{16,18}$/),
    method: fc.constantFrom('GET', 'POST'),
    target: fc.stringMatching(/^\/[a-z.?=&]{0,8}$/),
    body: fc.constantFrom('', '.', 'a', 'a.b').map((text) => Buffer.from(text))
  })
  const secret = createSecretKey(SECRET, 'latin1')
  fc.assert(fc.property(part, part, (one, other) => {
    const isSame = hardenedMacOf({ ...one, secret }).equals(hardenedMacOf({ ...other, secret }))
    return isSame === (JSON.stringify(one) === JSON.stringify(other))
  }), { numRuns: 2000 })
})

t.test('a secret opens for its key only, and no log shows it', async (t) => {
  const { secret, sealed } = newSigningSecret('key_1', MASTER)
  t.ok(isSigningSecret(secret))
  const opened = openSigningSecret(sealed, 'key_1', MASTER)
  t.equal(opened.export().toString('latin1'), secret)
  for (const shown of [inspect({ opened }, { depth: 9 }), JSON.stringify({ opened }), String(opened), sealed]) t.notMatch(shown, secret.slice(4, 20))
  t.throws(() => openSigningSecret(sealed, 'key_2', MASTER))
  t.throws(() => openSigningSecret(sealSigningSecret(secret, 'key_1', MASTER), 'key_1', new Map([[2, Buffer.alloc(32, 4)]])))
})

t.test('a nonce has one replay id, of the shape of any other', async (t) => {
  t.match(replayIdOfNonce(NONCE), /^[0-9a-f]{32}$/)
  t.equal(replayIdOfNonce(NONCE), replayIdOfNonce(NONCE))
  t.not(replayIdOfNonce(NONCE), replayIdOfNonce(`${NONCE}x`))
})
