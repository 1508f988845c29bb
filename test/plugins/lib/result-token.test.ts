import { createHmac } from 'node:crypto'
import t from 'tap'
import { mintResultToken, TOKEN_TTL_SECONDS, verifyResultToken } from '../../../plugins/lib/result-token.ts'

const SECRET = Buffer.alloc(32, 7)
const IAT = 1_800_000_000
const CLAIMS = { evaluationId: 'req_A', orgId: 'org_A', jti: '00ff' }
const token = mintResultToken({ ...CLAIMS, iatSeconds: IAT }, SECRET)
const [header = '', payload = '', mac = ''] = token.split('.')

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const sign = (head: string, body: string, secret = SECRET) => `${head}.${body}.${createHmac('sha256', secret).update(`${head}.${body}`).digest('base64url')}`
const good = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>

t.test('a minted token carries exactly the published claims and verifies', async (t) => {
  t.same(good, { iss: 'flowbeacon', aud: 'flowbeacon-public-api/results', sub: 'req_A', org: 'org_A', jti: '00ff', iat: IAT, exp: IAT + 900 })
  t.equal(TOKEN_TTL_SECONDS, 900)
  t.same(verifyResultToken(token, SECRET, IAT), CLAIMS)
})

t.test('a token is good for 899 seconds and not for 900', async (t) => {
  t.same(verifyResultToken(token, SECRET, IAT + 899), CLAIMS)
  t.equal(verifyResultToken(token, SECRET, IAT + 900), null)
  t.equal(verifyResultToken(token, SECRET, IAT + 901), null)
})

t.test('refuses a token of another secret, header, issuer, audience or life, although it is signed', async (t) => {
  const forged = {
    secret: sign(header, payload, Buffer.alloc(32, 8)),
    'alg none': `${encode({ alg: 'none', typ: 'JWT' })}.${payload}.`,
    'alg none, signed': sign(encode({ alg: 'none', typ: 'JWT' }), payload),
    'other order': sign(encode({ typ: 'JWT', alg: 'HS256' }), payload),
    'key id': sign(encode({ alg: 'HS256', typ: 'JWT', kid: '1' }), payload),
    issuer: sign(header, encode({ ...good, iss: 'other' })),
    audience: sign(header, encode({ ...good, aud: 'flowbeacon-public-api' })),
    'audience list': sign(header, encode({ ...good, aud: [good['aud']] })),
    'longer life': sign(header, encode({ ...good, exp: IAT + 901 })),
    'no expiry': sign(header, encode({ ...good, exp: undefined })),
    'no issue time': sign(header, encode({ ...good, iat: undefined })),
    'text expiry': sign(header, encode({ ...good, exp: String(IAT + 900) })),
    'no organization': sign(header, encode({ ...good, org: undefined })),
    'no id': sign(header, encode({ ...good, jti: 1 }))
  }
  for (const [name, text] of Object.entries(forged)) t.equal(verifyResultToken(text, SECRET, IAT), null, name)
})

t.test('has one spelling: parts, padding, unused bits and blanks are refused', async (t) => {
  // The last of 43 characters holds two unused bits, so three neighbours decode to the same 32 bytes.
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const last = alphabet.indexOf(mac.slice(-1))
  const twin = mac.slice(0, -1) + alphabet[last + 1]
  t.same(Buffer.from(twin, 'base64url'), Buffer.from(mac, 'base64url'))
  const texts = ['', '.', '..', '...', header, `${header}.${payload}`, `${header}.${payload}.`, `${token}.`, `${token}.x`, `.${token}`, ` ${token}`, `${token} `,
    `${token}=`, `${header}.${payload}=.${mac}`, `${header}.${payload} .${mac}`, `${header}.${payload}.${twin}`, `${header}.${payload}.${mac.slice(0, -1)}`,
    `${header}.${payload}.${mac.replace(/^./, 'é')}`, sign(header, `${payload}=`), sign(header, `${payload}\n`), 'x'.repeat(2049), JSON.stringify({ payload, signature: mac })]
  for (const text of texts) t.equal(verifyResultToken(text, SECRET, IAT), null, JSON.stringify(text.slice(0, 40)))
})

t.test('every changed character is noticed', async (t) => {
  let accepted = 0
  for (let index = 0; index < token.length; index++) {
    const changed = token.slice(0, index) + (token[index] === 'A' ? 'B' : 'A') + token.slice(index + 1)
    if (verifyResultToken(changed, SECRET, IAT) !== null) accepted++
  }
  t.equal(accepted, 0)
})
