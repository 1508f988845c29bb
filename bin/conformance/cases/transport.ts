/** Layer 1: browsers, headers sent twice, targets with a second spelling, methods, sizes, plain HTTP. */
import type { AttackCase, Seen } from '../definition.ts'
import { allOf, notServed, refusedWith, served, turnedAway, verdictOf } from '../expect.ts'
import type { Asked, Lab } from '../lab.ts'
import type { Answer } from '../wire.ts'

const PREFLIGHT = ['Origin: https://browser.example', 'Access-Control-Request-Method: POST', 'Access-Control-Request-Headers: authorization,x-fb-signature']
const BROWSER = ['browser-origin-abuse'] as const

export const browserCases: AttackCase[] = [
  preflight('BRW-001', 'a pre-flight for the signed GET', (lab) => ({ path: lab.getPath, headers: PREFLIGHT })),
  { ...preflight('BRW-002', 'a pre-flight for the signed POST', (lab) => ({ path: lab.postPath, headers: PREFLIGHT })), needs: ['a signed POST'] },
  { ...preflight('BRW-003', 'a pre-flight for an open route', (lab) => ({ path: lab.openPath, headers: PREFLIGHT })), needs: ['an open route'] },
  preflight('BRW-004', 'a pre-flight for an unknown path', (lab) => ({ path: `${lab.settings.paths.prefix ?? ''}/conformance-unknown`, headers: PREFLIGHT })),
  preflight('BRW-005', 'OPTIONS with an Origin alone', () => ({ headers: ['Origin: https://browser.example'] })),
  preflight('BRW-006', 'OPTIONS with Access-Control-Request-Method alone', () => ({ headers: ['Access-Control-Request-Method: GET'] })),
  preflight('BRW-007', 'a pre-flight of a sandboxed frame (Origin: null)', () => ({ headers: ['Origin: null', 'Access-Control-Request-Method: GET'] })),
  preflight('BRW-008', 'a pre-flight for a private network', () => ({ headers: [...PREFLIGHT, 'Access-Control-Request-Private-Network: true'] })),
  preflight('BRW-009', 'header names in capitals', () => ({ headers: ['ORIGIN: https://browser.example', 'ACCESS-CONTROL-REQUEST-METHOD: GET'] })),
  {
    id: 'BRW-010',
    parts: ['transport'],
    threats: BROWSER,
    title: 'a pre-flight with a valid key and signature',
    expected: '403 browser_refused',
    attack: async (lab) => refusedWith(await lab.ask({ method: 'OPTIONS', headers: PREFLIGHT }), 'browser_refused')
  },
  {
    id: 'BRW-011',
    parts: ['transport', 'authentication'],
    threats: BROWSER,
    title: 'a valid call with an Origin',
    expected: 'no Access-Control-* header in the answer',
    attack: async (lab) => {
      const answer = await lab.admit({ headers: ['Origin: https://browser.example'] })
      return { ok: answer !== null && !allowsOrigin(answer), seen: answer !== null && allowsOrigin(answer) ? 'an Access-Control-* header' : verdictOf(answer) }
    }
  },
  {
    id: 'BRW-012',
    parts: ['authentication'],
    threats: BROWSER,
    title: 'a form of another site (text/plain, no pre-flight)',
    expected: '401 invalid_api_key',
    needs: ['a signed POST'],
    attack: async (lab) => refusedWith(await lab.ask({ method: 'POST', path: lab.postPath, key: null, body: '{"a":"b"}', contentType: 'text/plain', headers: ['Origin: https://browser.example'] }), 'invalid_api_key')
  },
  {
    id: 'BRW-013',
    parts: ['authentication', 'watermark'],
    threats: BROWSER,
    title: 'a script tag (JSONP callback)',
    expected: '401 as JSON that no browser runs (nosniff)',
    attack: async (lab) => {
      const answer = await lab.ask({ path: `${lab.getPath}?callback=steal`, key: null, headers: ['Sec-Fetch-Dest: script', 'Sec-Fetch-Mode: no-cors'] })
      return allOf(refusedWith(answer, 'invalid_api_key'), { ok: answer?.headers['x-content-type-options'] === 'nosniff' && answer.text.startsWith('{'), seen: `${verdictOf(answer)}, ${answer?.headers['x-content-type-options'] ?? 'no nosniff'}` })
    }
  }
]

function preflight (id: string, title: string, asked: (lab: Lab) => Asked): AttackCase {
  return {
    id,
    parts: ['transport'],
    threats: BROWSER,
    title,
    expected: '403 browser_refused, no Access-Control-* header',
    attack: async (lab) => {
      const answer = await lab.ask({ method: 'OPTIONS', key: null, ...asked(lab) })
      return allOf({ ok: answer !== null && !allowsOrigin(answer), seen: `${verdictOf(answer)}, an Access-Control-* header` }, refusedWith(answer, 'browser_refused'))
    }
  }
}

function allowsOrigin ({ headers }: Answer): boolean {
  return Object.keys(headers).some((name) => name.startsWith('access-control-'))
}

/** Of each of these a request may have one. The first of them is right, so that whoever reads the first and whoever reads the last differ. */
const TWICE: ReadonlyArray<[string, string, (lab: Lab) => Asked]> = [
  ['TRP-001', 'two Authorization headers', () => ({ headers: ['Authorization: Bearer x'] })],
  ['TRP-002', 'two Authorization headers, names spelt differently', () => ({ headers: ['AUTHORIZATION: Bearer x'] })],
  ['TRP-003', 'two X-FB-Signature headers', () => ({ headers: ['X-FB-Signature: t=1,v1=0'] })],
  ['TRP-004', 'two Host headers', () => ({ headers: ['Host: other.example'] })],
  ['TRP-005', 'two Content-Type headers', (lab) => ({ method: 'POST', path: lab.postPath, body: lab.postBody(), headers: ['Content-Type: text/plain'] })],
  ['TRP-006', 'two Content-Length headers that agree', (lab) => ({ method: 'POST', path: lab.postPath, body: lab.postBody(), headers: [`Content-Length: ${lab.postBody().length}`] })],
  ['TRP-007', 'two Content-Length headers that differ', (lab) => ({ method: 'POST', path: lab.postPath, body: lab.postBody(), headers: ['Content-Length: 2'] })],
  ['TRP-008', 'two Transfer-Encoding headers', (lab) => ({ method: 'POST', path: lab.postPath, body: lab.postBody(), isChunked: true, headers: ['Transfer-Encoding: chunked'] })],
  ['TRP-009', 'two Expect headers', () => ({ headers: ['Expect: 100-continue', 'Expect: 100-continue'] })]
]

const TARGETS: ReadonlyArray<[string, string, (path: string, lab: Lab) => string]> = [
  ['TRP-020', 'an absolute-form target', (path, lab) => `${lab.settings.target.origin}${path}`],
  ['TRP-021', 'an absolute-form target of another host', (path) => `http://other.example${path}`],
  ['TRP-022', 'the asterisk form', () => '*'],
  ['TRP-023', 'an authority for a target', () => 'example.test:443'],
  ['TRP-024', 'an empty segment', (path) => path.replace(/\/([^/]*)$/, '//$1')],
  ['TRP-025', 'an empty segment in front', (path) => `/${path}`],
  ['TRP-026', 'a dot segment', (path) => path.replace(/\/([^/]*)$/, '/./$1')],
  ['TRP-027', 'a climb out and in again', (path) => path.replace(/\/([^/]*)$/, '/x/../$1')],
  ['TRP-028', 'an escaped climb', (path) => path.replace(/\/([^/]*)$/, '/x/%2e%2e/$1')],
  ['TRP-029', 'an escaped separator', (path) => path.replace(/\/([^/]*)$/, '%2f$1')],
  ['TRP-030', 'a letter that is escaped', (path) => path.replace(/(.)$/, (letter) => `%${letter.charCodeAt(0).toString(16)}`)],
  ['TRP-031', 'an escape that is escaped', (path) => path.replace(/(.)$/, (letter) => `%25${letter.charCodeAt(0).toString(16)}`)],
  ['TRP-032', 'a backslash', (path) => path.replace(/\/([^/]*)$/, '\\$1')],
  ['TRP-033', 'a fragment', (path) => `${path}#x`],
  ['TRP-034', 'an escaped NUL', (path) => `${path}%00`],
  ['TRP-035', 'half an escape', (path) => `${path}%`],
  ['TRP-036', 'an escape that is none', (path) => `${path}%zz`],
  ['TRP-037', 'an overlong UTF-8 slash', (path) => path.replace(/\/([^/]*)$/, '%c0%af$1')],
  ['TRP-038', 'a raw byte beyond ASCII', (path) => `${path}\xe9`],
  ['TRP-039', 'a raw blank', (path) => `${path} x`]
]
/** Another path and not another spelling: nobody says so before the caller has been judged. */
const OTHER_PATHS: ReadonlyArray<[string, string, (path: string) => string]> = [
  ['TRP-040', 'a trailing slash', (path) => `${path}/`],
  ['TRP-041', 'another case', (path) => path.toUpperCase()],
  ['TRP-042', 'a path parameter (;)', (path) => `${path};a=b`]
]

export const transportCases: AttackCase[] = [
  ...TWICE.map(([id, title, asked]): AttackCase => ({
    id,
    parts: ['transport'],
    threats: ['token-replay'],
    title,
    expected: '400, nothing is taken from either',
    ...(/ength|ncoding|ype/.test(title) ? { needs: ['a signed POST'] } : {}),
    attack: async (lab) => turnedAway(await lab.ask(asked(lab)), 400)
  })),
  ...TARGETS.map(([id, title, spell]): AttackCase => ({
    id,
    parts: ['transport'],
    threats: ['key-sharing-across-organizations'],
    title: `a target with ${title}, signed as sent`,
    expected: '400: a path has one spelling',
    attack: async (lab) => turnedAway(await lab.ask({ path: spell(lab.getPath, lab), sign: signable(spell(lab.getPath, lab)) }), 400)
  })),
  ...OTHER_PATHS.map(([id, title, spell]): AttackCase => ({
    id,
    parts: ['transport'],
    threats: ['key-sharing-across-organizations'],
    title: `the path with ${title}, without credentials`,
    expected: '4xx, never served',
    attack: async (lab) => notServed(await lab.ask({ path: spell(lab.getPath), key: null }))
  })),
  ...['HEAD', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'QUERY', 'PROPFIND', 'BREW', 'get'].map((method, at): AttackCase => ({
    id: `TRP-${String(50 + at).padStart(3, '0')}`,
    parts: ['transport'],
    threats: ['key-theft-from-logs'],
    title: `${method} on the signed GET's path, without credentials`,
    expected: '4xx, nothing is echoed',
    attack: async (lab) => {
      const answer = await lab.ask({ method, key: null, headers: ['X-Conformance: echo-me'] })
      return allOf({ ok: answer?.text.includes('echo-me') !== true, seen: 'the request was echoed' }, { ...notServed(answer) })
    }
  })),
  {
    id: 'TRP-060',
    parts: ['transport'],
    threats: ['key-theft-from-logs'],
    title: 'CONNECT',
    expected: '4xx or the connection ends',
    attack: async (lab) => turnedAway(await lab.ask({ method: 'CONNECT', path: 'example.test:443', key: null }), 400, 403, 404, 405)
  },
  {
    id: 'TRP-061',
    parts: ['transport'],
    threats: ['token-replay'],
    title: 'a target of 9000 characters',
    expected: '414 (or 431 where headers end sooner)',
    attack: async (lab) => turnedAway(await lab.ask({ path: `${lab.getPath}?x=${'a'.repeat(9000)}` }), 414, 431)
  },
  {
    id: 'TRP-062',
    parts: ['transport'],
    threats: ['token-replay'],
    title: 'a header of 20 KB',
    expected: '431',
    attack: async (lab) => turnedAway(await lab.ask({ headers: [`X-Filler: ${'a'.repeat(20_000)}`] }), 431)
  },
  {
    id: 'TRP-063',
    parts: ['transport'],
    threats: ['token-replay'],
    title: '150 header lines',
    expected: '431',
    attack: async (lab) => turnedAway(await lab.ask({ headers: Array.from({ length: 150 }, (_, n) => `X-${n}: 1`) }), 431)
  },
  {
    id: 'TRP-064',
    parts: ['transport'],
    threats: ['browser-origin-abuse'],
    title: 'an upgrade to WebSocket',
    expected: 'ignored or refused, never 101',
    attack: async (lab) => {
      const answer = await lab.ask({ key: null, headers: ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=='] })
      return { ok: answer !== null && answer.status !== 101, seen: verdictOf(answer) }
    }
  },
  {
    id: 'TRP-070',
    parts: ['transport'],
    threats: ['key-theft-from-logs'],
    title: 'a signed call over plain HTTP',
    expected: '403 https_required, no redirect',
    needs: ['a production listener without TLS'],
    attack: async (lab) => plain(lab, [])
  },
  {
    id: 'TRP-071',
    parts: ['transport'],
    threats: ['key-theft-from-logs'],
    title: 'plain HTTP that says X-Forwarded-Proto: https',
    expected: '403 https_required',
    needs: ['a production listener without TLS'],
    attack: async (lab) => plain(lab, ['X-Forwarded-Proto: https', 'Forwarded: proto=https', 'X-Forwarded-Ssl: on'])
  },
  {
    id: 'TRP-072',
    parts: ['transport'],
    threats: ['key-theft-from-logs'],
    title: 'an answer over TLS',
    expected: 'Strict-Transport-Security',
    needs: ['a target that speaks TLS'],
    attack: async (lab) => {
      const answer = await lab.admit()
      return { ok: /max-age=\d{7,}/.test(answer?.headers['strict-transport-security'] ?? ''), seen: answer?.headers['strict-transport-security'] ?? 'no Strict-Transport-Security' }
    }
  },
  {
    id: 'TRP-073',
    parts: ['transport', 'authentication'],
    threats: [],
    title: 'an honest call in HTTP/1.1',
    expected: '200, so that what is refused above is refused for its fault',
    attack: async (lab) => served(await lab.admit())
  }
]

async function plain (lab: Lab, headers: string[]): Promise<Seen> {
  const answer = await lab.ask({ headers, ...(lab.settings.plainTarget === null ? {} : { to: lab.settings.plainTarget }) })
  return allOf({ ok: answer?.headers['location'] === undefined, seen: 'a redirect, which teaches clients to send keys in clear' }, refusedWith(answer, 'https_required'))
}

/** A hardened signature can only be made over what may be sent; over the rest it is made over the path that was meant. */
function signable (target: string): NonNullable<Asked['sign']> {
  return /^\/[\x21-\x7e]*$/.test(target) ? {} : { path: '/' }
}
