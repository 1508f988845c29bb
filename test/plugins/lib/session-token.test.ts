import { generateKeyPairSync } from 'node:crypto'
import { CompactEncrypt, SignJWT, UnsecuredJWT } from 'jose'
import t from 'tap'
import { openSession, SESSION_COOKIE, sessionKeyOf, sessionTokenOf } from '../../../plugins/lib/session-token.ts'
import { CONSOLE_SECRET, sessionToken } from '../../helper/console.ts'

const key = sessionKeyOf(CONSOLE_SECRET)
const NOW_MS = 1_800_000_000_000
const CLAIMS = { sub: 'ada', org_id: 'org_1', role: 'admin' }
const make = async (claims: object = {}, options: object = {}): Promise<string> => await sessionToken({ ...CLAIMS, ...claims }, { nowMs: NOW_MS, ...options })
const open = async (token: string, nowMs = NOW_MS): Promise<boolean> => (await openSession(token, key, nowMs)).ok

t.test('opens what NextAuth made, and reads its claims', async (t) => {
  t.same(await openSession(await make(), key, NOW_MS), { ok: true, session: { subject: 'ada', orgId: 'org_1', role: 'admin' } })
  t.same(await openSession(await make({ org_id: undefined, role: null }), key, NOW_MS), { ok: true, session: { subject: 'ada', orgId: null, role: null } })
  t.equal(Buffer.from(sessionKeyOf('secret')).toString('hex').length, 64)
})

t.test('times are judged to the second', async (t) => {
  const token = await make({}, { lifeSeconds: 60 })
  t.ok(await open(token, NOW_MS + 59_999))
  t.notOk(await open(token, NOW_MS + 60_000))
  const early = await make({ nbf: NOW_MS / 1000 + 10 })
  t.notOk(await open(early, NOW_MS + 9_999))
  t.ok(await open(early, NOW_MS + 10_000))
})

t.test('refuses every other token', async (t) => {
  const good = await make()
  const [header = '', , iv = '', text = '', tag = ''] = good.split('.')
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const claims = { ...CLAIMS, exp: NOW_MS / 1000 + 60 }
  const bytes = Buffer.from(JSON.stringify(claims))
  const flipped = (part: string): string => (part.startsWith('A') ? 'B' : 'A') + part.slice(1)
  const forged: Record<string, string> = {
    'alg none': new UnsecuredJWT(claims).encode(),
    'a signed token': await new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(key),
    RSA: await new CompactEncrypt(bytes).setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A256GCM' }).encrypt(rsa.publicKey),
    'a wrapped key': await new CompactEncrypt(bytes).setProtectedHeader({ alg: 'A256KW', enc: 'A256GCM' }).encrypt(key),
    'a key from a password': await new CompactEncrypt(bytes).setProtectedHeader({ alg: 'PBES2-HS256+A128KW', enc: 'A256GCM' }).encrypt(key),
    'another cipher': await new CompactEncrypt(bytes).setProtectedHeader({ alg: 'dir', enc: 'A128CBC-HS256' }).encrypt(key),
    'another secret': await make({}, { secret: 'another-secret-of-nextauth-0123456789abcdef' }),
    'a named key': await make({}, { header: { kid: 'x' } }),
    compressed: `${Buffer.from('{"alg":"dir","enc":"A256GCM","zip":"DEF"}').toString('base64url')}..${iv}.${text}.${tag}`,
    nested: await new CompactEncrypt(Buffer.from(good)).setProtectedHeader({ alg: 'dir', enc: 'A256GCM', cty: 'JWT' }).encrypt(key),
    'nested, without saying so': await new CompactEncrypt(Buffer.from(good)).setProtectedHeader({ alg: 'dir', enc: 'A256GCM' }).encrypt(key),
    'no claims': await new CompactEncrypt(Buffer.from('[]')).setProtectedHeader({ alg: 'dir', enc: 'A256GCM' }).encrypt(key),
    'no expiry': await new CompactEncrypt(Buffer.from(JSON.stringify(CLAIMS))).setProtectedHeader({ alg: 'dir', enc: 'A256GCM' }).encrypt(key),
    'no subject': await make({ sub: undefined }),
    'an empty subject': await make({ sub: '' }),
    'a subject with a control character': await make({ sub: 'a\nb' }),
    'an organization that is no text': await make({ org_id: ['org_1'] }),
    'a role that is no text': await make({ role: { admin: true } }),
    truncated: good.slice(0, -1),
    'a shorter tag': `${header}..${iv}.${text}.${tag.slice(0, 16)}`,
    'four parts': `${header}..${iv}.${text}`,
    'six parts': `${good}.${tag}`,
    'an encrypted key where none belongs': `${header}.AAAA.${iv}.${text}.${tag}`,
    'another text': `${header}..${iv}.${flipped(text)}.${tag}`,
    'another tag': `${header}..${iv}.${text}.${flipped(tag)}`,
    'another initialisation vector': `${header}..${flipped(iv)}.${text}.${tag}`,
    'another header': `${Buffer.from('{"enc":"A256GCM","alg":"dir"}').toString('base64url')}..${iv}.${text}.${tag}`,
    'JSON form': JSON.stringify({ protected: header, iv, ciphertext: text, tag }),
    'too long': `${header}..${iv}.${'A'.repeat(20_000)}.${tag}`,
    empty: ''
  }
  for (const [what, token] of Object.entries(forged)) t.notOk(await open(token), what)
})

t.test('joins chunks, and guesses nothing', async (t) => {
  const name = SESSION_COOKIE
  for (const [cookie, token] of [
    [`${name}=abc`, 'abc'], [`x=1; ${name}=abc; y=2`, 'abc'], [`${name}.1=def; ${name}.0=abc`, 'abcdef'], [`${name}.0=abc`, 'abc'],
    [`${name}=abc; ${name}=def`, null], [`${name}.0=a; ${name}.0=b`, null], [`${name}.1=def`, null], [`${name}.0=a; ${name}.2=c`, null], [`${name}=abc; ${name}.0=a`, null],
    [`${name}=`, null], [`${name}.0=a; ${name}.1=`, null], ['next-auth.session-token=abc', null], ['', null], [undefined, null], [`${name}`, null], [`${name}.00=a`, null], [`${name}x=a`, null],
    [Array.from({ length: 11 }, (_, place) => `${name}.${place}=a`).join('; '), null]
  ] as const) t.equal(sessionTokenOf(cookie), token, String(cookie).replaceAll(name, '…'))
})
