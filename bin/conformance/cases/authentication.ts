/** Layer 2: everything that is no valid key, in every place where a key does not belong. */
import { generateApiKey } from '../../../plugins/lib/api-key.ts'
import type { AttackCase, Seen } from '../definition.ts'
import { allOf, refusedWith, served, verdictOf } from '../expect.ts'
import type { Asked, Lab } from '../lab.ts'
import type { Answer } from '../wire.ts'

const THEFT = ['key-theft-from-logs'] as const
const REFUSED = '401 invalid_api_key, the same as for every other key that is none'

/** Header lines in place of `Authorization: Bearer <key>`; the signature is right for the key that is sent. */
const MALFORMED: ReadonlyArray<[string, string, (key: string) => readonly string[]]> = [
  ['AUT-001', 'no Authorization', () => []],
  ['AUT-002', 'an empty Authorization', () => ['Authorization: ']],
  ['AUT-003', 'a scheme without a key', () => ['Authorization: Bearer']],
  ['AUT-004', 'a key without a scheme', (key) => [`Authorization: ${key}`]],
  ['AUT-005', 'a key of 47 digits', (key) => [`Authorization: Bearer ${key.slice(0, -1)}`]],
  ['AUT-006', 'a key of 49 digits', (key) => [`Authorization: Bearer ${key}0`]],
  ['AUT-007', 'a key in capitals', (key) => [`Authorization: Bearer ${key.slice(0, 8)}${key.slice(8).toUpperCase().replace(/^(\d+)$/, 'A$1')}`]],
  ['AUT-008', 'a key with a digit that is no hex', (key) => [`Authorization: Bearer ${key.slice(0, -1)}g`]],
  ['AUT-009', 'another prefix', (key) => [`Authorization: Bearer ${key.replace('fb_live_', 'fb_test_')}`]],
  ['AUT-010', 'the prefix in capitals', (key) => [`Authorization: Bearer ${key.replace('fb_live_', 'FB_LIVE_')}`]],
  ['AUT-011', 'the loggable twelve characters of a valid key', (key) => [`Authorization: Bearer ${key.slice(0, 12)}`]],
  ['AUT-012', 'Basic with a valid key as its password', (key) => [`Authorization: Basic ${Buffer.from(`key:${key}`).toString('base64')}`]],
  ['AUT-013', 'another scheme with a valid key', (key) => [`Authorization: Token ${key}`]],
  ['AUT-014', 'two keys in one header', (key) => [`Authorization: Bearer ${key}, Bearer ${key}`]],
  ['AUT-015', 'a key in quotes', (key) => [`Authorization: Bearer "${key}"`]],
  ['AUT-016', 'two blanks before the key', (key) => [`Authorization: Bearer  ${key}`]],
  ['AUT-017', 'a key that is percent-encoded', (key) => [`Authorization: Bearer ${key.replace('_', '%5f')}`]],
  ['AUT-018', 'a key of 4000 characters', (key) => [`Authorization: Bearer ${key.padEnd(4000, '0')}`]],
  ['AUT-019', 'a valid key in X-API-Key', (key) => [`X-API-Key: ${key}`]],
  ['AUT-020', 'a valid key in a cookie', (key) => [`Cookie: fb_api_key=${key}; authorization=Bearer%20${key}`]],
  ['AUT-021', 'a valid key in Proxy-Authorization', (key) => [`Proxy-Authorization: Bearer ${key}`]],
  ['AUT-022', 'a session cookie of the console', () => ['Cookie: __Secure-next-auth.session-token=eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAA.AAAA.AAAA']],
  ['AUT-023', 'SQL in place of a key', () => ["Authorization: Bearer ' or '1'='1"]],
  ['AUT-024', 'bytes beyond ASCII in place of a key', () => ['Authorization: Bearer \xff\xfe\xfd']]
]

/** Keys that once were, or never. */
const DEAD: ReadonlyArray<[string, string, AttackCase['needs'], (lab: Lab) => string]> = [
  ['AUT-030', 'a well-formed key that nobody has', undefined, () => generateApiKey().key],
  ['AUT-031', 'a valid key with one digit changed', undefined, (lab) => changed(lab.firstKey?.key ?? '')],
  ['AUT-032', 'a revoked key', ['a revoked key'], (lab) => lab.named('revoked').key],
  ['AUT-033', 'an expired key', ['an expired key'], (lab) => lab.named('expired').key],
  ['AUT-034', 'a suspended key', ['a suspended key'], (lab) => lab.named('suspended').key]
]

export const authenticationCases: AttackCase[] = [
  ...MALFORMED.map(([id, title, lines]): AttackCase => ({
    id,
    parts: ['authentication'],
    threats: THEFT,
    title,
    expected: REFUSED,
    attack: async (lab) => refusedAlike(await lab.ask({ key: null, headers: [...lines(lab.firstKey?.key ?? ''), ...signatureLines(lab, {})] }))
  })),
  ...DEAD.map(([id, title, needs, key]): AttackCase => ({
    id,
    parts: ['authentication'],
    threats: THEFT,
    title: `${title}, rightly signed`,
    expected: REFUSED,
    ...(needs === undefined ? {} : { needs }),
    attack: async (lab) => refusedAlike(await lab.ask({ key: { key: key(lab), secret: null } }))
  })),
  {
    id: 'AUT-040',
    parts: ['authentication'],
    threats: THEFT,
    title: 'a valid key in the query',
    expected: REFUSED,
    attack: async (lab) => {
      const key = lab.firstKey?.key ?? ''
      return refusedAlike(await lab.ask({ path: `${lab.getPath}?api_key=${key}&access_token=${key}&authorization=Bearer%20${key}`, key: null }))
    }
  },
  {
    id: 'AUT-041',
    parts: ['authentication'],
    threats: THEFT,
    title: 'a valid key in the body',
    expected: REFUSED,
    needs: ['a signed POST'],
    attack: async (lab) => refusedAlike(await lab.ask({ method: 'POST', path: lab.postPath, key: null, body: lab.postBody({ api_key: lab.firstKey?.key }) }))
  },
  {
    id: 'AUT-042',
    parts: ['authentication'],
    threats: THEFT,
    title: 'an unknown path without a key',
    expected: '401: which paths there are is not told',
    attack: async (lab) => refusedAlike(await lab.ask({ path: `${lab.settings.paths.prefix ?? ''}/conformance-unknown`, key: null }))
  },
  {
    id: 'AUT-043',
    parts: ['authentication'],
    threats: THEFT,
    title: 'a POST without a key and with a body of 1 MB',
    expected: '401 before the body is read',
    needs: ['a signed POST'],
    attack: async (lab) => {
      const head = lab.bytes({ method: 'POST', path: lab.postPath, key: null, headers: ['Content-Type: application/json', 'Content-Length: 1048576'] })
      return refusedAlike(await lab.patiently(async () => (await lab.say(head, { deadlineMs: 2000 })).answers[0] ?? null))
    }
  },
  {
    id: 'AUT-044',
    parts: ['authentication'],
    threats: THEFT,
    title: 'the scheme in small letters (RFC 9110 section 11.1)',
    expected: '200: the scheme has no case',
    attack: async (lab) => {
      const key = lab.firstKey
      return key === null ? { ok: false, seen: 'no key' } : served(await lab.admit({ key: null, headers: [`Authorization: bearer ${key.key}`, `X-FB-Signature: ${lab.signature(key, {})}`] }))
    }
  },
  {
    id: 'AUT-045',
    parts: ['authentication'],
    threats: THEFT,
    title: 'two different keys that are none, compared',
    expected: 'answers that differ in their watermark alone',
    attack: async (lab) => alike(await lab.ask({ key: { key: generateApiKey().key, secret: null } }), await lab.ask({ key: null }))
  }
]

/** Wrong answers to one question must not tell wrong keys apart. */
export function alike (one: Answer | null, other: Answer | null): Seen {
  const strip = (answer: Answer | null): string => JSON.stringify([answer?.status, { ...answer?.body, meta: null }, Object.keys(answer?.headers ?? {}).filter((name) => !name.startsWith('x-ratelimit')).sort()])
  return { ok: one !== null && strip(one) === strip(other), seen: strip(one) === strip(other) ? `twice ${verdictOf(one)}` : `${verdictOf(one)} and ${verdictOf(other)}, or other headers` }
}

function refusedAlike (answer: Answer | null): Seen {
  return allOf(refusedWith(answer, 'invalid_api_key'), { ok: answer?.headers['www-authenticate'] === 'Bearer', seen: `${verdictOf(answer)} with WWW-Authenticate: ${answer?.headers['www-authenticate'] ?? 'none'}` })
}

function signatureLines (lab: Lab, asked: Asked): string[] {
  return lab.firstKey === null ? [] : [`X-FB-Signature: ${lab.signature(lab.firstKey, asked)}`]
}

function changed (key: string): string {
  return `${key.slice(0, -1)}${key.endsWith('0') ? '1' : '0'}`
}
