import { createHash, createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { hardenedMacOf, parseHardenedHeader, signHardened } from '../../plugins/lib/hardened-signature.ts'
import { anyMacMatches, macOf, parseSignatureHeader, pathOf, signRequest, TOLERANCE_SECONDS } from '../../plugins/lib/hmac.ts'
import { bodyOf, type HardenedVector, type SignatureVector, type Vector } from '../helper/vectors.ts'
import { mintResultToken, verifyResultToken } from '../../plugins/lib/result-token.ts'

interface TokenVector { name: string, now: number, token: string, valid: boolean, reason?: string }

const read = (name: string): any => JSON.parse(readFileSync(`test/vectors/${name}`, 'utf8'))
const signatures = read('request-signature.json') as { tolerance_seconds: number, vectors: SignatureVector[] }
const hardened = read('hardened-signature.json') as { tolerance_seconds: number, vectors: HardenedVector[] }
const tokens = read('result-token.json') as { secret_hex: string, claims: Record<string, string | number>, vectors: TokenVector[] }
const REASONS = ['header', 'parts', 'encoding', 'signature', 'claims', 'expired', 'future']

// What the service would say: null, or the check that refuses.
function judgeSignature (vector: SignatureVector): string | null {
  const parsed = parseSignatureHeader(vector.header)
  if (parsed === null) return 'grammar'
  if (Math.abs(vector.now - parsed.timestampSeconds) > TOLERANCE_SECONDS) return 'clock'
  const expected = macOf({ key: vector.key, timestamp: parsed.timestamp, method: vector.method, path: pathOf(vector.target), body: bodyOf(vector) })
  return anyMacMatches(parsed.macs, expected) ? null : 'mac'
}

// The contract's sentences again, with nothing of ours.
function judgeAlone (vector: SignatureVector): string | null {
  const parts = vector.header.split(',').map((part) => part.replace(/^[ \t]+|[ \t]+$/g, ''))
  const times = parts.filter((part) => part === 't' || part.startsWith('t=')).map((part) => part.slice(2))
  const macs = parts.filter((part) => part === 'v1' || part.startsWith('v1=')).map((part) => part.slice(3))
  const [time = ''] = times
  const readable = vector.header.length <= 1024 && times.length === 1 && /^[1-9][0-9]{0,10}$/.test(time) && macs.length >= 1 && macs.length <= 2 && macs.every((mac) => /^[0-9a-f]{64}$/.test(mac))
  if (!readable) return 'grammar'
  if (Math.abs(vector.now - Number(time)) > 300) return 'clock'
  const mac = createHmac('sha256', vector.key).update(Buffer.concat([Buffer.from(`${time}.${vector.method.toUpperCase()}.${vector.path}.`), bodyOf(vector)])).digest('hex')
  return macs.includes(mac) ? null : 'mac'
}

// What is signed, as the vector tells it.
function isSigned (vector: Vector, message: Buffer): boolean {
  if (vector.signed_sha256 !== undefined) return createHash('sha256').update(message).digest('hex') === vector.signed_sha256
  return message.equals(vector.signed === undefined ? Buffer.from(vector.signed_base64 ?? '', 'base64') : Buffer.from(vector.signed))
}

t.test('request signatures: at least forty vectors, each with a name of its own and one way to read its body', async (t) => {
  const { vectors } = signatures
  t.ok(vectors.length >= 40 && vectors.filter(({ valid }) => valid).length >= 20)
  t.equal(new Set(vectors.map(({ name }) => name)).size, vectors.length)
  t.equal(signatures.tolerance_seconds, TOLERANCE_SECONDS)
  for (const vector of vectors) {
    const { name, valid, reason, target, path, body, body_base64: base64, body_repeat: repeat } = vector
    t.equal([body, base64, repeat].filter((one) => one !== undefined).length, 1, name)
    t.equal(valid, reason === undefined, name)
    t.equal(target.split('?')[0], path, name)
  }
})

t.test('request signatures: node:crypto alone computes every canonical header', async (t) => {
  for (const vector of signatures.vectors.filter(({ canonical }) => canonical)) {
    const mac = createHmac('sha256', vector.key).update(`${vector.t}.${vector.method.toUpperCase()}.${vector.path}.`).update(bodyOf(vector)).digest('hex')
    t.equal(`t=${vector.t},v1=${mac}`, vector.header, vector.name)
  }
})

t.test('request signatures: every vector tells what must be signed and the MAC of it', async (t) => {
  for (const vector of signatures.vectors) {
    const message = Buffer.concat([Buffer.from(`${vector.t}.${vector.method.toUpperCase()}.${vector.path}.`), bodyOf(vector)])
    t.ok(isSigned(vector, message), vector.name)
    t.equal(createHmac('sha256', vector.key).update(message).digest('hex'), vector.mac, vector.name)
    if (vector.valid) t.ok(vector.header.includes(vector.mac), vector.name)
  }
})

t.test('request signatures: the service signs what clients sign', async (t) => {
  for (const vector of signatures.vectors.filter(({ canonical }) => canonical)) {
    t.equal(signRequest({ key: vector.key, timestampSeconds: vector.t, method: vector.method, path: vector.target, body: bodyOf(vector) }), vector.header, vector.name)
  }
})

t.test('request signatures: the service and an independent reading of the contract give the same verdict on every vector', async (t) => {
  for (const vector of signatures.vectors) {
    t.equal(judgeSignature(vector), vector.reason ?? null, vector.name)
    t.equal(judgeAlone(vector), vector.reason ?? null, `${vector.name}, independently`)
  }
})

// What the service would say of a hardened key with these secrets.
function judgeHardened (vector: HardenedVector): string | null {
  const parsed = parseHardenedHeader(vector.header)
  if (parsed === null) return 'grammar'
  if (Math.abs(vector.now - parsed.timestampSeconds) > TOLERANCE_SECONDS) return 'clock'
  const { timestamp, nonce, macs } = parsed
  return secretsOf(vector).some((secret) => anyMacMatches(macs, hardenedMacOf({ secret, timestamp, nonce, method: vector.method, target: vector.target, body: bodyOf(vector) }))) ? null : 'mac'
}

function secretsOf ({ secret, previous_secret: previous, previous_until: until = 0, now }: HardenedVector): string[] {
  return previous !== undefined && now < until ? [secret, previous] : [secret]
}

function hardenedMessage ({ t: time, n, method, target, ...rest }: HardenedVector): string {
  return `v2.${time}.${n}.${method.toUpperCase()}.${target}.${createHash('sha256').update(bodyOf(rest)).digest('hex')}`
}

// docs/signing.md again, with nothing of ours.
function judgeHardenedAlone (vector: HardenedVector): string | null {
  const parts = vector.header.split(',').map((part) => part.replace(/^[ \t]+|[ \t]+$/g, ''))
  const valuesOf = (name: string): string[] => parts.filter((part) => part === name || part.startsWith(`${name}=`)).map((part) => part.slice(name.length + 1))
  const [times, nonces, macs] = [valuesOf('t'), valuesOf('n'), valuesOf('v2')]
  const readable = vector.header.length <= 1024 && times.length === 1 && /^[1-9][0-9]{0,10}$/.test(times.join()) && nonces.length === 1 && /^[A-Za-z0-9_-]{16,64}$/.test(nonces.join()) &&
    macs.length >= 1 && macs.length <= 2 && macs.every((mac) => /^[0-9a-f]{64}$/.test(mac))
  if (!readable) return 'grammar'
  if (Math.abs(vector.now - Number(times.join())) > 300) return 'clock'
  return secretsOf(vector).some((secret) => macs.includes(createHmac('sha256', secret).update(hardenedMessage({ ...vector, t: Number(times.join()), n: nonces.join() })).digest('hex'))) ? null : 'mac'
}

t.test('hardened signatures: at least sixty vectors, each with a name of its own, one body, and what must be signed', async (t) => {
  const { vectors } = hardened
  t.ok(vectors.length >= 60 && vectors.filter(({ valid }) => valid).length >= 30)
  t.equal(new Set(vectors.map(({ name }) => name)).size, vectors.length)
  t.equal(hardened.tolerance_seconds, TOLERANCE_SECONDS)
  for (const vector of vectors) {
    const { name, valid, reason, body, body_base64: base64, body_repeat: repeat } = vector
    t.equal([body, base64, repeat].filter((one) => one !== undefined).length, 1, name)
    t.equal(valid, reason === undefined, name)
    t.ok(isSigned(vector, Buffer.from(hardenedMessage(vector))), name)
    t.equal(createHmac('sha256', vector.secret).update(hardenedMessage(vector)).digest('hex'), vector.mac, name)
  }
})

t.test('hardened signatures: node:crypto alone computes every canonical header, and the service signs what clients sign', async (t) => {
  for (const vector of hardened.vectors.filter(({ canonical }) => canonical)) {
    const { name, secret, t: timestampSeconds, n: nonce, method, target, mac, header } = vector
    t.equal(`t=${timestampSeconds},n=${nonce},v2=${mac}`, header, name)
    t.equal(signHardened({ secret, timestampSeconds, nonce, method, target, body: bodyOf(vector) }), header, name)
  }
})

t.test('hardened signatures: the service and an independent reading give the same verdict on every vector', async (t) => {
  for (const vector of hardened.vectors) {
    t.equal(judgeHardened(vector), vector.reason ?? null, vector.name)
    t.equal(judgeHardenedAlone(vector), vector.reason ?? null, `${vector.name}, independently`)
  }
})

t.test('result tokens: the vectors are many, named once, and each refusal has a reason', async (t) => {
  t.ok(tokens.vectors.length >= 40)
  t.equal(new Set(tokens.vectors.map(({ name }) => name)).size, tokens.vectors.length)
  for (const { name, valid, reason } of tokens.vectors) t.ok(valid ? reason === undefined : REASONS.includes(String(reason)), name)
})

t.test('result tokens: node:crypto alone makes the good one, and so does the service', async (t) => {
  const { claims, secret_hex: secret, vectors: [first] } = tokens
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`
  t.equal(first?.token, `${signed}.${createHmac('sha256', Buffer.from(secret, 'hex')).update(signed).digest('base64url')}`)
  t.equal(first?.token, mintResultToken({ evaluationId: String(claims['sub']), orgId: String(claims['org']), jti: String(claims['jti']), iatSeconds: Number(claims['iat']) }, Buffer.from(secret, 'hex')))
})

t.test('result tokens: of all spellings and forgeries the service accepts the good ones only', async (t) => {
  const secret = Buffer.from(tokens.secret_hex, 'hex')
  for (const { name, now, token, valid, reason } of tokens.vectors) {
    if (reason === 'future') continue
    const claims = verifyResultToken(token, secret, now)
    if (valid) t.same(claims, { evaluationId: tokens.claims['sub'], orgId: tokens.claims['org'], jti: tokens.claims['jti'] }, name)
    else t.equal(claims, null, name)
  }
})

t.test('result tokens: one that was issued in the future is refused', async (t) => {
  for (const { name, now, token } of tokens.vectors.filter(({ reason }) => reason === 'future')) t.equal(verifyResultToken(token, Buffer.from(tokens.secret_hex, 'hex'), now), null, name)
})

t.test('result tokens: what is refused for its spelling would pass a lenient decoder, which is why it is here', async (t) => {
  const secret = Buffer.from(tokens.secret_hex, 'hex')
  const lenient = (token: string): boolean => {
    const [header = '', payload = '', mac = ''] = token.trim().split('.')
    return createHmac('sha256', secret).update(`${header}.${payload}`).digest().equals(Buffer.from(mac.trim(), 'base64'))
  }
  const twins = tokens.vectors.filter(({ name }) => /^unused bits|padding after the signature|plain base64|blank at the/.test(name))
  t.ok(twins.length >= 6)
  for (const { name, token } of twins) t.ok(lenient(token), name)
})
