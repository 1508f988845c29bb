/** Result tokens: forged, misplaced, presented twice and by many at once. */
import { createHmac } from 'node:crypto'
import type { AttackCase, Seen } from '../definition.ts'
import { allOf, hasData, notServed, refusedWith, served, tally, verdictOf } from '../expect.ts'
import type { Lab } from '../lab.ts'
import type { Answer } from '../wire.ts'

const REPLAY = ['result-token-replay'] as const
const PRESENTERS = 12
const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

function forged (header: object, claims: object = {}): string {
  const now = Math.floor(Date.now() / 1000)
  const head = `${encode(header)}.${encode({ iss: 'flowbeacon-public-api', aud: 'results', sub: `req_${'0'.repeat(26)}`, org: 'org_1', jti: 'a'.repeat(32), iat: now, exp: now + 900, ...claims })}`
  return `${head}.${createHmac('sha256', 'secret').update(head).digest('base64url')}`
}

const FORGED: ReadonlyArray<[string, string, () => string]> = [
  ['TOK-001', 'no token at all', () => 'x'],
  ['TOK-002', 'a token signed with another secret', () => forged({ alg: 'HS256', typ: 'JWT' })],
  ['TOK-003', 'alg none without a signature', () => `${forged({ alg: 'none', typ: 'JWT' }).split('.').slice(0, 2).join('.')}.`],
  ['TOK-004', 'alg none in capitals', () => forged({ alg: 'NONE', typ: 'JWT' })],
  ['TOK-005', 'another algorithm', () => forged({ alg: 'HS512', typ: 'JWT' })],
  ['TOK-006', 'a key of its own in the header (jwk, kid, jku)', () => forged({ alg: 'HS256', typ: 'JWT', kid: '../../dev/null', jku: 'https://attacker.example/keys', jwk: { kty: 'oct', k: 'c2VjcmV0' } })],
  ['TOK-007', 'an expired token', () => forged({ alg: 'HS256', typ: 'JWT' }, { exp: 1 })],
  ['TOK-008', 'a token without an end', () => forged({ alg: 'HS256', typ: 'JWT' }, { exp: null })],
  ['TOK-009', 'a token of four parts', () => `${forged({ alg: 'HS256', typ: 'JWT' })}.x`]
]

/** Changes of a token that is good and stays unspent. */
const CHANGED: ReadonlyArray<[string, string, (token: string) => string]> = [
  ['TOK-010', 'its signature cut off', (token) => token.split('.').slice(0, 2).join('.')],
  ['TOK-011', 'one character of its signature changed', (token) => token.replace(/\.(.)([^.]*)$/, (_, first: string, rest: string) => `.${first === 'A' ? 'B' : 'A'}${rest}`)],
  ['TOK-012', 'its claims replaced', (token) => [token.split('.')[0], forged({}).split('.')[1], token.split('.')[2]].join('.')],
  ['TOK-013', 'in small letters', (token) => token.toLowerCase()]
]

export const resultCases: AttackCase[] = [
  ...FORGED.map(([id, title, token]): AttackCase => ({
    id,
    parts: ['result-tokens'],
    threats: REPLAY,
    title,
    expected: '401 result_token_invalid (404 for what is no token)',
    attack: async (lab) => refusedWith(await present(lab, token()), 'result_token_invalid', 'not_found')
  })),
  ...CHANGED.map(([id, title, change]): AttackCase => ({
    id,
    parts: ['result-tokens'],
    threats: REPLAY,
    title: `a good token, ${title}`,
    expected: '401 result_token_invalid',
    needs: ['a result token'],
    attack: async (lab) => refusedWith(await present(lab, change(lab.tokens[0] ?? '')), 'result_token_invalid')
  })),
  {
    id: 'TOK-014',
    parts: ['result-tokens'],
    threats: REPLAY,
    title: 'a forged token with a valid key and signature',
    expected: '401 result_token_invalid: a key is no substitute',
    attack: async (lab) => refusedWith(await lab.ask({ path: pathOf(lab, forged({ alg: 'HS256' })) }), 'result_token_invalid')
  },
  {
    id: 'TOK-015',
    parts: ['result-tokens'],
    threats: REPLAY,
    title: 'a good token as a bearer key',
    expected: '401 invalid_api_key',
    needs: ['a result token'],
    attack: async (lab) => refusedWith(await lab.ask({ key: null, headers: [`Authorization: Bearer ${lab.tokens[0] ?? ''}`] }), 'invalid_api_key')
  },
  {
    id: 'TOK-020',
    parts: ['result-tokens'],
    threats: REPLAY,
    title: 'HEAD, OPTIONS, POST and DELETE with a good token, then GET',
    expected: 'refused without spending it, then 200',
    needs: ['a result token'],
    attack: async (lab) => {
      const token = lab.tokens[0] ?? ''
      const others = []
      for (const method of ['HEAD', 'OPTIONS', 'POST', 'DELETE']) others.push(notServed(await lab.ask({ method, path: pathOf(lab, token), key: null })))
      return allOf(tally(others), served(await present(lab, token)))
    }
  },
  {
    id: 'TOK-021',
    parts: ['result-tokens'],
    threats: REPLAY,
    title: 'the same token again',
    expected: '410 result_token_used, no data',
    needs: ['a result token'],
    attack: async (lab) => usedUp(await present(lab, lab.tokens[0] ?? ''))
  },
  {
    id: 'TOK-022',
    parts: ['result-tokens'],
    threats: REPLAY,
    title: 'the same token again, from another client and with a query',
    expected: '410 result_token_used, no data',
    needs: ['a result token'],
    attack: async (lab) => usedUp(await lab.ask({ path: `${pathOf(lab, lab.tokens[0] ?? '')}?again=1`, key: null, headers: ['X-Forwarded-For: 198.51.100.9', 'If-None-Match: *'] }))
  },
  {
    id: 'TOK-023',
    parts: ['result-tokens'],
    threats: REPLAY,
    title: `one token, ${PRESENTERS} presenters at once`,
    expected: 'exactly one gets the results, the others 410',
    needs: ['a second result token'],
    attack: async (lab) => {
      const answers = await Promise.all(Array.from({ length: PRESENTERS }, () => present(lab, lab.tokens[1] ?? '')))
      const winners = answers.filter((answer) => answer?.status === 200).length
      const others = tally(answers.filter((answer) => answer?.status !== 200).map(usedUp))
      return { ok: winners === 1 && others.ok, seen: `${winners} with results, ${others.seen}` }
    }
  }
]

function pathOf (lab: Lab, token: string): string {
  return (lab.settings.paths.tokenPath ?? '/').replace('{token}', token)
}

async function present (lab: Lab, token: string): Promise<Answer | null> {
  return await lab.admit({ path: pathOf(lab, token), key: null })
}

function usedUp (answer: Answer | null): Seen {
  return allOf({ ok: answer !== null && !hasData(answer), seen: `${verdictOf(answer)} with data` }, refusedWith(answer, 'result_token_used'))
}
