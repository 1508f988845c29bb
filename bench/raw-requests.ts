/**
 * Conversations for the raw-socket fuzz: requests from a grammar, some of them changed in their bytes, several to a connection. All of
 * one conversation follows from its random source, except keys, times and signatures.
 */
import { signRequest } from '../plugins/lib/hmac.ts'

const P = '/api/public/v1'
const HEALTH = `${P}/governance/health`
const READS = [`${P}/governance/policies`, `${P}/scenarios`, `${P}/scenarios?limit=5`, `${P}/requests?limit=2`, `${P}/webhooks`, `${P}/governance/summary`]
const REQUESTS_MAX = 24
const UNCHANGED_SHARE = 0.2
/** Changes that mostly leave the message a message, so that what follows it is read as well. */
const GENTLE_SHARE = 0.7
/** Ends a conversation in order, when it is understood. */
export const FAREWELL = `GET ${HEALTH} HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n`

/** A request as it was before any change: what a 2xx can be owed to. */
export interface Made { method: string, path: string, proof: string | null, bytes: string }
export interface Conversation { bytes: Buffer, made: Made[], requests: number }

type Random = () => number
const pick = <Item>(items: readonly Item[], random: Random): Item => items[Math.floor(random() * items.length)] as Item
const chance = (share: number, random: Random): boolean => random() < share

export function converse (random: Random, keys: readonly string[], nowSeconds: number): Conversation {
  const made: Made[] = []
  const parts: Buffer[] = []
  const requests = 1 + Math.floor(random() * REQUESTS_MAX)
  for (let n = 0; n < requests; n++) {
    const request = makeRequest(random, keys, nowSeconds)
    made.push(request)
    const bytes = Buffer.from(request.bytes, 'latin1')
    const kind = random()
    parts.push(kind < UNCHANGED_SHARE ? bytes : kind < UNCHANGED_SHARE + GENTLE_SHARE ? replaceBytes(bytes, random) : changeBytes(bytes, random))
  }
  parts.push(Buffer.from(FAREWELL))
  made.push({ method: 'GET', path: HEALTH, proof: null, bytes: FAREWELL })
  return { bytes: Buffer.concat(parts), made, requests }
}

function makeRequest (random: Random, keys: readonly string[], nowSeconds: number): Made {
  const isPost = chance(0.15, random)
  const method = isPost ? 'POST' : chance(0.9, random) ? 'GET' : pick(['HEAD', 'OPTIONS', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'QUERY', 'CONNECT', 'PROPFIND', 'BREW', 'get', ''], random)
  const target = isPost ? `${P}/evaluate` : chance(0.8, random) ? pick(READS, random) : strangeTarget(random)
  const body = isPost ? strangeBody(random) : ''
  const key = pick(keys, random)
  const signature = signRequest({ key, timestampSeconds: nowSeconds + (chance(0.1, random) ? pick([-301, 302, -1e6], random) : 0), method, path: target, body: Buffer.from(body, 'latin1') })
  const isKeyed = chance(0.7, random)
  const lines = [
    `${method} ${target} ${chance(0.98, random) ? 'HTTP/1.1' : pick(['HTTP/1.0', 'HTTP/2.0', 'HTTP/0.9', 'HTTP/1.2', 'http/1.1', 'HTTP/1.1 ', ''], random)}`,
    ...(chance(0.99, random) ? ['Host: api.test'] : []),
    ...(isKeyed ? [`Authorization: Bearer ${key}`] : chance(0.5, random) ? [strangeAuthorization(random)] : []),
    ...(chance(0.9, random) ? [`X-FB-Signature: ${signature}`] : []),
    ...framing(body, random),
    ...(chance(0.1, random) ? Array.from({ length: 1 + Math.floor(random() * 3) }, () => strangeHeader(random)) : [])
  ]
  const isChunked = lines.some((line) => line === 'Transfer-Encoding: chunked')
  const sent = isChunked ? chunks(body, random) : body
  return { method, path: target.split('?')[0] ?? '', proof: isKeyed ? /v1=([0-9a-f]{64})/.exec(signature)?.[1] ?? null : null, bytes: `${lines.join('\r\n')}\r\n\r\n${sent}` }
}

function strangeTarget (random: Random): string {
  return pick([
    HEALTH, `${P}/results/eyJhbGciOiJIUzI1NiJ9.e30.${'x'.repeat(43)}`, `${P}/evaluations/req_${'0'.repeat(26)}`, `${P}/scenarios/scn_x/results`, `${P}/evaluations/a.b`, `${P}/nothing`, '/', '*', 'api.test:443',
    `http://api.test${HEALTH}`, `${P}//governance/policies`, `${P}/./scenarios`, `${P}/x/../scenarios`, `${P}/%73cenarios`, `${P}/scenarios%2f`, `${P}/scenarios;a`, `${P}/scenarios#a`, `${P}\\scenarios`, `${P}/%00`, `${P}/%`,
    `${P}/%c0%af`, `${P}/scenarios?cursor=${'A'.repeat(200)}`, `${P}/scenarios?limit=-1`, `${P}/scenarios?limit=5&limit=6`, `${P}/scenarios?__proto__=1`, `/${'a'.repeat(9000)}`, `/${'a'.repeat(20_000)}`, `${P}/${'a/'.repeat(1000)}`, '\x01', ''
  ], random)
}

function strangeBody (random: Random): string {
  return pick([
    '{"blueprints":[{"id":"a","blueprint":{"name":"S","flow":[{"id":1,"module":"gateway:CustomWebHook","version":1,"parameters":{},"mapper":{}}],"metadata":{"version":1}}}]}',
    '{"scenario_ids":["scn_x"],"org_id":"org_x"}', '{}', '[]', 'null', '1', '"x"', '{"blueprints":[]}', '{"blueprints":[{"id":"a","blueprint":null}]}', '{"blueprints":[{"id":"a","blueprint":{"nodes":[],"connections":{}}}]}', '{"blueprints":[{"id":"a","blueprint":{"flow":[{"id":1}]}}]}',
    '{"__proto__":1}', '{"a":1,"a":2}', '{"org_id":"\\ud800"}', '\xff\xfe', '\xef\xbb\xbf{}', `${'['.repeat(70)}${']'.repeat(70)}`, '{"scenario_ids":[1e999]}', '{"x":'.repeat(30), ' '.repeat(5000), '{"blueprints":[{"id":"a","save":"true","blueprint":{}}]}', ''
  ], random)
}

function framing (body: string, random: Random): string[] {
  const honest = body === '' ? [] : ['Content-Type: application/json', chance(0.2, random) ? 'Transfer-Encoding: chunked' : `Content-Length: ${body.length}`]
  if (chance(0.94, random)) return honest
  return [...honest, pick(['Content-Length: 0', 'Content-Length: 5', 'Content-Length: +5', 'Content-Length: 0x5', 'Content-Length: 99999999999', 'Content-Length: 11000000', 'Transfer-Encoding: chunked', 'Transfer-Encoding: gzip, chunked', 'Transfer-Encoding : chunked', 'Transfer-Encoding: identity', 'Content-Length: 1, 1', 'Expect: 100-continue', 'Expect: x', 'Connection: upgrade\r\nUpgrade: websocket', 'Connection: close', 'Content-Type: text/plain', 'Content-Type: application/json; charset=utf-16', 'Content-Encoding: gzip', 'Trailer: Authorization'], random)]
}

function chunks (body: string, random: Random): string {
  const size = pick([(n: number) => n.toString(16), (n: number) => n.toString(16).toUpperCase(), (n: number) => `${n.toString(16)};a=b`, (n: number) => `0x${n.toString(16)}`, () => '-1', () => 'ffffffffffffffff', (n: number) => `000${n.toString(16)}`], random)
  return `${body === '' ? '' : `${size(body.length)}\r\n${body}\r\n`}0\r\n${chance(0.1, random) ? 'Authorization: Bearer x\r\n' : ''}\r\n`
}

function strangeAuthorization (random: Random): string {
  return `Authorization: ${pick(['Bearer', 'Bearer ', `Bearer fb_live_${'0'.repeat(48)}`, `Bearer fb_live_${'g'.repeat(48)}`, 'Basic eDp5', `bearer fb_live_${'a'.repeat(47)}`, `Bearer ${'a'.repeat(9000)}`, '\xff', 'Bearer a, Bearer b'], random)}`
}

function strangeHeader (random: Random): string {
  return pick([
    'Host: other.test', 'Authorization: Bearer x', 'X-FB-Signature: t=1,v1=0', 'X-Forwarded-For: 1.2.3.4', 'X-Forwarded-Proto: https', 'Forwarded: for=1.2.3.4', 'Origin: https://a.example', 'Access-Control-Request-Method: GET', 'Cookie: a=b', '__proto__: x', 'constructor: x',
    ': x', 'X A: b', 'X-A : b', 'X-A: b\r\n c', 'X-A: b\0c', 'X-A: b\nX-B: c', 'no colon', `X-A: ${'a'.repeat(17_000)}`, 'If-None-Match: *', 'If-None-Match: "x", W/"y"', 'Idempotency-Key: a b', 'Idempotency-Key: k', 'Range: bytes=0-', 'Accept: text/html', 'Accept-Version: 9.9.9', 'Accept-Encoding: br', 'X-HTTP-Method-Override: DELETE', 'User-Agent: \xff\xfe', 'Transfer-Encoding: ', 'Content-Length: ', 'Max-Forwards: 0', 'TE: trailers', 'Proxy-Connection: keep-alive', ...Array.from({ length: 3 }, () => Array.from({ length: 120 }, (_, n) => `X-${n}: 1`).join('\r\n'))
  ], random)
}

const SPLICES = ['\r\n', '\n', '\r', '\0', ' ', '\t', ':', ',', '/', '%', '\xff', '\r\n\r\n', 'HTTP/1.1', 'GET / HTTP/1.1\r\n', '0\r\n\r\n', 'Host: a\r\n', 'Content-Length: 3\r\n', 'Transfer-Encoding: chunked\r\n']

const WORD = [...Buffer.from('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._')]

/** One to three bytes of the values become others that may stand there: line ends, colons and blanks stay where they are. */
function replaceBytes (bytes: Buffer, random: Random): Buffer {
  const changed = Buffer.from(bytes)
  const changes = 1 + Math.floor(random() * 3)
  for (let n = 0; n < changes; n++) {
    const at = Math.floor(random() * changed.length)
    const byte = changed[at] ?? 0
    if (byte > 0x20 && byte !== 0x3a) changed[at] = chance(0.9, random) ? pick(WORD, random) : 0x21 + Math.floor(random() * 94)
  }
  return changed
}

/** One to four changes, most of them near the head, where the meaning is. */
function changeBytes (bytes: Buffer, random: Random): Buffer {
  let changed = bytes
  const changes = 1 + Math.floor(random() * random() * 4)
  for (let n = 0; n < changes; n++) {
    const at = Math.floor(random() * changed.length)
    const to = Math.min(changed.length, at + Math.floor(random() * 40))
    const [left, middle, right] = [changed.subarray(0, at), changed.subarray(at, to), changed.subarray(to)]
    switch (Math.floor(random() * 7)) {
      case 0: changed = Buffer.concat([left, right]); break
      case 1: changed = Buffer.concat([left, middle, middle, right]); break
      case 2: changed = Buffer.concat([left, Buffer.from(pick(SPLICES, random), 'latin1'), middle, right]); break
      case 3: changed = Buffer.concat([left, Buffer.from(pick(SPLICES, random), 'latin1'), changed.subarray(at + 1)]); break
      case 4: changed = Buffer.concat([left, Buffer.from([Math.floor(random() * 256)]), changed.subarray(at + 1)]); break
      case 5: changed = Buffer.concat([left, Buffer.from(middle).reverse(), right]); break
      default: changed = chance(0.3, random) ? left : Buffer.concat([left, Buffer.from(middle.toString('latin1').toUpperCase(), 'latin1'), right])
    }
  }
  return changed
}
