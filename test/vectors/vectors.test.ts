import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { anyMacMatches, macOf, parseSignatureHeader, pathOf, signRequest, TOLERANCE_SECONDS } from '../../plugins/lib/hmac.ts'
import { mintResultToken, verifyResultToken } from '../../plugins/lib/result-token.ts'

interface SignatureVector {
  name: string
  key: string
  now: number
  t: number
  method: string
  target: string
  path: string
  body?: string
  body_base64?: string
  body_repeat?: { prefix: string, text: string, times: number, suffix: string }
  header: string
  canonical: boolean
  valid: boolean
  reason?: 'grammar' | 'clock' | 'mac'
}
interface TokenVector { name: string, now: number, token: string, valid: boolean, reason?: string }

const read = (name: string): any => JSON.parse(readFileSync(`test/vectors/${name}`, 'utf8'))
const signatures = read('request-signature.json') as { tolerance_seconds: number, vectors: SignatureVector[] }
const tokens = read('result-token.json') as { secret_hex: string, claims: Record<string, string | number>, vectors: TokenVector[] }
const REASONS = ['header', 'parts', 'encoding', 'signature', 'claims', 'expired', 'future']

function bodyOf ({ body, body_base64: base64, body_repeat: repeat }: SignatureVector): Buffer {
  if (repeat !== undefined) return Buffer.from(repeat.prefix + repeat.text.repeat(repeat.times) + repeat.suffix)
  return base64 === undefined ? Buffer.from(body ?? '') : Buffer.from(base64, 'base64')
}

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
  const parts = vector.header.split(',').map((part) => part.trim())
  const times = parts.filter((part) => part === 't' || part.startsWith('t=')).map((part) => part.slice(2))
  const macs = parts.filter((part) => part === 'v1' || part.startsWith('v1=')).map((part) => part.slice(3))
  const [time = ''] = times
  const readable = vector.header.length <= 1024 && times.length === 1 && /^[1-9][0-9]{0,10}$/.test(time) && macs.length >= 1 && macs.length <= 2 && macs.every((mac) => /^[0-9a-f]{64}$/.test(mac))
  if (!readable) return 'grammar'
  if (Math.abs(vector.now - Number(time)) > 300) return 'clock'
  const mac = createHmac('sha256', vector.key).update(Buffer.concat([Buffer.from(`${time}.${vector.method.toUpperCase()}.${vector.path}.`), bodyOf(vector)])).digest('hex')
  return macs.includes(mac) ? null : 'mac'
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
