import { readFileSync } from 'node:fs'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { ERROR_CATALOGUE, type ErrorCode } from '../../../errors.ts'
import { verifyWatermark } from '../../../plugins/lib/watermark-id.ts'
import { createEdgeServer } from '../../../plugins/support/http-edge.ts'
import { selfSigned } from '../../helper/certificate.ts'
import { auditRowOf, front, P } from '../../helper/fronts.ts'
import { AnswerReader, requestBytes, talk, type RawAnswer } from '../../helper/raw-http.ts'
import { embedded, FLOW, newCaller, start } from '../../helper/service.ts'

const MIB = 1024 * 1024
const BODY_BYTES_MAX = 10 * MIB
const POLICIES = `${P}/governance/policies`
const EVALUATE = `${P}/evaluate`
const HEALTH = `${P}/governance/health`

const stores = embedded()
// Deadlines short enough for a test; their defaults are held to docs/operations.md in test/config.test.ts.
const { runtime, url } = await start(stores, { RUN_WORKER: 'false', HEADERS_TIMEOUT_MS: '200', BODY_DEADLINE_MS: '300', REQUEST_TIMEOUT_MS: '600' })
t.teardown(async () => {
  await runtime.close()
  await stores.drop()
})
const { watermark: secret } = runtime.config.secrets
const caller = await newCaller(runtime, { permissions: ['admin'], rpm: 100_000, rph: 100_000 })
const limitsOf = async (): Promise<number> => (await talk(url, requestBytes('GET', POLICIES, { caller }))).answers[0]?.headers['x-ratelimit-remaining'] as unknown as number

function expectRefusal (t: Test, answer: RawAnswer | undefined, code: ErrorCode, name = '', key = secret): void {
  const { status, sentence } = ERROR_CATALOGUE[code]
  const mark = answer?.headers['x-fb-watermark'] ?? ''
  t.match(answer, { status, body: { ok: false, error: sentence, code, meta: { watermark: mark } }, headers: { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', 'content-type': 'application/json; charset=utf-8' } }, `${name}: ${code}`)
  t.ok(verifyWatermark(mark, key), `${name}: a watermark of this service`)
}

/** One with the usual deadlines, for bodies whose bytes take a while on a busy machine. */
async function patient (t: Test) {
  const own = embedded()
  const { runtime, url } = await start(own, { RUN_WORKER: 'false' })
  t.teardown(async () => {
    await runtime.close()
    await own.drop()
  })
  return { runtime, url, caller: await newCaller(runtime, { permissions: ['admin'], rpm: 100_000, rph: 100_000 }), secret: runtime.config.secrets.watermark }
}

let submitted = 0
const evaluation = (): string => JSON.stringify({ blueprints: [{ id: `a${++submitted}`, blueprint: FLOW }] })
const chunked = (body: string, size: (bytes: number) => string, end = '0\r\n\r\n'): string => `${size(Buffer.byteLength(body))}\r\n${body}\r\n${end}`
const hex = (bytes: number): string => bytes.toString(16)

t.test('framing that two parsers could read differently is refused, and the connection ends with the answer', async (t) => {
  const body = evaluation()
  const post = (headers: string[], sent: string, version = 'HTTP/1.1'): string => requestBytes('POST', EVALUATE, { caller, body, headers, version }) + (headers.some((line) => line.startsWith('Transfer-Encoding')) ? sent : '')
  const get = (...headers: string[]): string => requestBytes('GET', POLICIES, { caller, headers })
  const good = chunked(body, hex)
  const cases: Record<string, string> = {
    'a length and chunks': post([`Content-Length: ${body.length}`, 'Transfer-Encoding: chunked'], good),
    'chunks and a length': post(['Transfer-Encoding: chunked', `Content-Length: ${body.length}`], good),
    'gzip, chunked': post(['Transfer-Encoding: gzip, chunked'], good),
    'chunked, chunked': post(['Transfer-Encoding: chunked, chunked'], good),
    'chunked twice': post(['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], good),
    identity: post(['Transfer-Encoding: identity'], good),
    'chunked, identity': post(['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'], good),
    xchunked: post(['Transfer-Encoding: xchunked'], good),
    'chunked behind a vertical tab': post(['Transfer-Encoding: \x0bchunked'], good),
    'an empty transfer coding': post(['Transfer-Encoding: '], good),
    'chunks in HTTP/1.0': post(['Transfer-Encoding: chunked'], good, 'HTTP/1.0'),
    'a folded header': get('X-A: b\r\n c'),
    'a folded length': post([`Content-Length:\r\n ${body.length}`], ''),
    'a blank before the colon': get('X-A : b'),
    'a blank before the colon of the length': post(['Content-Length : 5'], ''),
    'a blank in a name': get('X A: b'),
    'a name that is empty': get(': b'),
    'a line without a colon': get('abc'),
    'NUL in a value': get('X-A: a\0b'),
    'a line feed alone': requestBytes('GET', POLICIES, { caller }).replaceAll('\r\n', '\n'),
    'a line feed alone in one header': get('X-A: b\nX-B: c'),
    'a carriage return alone': get('X-A: b\rX-B: c'),
    'two lengths': post([`Content-Length: ${body.length}`, `Content-Length: ${body.length}`], ''),
    'two lengths that differ': post([`Content-Length: ${body.length}`, 'Content-Length: 3'], ''),
    'a list of lengths': post([`Content-Length: ${body.length}, ${body.length}`], ''),
    'a length below nothing': post(['Content-Length: -2'], ''),
    'a length with a plus': post([`Content-Length: +${body.length}`], ''),
    'a length in hex': post(['Content-Length: 0x2'], ''),
    'a length with a leading nought': post([`Content-Length: 0${body.length}`], ''),
    'a length that is empty': post(['Content-Length: '], ''),
    'a length beyond all bounds': post(['Content-Length: 99999999999999999999999'], ''),
    'a chunk whose size is no number': post(['Transfer-Encoding: chunked'], chunked(body, () => 'zz')),
    'a chunk below nothing': post(['Transfer-Encoding: chunked'], chunked(body, () => '-2')),
    'a chunk with 0x': post(['Transfer-Encoding: chunked'], chunked(body, (bytes) => `0x${hex(bytes)}`)),
    'a chunk beyond all bounds': post(['Transfer-Encoding: chunked'], chunked(body, () => 'f'.repeat(18))),
    'a chunk line that ends in a line feed': post(['Transfer-Encoding: chunked'], good.replace('\r\n', '\n')),
    'a chunk longer than it says': post(['Transfer-Encoding: chunked'], chunked(body, (bytes) => hex(bytes - 1))),
    'a body on GET': get('Content-Length: 2') + '{}',
    'chunks on GET': get('Transfer-Encoding: chunked') + good,
    'a body on DELETE': requestBytes('DELETE', `${P}/webhooks/x`, { caller, headers: ['Content-Length: 2'] }) + '{}',
    'no host': requestBytes('GET', POLICIES, { caller, host: null }),
    'a host that is empty': requestBytes('GET', POLICIES, { caller, host: '' }),
    'a host with a path': requestBytes('GET', POLICIES, { caller, host: 'api.test/x' }),
    'a host with a user': requestBytes('GET', POLICIES, { caller, host: 'a@api.test' }),
    'HTTP/2.0': requestBytes('GET', POLICIES, { caller, version: 'HTTP/2.0' }),
    'HTTP/1.2': requestBytes('GET', POLICIES, { caller, version: 'HTTP/1.2' }),
    'HTTP/0.9 with headers': requestBytes('GET', POLICIES, { caller, version: 'HTTP/0.9' }),
    'the preface of HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'another expectation': post(['Expect: 200-ok'], ''),
    'the greeting of TLS': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    'another protocol': 'EHLO mail.example\r\n',
    'blanks in the target': `GET ${HEALTH} x HTTP/1.1\r\nHost: a\r\n\r\n`
  }
  for (const name of ['Authorization', 'X-FB-Signature', 'Host', 'Content-Type', 'Content-Length']) {
    const lines = requestBytes('POST', EVALUATE, { caller, body }).split('\r\n')
    const index = lines.findIndex((line) => line.toLowerCase().startsWith(`${name.toLowerCase()}:`))
    const repeated = lines[index] ?? ''
    for (const [how, line] of [['the same', repeated], ['another', `${name}: 1`], ['in other letters', repeated.replace(name, name.toUpperCase())]] as const) {
      cases[`${name} twice, ${how}`] = lines.toSpliced(index + 1, 0, line).join('\r\n')
    }
  }
  const before = await limitsOf()
  for (const [name, bytes] of Object.entries(cases)) {
    const { answers, rest, end } = await talk(url, bytes, { untilClosed: true })
    t.same([answers.length, rest, end], [1, '', 'closed'], `${name}: one answer, then the end`)
    expectRefusal(t, answers[0], 'malformed_request', name)
    t.equal(answers[0]?.headers['connection'], 'close', name)
  }
  const bodiesRead = Object.keys(cases).filter((name) => name.startsWith('a chunk ')).length
  t.comment(`${Object.keys(cases).length} cases, ${bodiesRead} of them found in the body`)
  t.equal(Number(await limitsOf()), before - 1, 'none of them spent anything')
})

t.test('after a request whose end is in doubt nothing of its connection is taken, however it was packed', async (t) => {
  const target = `${P}/webhooks`
  const body = '{"url":"http://127.0.0.1:9/smuggled","events":["evaluation.complete"]}'
  const smuggled = requestBytes('POST', target, { caller, body })
  const fronts = [requestBytes('GET', POLICIES, { caller, headers: [`Content-Length: ${body.length}`] }), requestBytes('GET', POLICIES, { caller, headers: ['Transfer-Encoding: chunked'] }) + '0\r\n\r\n', requestBytes('GET', POLICIES, { caller, headers: ['Host: b'] }), requestBytes('POST', EVALUATE, { caller, headers: ['Content-Length: 0', 'Transfer-Encoding: chunked'] }) + '0\r\n\r\n']
  for (const front of fronts) {
    const { answers } = await talk(url, front + smuggled, { untilClosed: true })
    t.same(answers.map(({ status }) => status), [400], 'the second never gets an answer')
  }
  const list = await talk(url, requestBytes('GET', target, { caller }))
  t.same(list.answers[0]?.body.data.webhooks ?? list.answers[0]?.body.data.subscriptions, [], 'and was never carried out')
})

t.test('what RFC 9112 lets a client write is understood', async (t) => {
  const cases: Record<string, string> = {
    'a length of nothing on GET': requestBytes('GET', POLICIES, { caller, headers: ['Content-Length: 0'] }),
    'chunks with extensions, which a recipient ignores': requestBytes('POST', EVALUATE, { caller, body: evaluation(), headers: ['Transfer-Encoding: chunked'] }) + chunked(JSON.stringify({ blueprints: [{ id: `a${submitted}`, blueprint: FLOW }] }), (bytes) => `${hex(bytes)};name=value`),
    'chunked in capitals': requestBytes('POST', EVALUATE, { caller, body: evaluation(), headers: ['Transfer-Encoding: CHUNKED'] }) + chunked(JSON.stringify({ blueprints: [{ id: `a${submitted}`, blueprint: FLOW }] }), hex),
    'trailers, which are not headers': requestBytes('POST', EVALUATE, { caller, body: evaluation(), headers: ['Transfer-Encoding: chunked', 'Trailer: Authorization'] }) + chunked(JSON.stringify({ blueprints: [{ id: `a${submitted}`, blueprint: FLOW }] }), hex, '0\r\nAuthorization: Bearer x\r\nX-FB-Signature: t=1\r\n\r\n'),
    'an offer to upgrade, which is declined by an ordinary answer': requestBytes('GET', POLICIES, { caller, headers: ['Connection: upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=='] }),
    'an offer of h2c': requestBytes('GET', POLICIES, { caller, headers: ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA'] }),
    'HTTP/1.0, as some proxies still speak it': requestBytes('GET', POLICIES, { caller, version: 'HTTP/1.0' }),
    'an empty line before the request': `\r\n${requestBytes('GET', POLICIES, { caller })}`
  }
  for (const [name, bytes] of Object.entries(cases)) {
    const { answers } = await talk(url, bytes)
    t.equal(answers[0]?.status, 200, `${name}: ${answers[0]?.text.slice(0, 200) ?? 'no answer'}`)
    t.ok(verifyWatermark(answers[0]?.headers['x-fb-watermark'] ?? '', secret), name)
  }
})

t.test('headers and targets have caps, each with its answer', async (t) => {
  const lines = (count: number): string[] => Array.from({ length: count }, (_, n) => `X-${n}: 1`)
  // Host and the two that sign the request are lines too.
  const cases: Array<[string, string, number, ErrorCode?]> = [
    ['100 header lines', requestBytes('GET', POLICIES, { caller, headers: lines(97) }), 200],
    ['101 header lines', requestBytes('GET', POLICIES, { caller, headers: lines(98) }), 431, 'headers_too_large'],
    ['more header lines than Node keeps', requestBytes('GET', POLICIES, { caller, headers: Array.from({ length: 2500 }, () => 'A: 1') }), 431, 'headers_too_large'],
    ['a length behind more lines than Node keeps', requestBytes('POST', EVALUATE, { caller, headers: [...Array.from({ length: 2500 }, () => 'A: 1'), 'Content-Length: 2'] }), 431, 'headers_too_large'],
    ['12 KB of headers', requestBytes('GET', POLICIES, { caller, headers: [`X-A: ${'a'.repeat(12_000)}`] }), 200],
    ['20 KB of headers', requestBytes('GET', POLICIES, { caller, headers: [`X-A: ${'a'.repeat(20_000)}`] }), 431, 'headers_too_large'],
    ['a header without an end', `GET ${POLICIES} HTTP/1.1\r\nHost: a\r\nX-A: ${'a'.repeat(60_000)}`, 431, 'headers_too_large'],
    ['a target of 8192', requestBytes('GET', `${POLICIES}?${'a'.repeat(8191 - POLICIES.length)}`, { caller }), 200],
    ['a target of 8193', requestBytes('GET', `${POLICIES}?${'a'.repeat(8192 - POLICIES.length)}`, { caller }), 414, 'uri_too_long'],
    ['a target of 60 KB', `GET /${'a'.repeat(60_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414, 'uri_too_long'],
    ['a record id of 3000', requestBytes('GET', `${P}/evaluations/${'a'.repeat(3000)}`, { caller }), 404, 'not_found']
  ]
  for (const [name, bytes, status, code] of cases) {
    const { answers } = await talk(url, bytes)
    t.equal(answers[0]?.status, status, `${name}: ${answers[0]?.text.slice(0, 200) ?? 'no answer'}`)
    if (code !== undefined) expectRefusal(t, answers[0], code, name)
  }
  const extended = requestBytes('POST', EVALUATE, { caller, body: evaluation(), headers: ['Transfer-Encoding: chunked'] }) + `2;${'a'.repeat(20_000)}\r\n`
  expectRefusal(t, (await talk(url, extended)).answers[0], 'payload_too_large', '20 KB of chunk extensions')
})

t.test('methods: whatever a path does not have is refused with 405 and Allow, and has no effect', async (t) => {
  const token = `${P}/results/eyJhbGciOiJIUzI1NiJ9.e30.x`
  for (const method of ['HEAD', 'OPTIONS', 'TRACE', 'PUT', 'PATCH', 'DELETE', 'PROPFIND', 'QUERY', 'PURGE', 'M-SEARCH', 'LINK']) {
    for (const path of [HEALTH, POLICIES, token]) {
      const { answers: [answer] } = await talk(url, requestBytes(method, path, { caller }), { methods: [method] })
      t.match([answer?.status, answer?.headers['allow']], [405, 'GET'], `${method} ${path}`)
      t.ok(verifyWatermark(answer?.headers['x-fb-watermark'] ?? '', secret))
      if (method !== 'HEAD') expectRefusal(t, answer, 'method_not_allowed', method)
    }
    const { answers: [elsewhere] } = await talk(url, requestBytes(method, '/elsewhere'), { methods: [method] })
    t.equal(elsewhere?.status, 404, `${method} of an unknown path`)
  }
  for (const bytes of [requestBytes('BREW', POLICIES, { caller }), requestBytes('get', POLICIES, { caller }), 'CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n\r\n']) {
    const { answers, end } = await talk(url, bytes, { untilClosed: true })
    expectRefusal(t, answers[0], 'method_not_allowed', bytes.slice(0, 8))
    t.same([answers.length, answers[0]?.headers['allow'], end], [1, 'GET, POST, PATCH, DELETE', 'closed'])
  }
})

t.test('a body on a path that is open to everybody is never read', async (t) => {
  for (const path of [HEALTH, '/elsewhere']) {
    const { answers } = await talk(url, `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${BODY_BYTES_MAX}\r\n\r\n{"not json`)
    t.equal(answers[0]?.status, path === HEALTH ? 405 : 404, `${path}: answered before its body came`)
  }
})

t.test('slow headers are cut with 408', async (t) => {
  const head = requestBytes('GET', POLICIES, { caller })
  for (const [name, bytes] of [['nothing at all', ''], ['half a request line', 'GET /api'], ['no end of the headers', head.slice(0, -2)]] as const) {
    const { answers, end } = await talk(url, bytes, { untilClosed: true })
    t.same([answers.length, end], [1, 'closed'], name)
    expectRefusal(t, answers[0], 'request_timeout', name)
  }
  const dripping = await talk(url, head.slice(0, -2), { untilClosed: true, onSocket: (socket) => { const timer = setInterval(() => socket.write('X-Slow: 1\r\n'), 40); socket.once('close', () => clearInterval(timer)) } })
  expectRefusal(t, dripping.answers[0], 'request_timeout', 'a header line from time to time')
})

t.test('a slow body is cut with 408, and a caller who is known finds that in the audit trail', async (t) => {
  const body = evaluation()
  for (const [name, bytes] of [['with a length', requestBytes('POST', EVALUATE, { caller, body }).slice(0, -10)], ['in chunks', requestBytes('POST', EVALUATE, { caller, body, headers: ['Transfer-Encoding: chunked'] }) + chunked(body, hex, '')]] as const) {
    const { answers, end } = await talk(url, bytes, { untilClosed: true })
    t.same([answers.length, end], [1, 'closed'], name)
    expectRefusal(t, answers[0], 'request_timeout', name)
    const row = await auditRowOf(runtime, { status: 408, headers: new Headers(answers[0]?.headers), body: {} })
    t.match(row, { status: 408, code: 'request_timeout', keyId: caller.keyId }, name)
  }
  const strange = requestBytes('POST', EVALUATE, { body }).slice(0, -10)
  const { answers, end } = await talk(url, strange, { untilClosed: true })
  t.same([answers.map(({ status }) => status), end], [[401], 'closed'], 'a stranger is refused at once, and cut when the time is over without a second answer')
})

t.test('413: a length over the limit is refused before the body is read, chunks are cut at the limit, and the client sees the answer', async (t) => {
  const { runtime, url, caller, secret } = await patient(t)
  const read: number[] = []
  runtime.app.server.on('connection', (socket) => socket.on('close', () => read.push(socket.bytesRead)))
  const filler = 'x'.repeat(MIB)
  const declared = await talk(url, [requestBytes('POST', EVALUATE, { caller, body: '{}', headers: [`Content-Length: ${BODY_BYTES_MAX + 1}`] })])
  expectRefusal(t, declared.answers[0], 'payload_too_large', 'before a byte of it', secret)
  for (const framing of ['Transfer-Encoding: chunked', `Content-Length: ${14 * MIB}`]) {
    const isChunked = framing.startsWith('T')
    const parts = Array.from({ length: 14 }, () => isChunked ? `${hex(MIB)}\r\n${filler}\r\n` : filler)
    const head = requestBytes('POST', EVALUATE, { caller, headers: [framing] })
    const whole = await talk(url, [head, ...parts], { untilClosed: true })
    t.equal(whole.answers.length, 1, 'the answer survives that the client was still sending')
    expectRefusal(t, whole.answers[0], 'payload_too_large', framing, secret)
  }
})

t.test('413: eight bodies of 32 MiB at once, from strangers, are not held in memory', async (t) => {
  const { url } = await patient(t)
  const piece = Buffer.from(`${hex(MIB)}\r\n${'x'.repeat(MIB)}\r\n`)
  const before = process.memoryUsage().arrayBuffers
  let most = 0
  const upload = async (head: string): Promise<number[]> => (await talk(url, head, {
    untilClosed: true,
    onSocket (socket) {
      let sent = 0
      const more = (): void => {
        most = Math.max(most, process.memoryUsage().arrayBuffers - before)
        while (sent < 32 && !socket.destroyed) {
          sent++
          if (!socket.write(piece)) return
        }
      }
      socket.on('drain', more)
      setImmediate(more)
    }
  })).answers.map(({ status }) => status)
  const strangers = await Promise.all(Array.from({ length: 8 }, () => upload(requestBytes('POST', EVALUATE, { headers: ['Transfer-Encoding: chunked'] }))))
  t.ok(strangers.every((statuses) => statuses[0] === 401 && statuses.length === 1), 'strangers are refused')
  t.ok(most < 128 * MIB, `${Math.round(most / MIB)} MiB held for strangers`)
})

t.test('Expect: 100-continue is answered only when the body is wanted', async (t) => {
  const body = evaluation()
  const head = (who: typeof caller | undefined, text = body): string => requestBytes('POST', EVALUATE, { ...(who === undefined ? {} : { caller: who }), body: text, headers: ['Expect: 100-continue', `Content-Length: ${text.length}`] }).slice(0, -text.length)
  const good = await talk(url, head(caller), { onSocket: (socket) => socket.once('data', () => socket.write(body)) })
  t.same(good.answers.map(({ status }) => status), [100, 200])
  for (const [name, bytes, status] of [['no key', head(undefined), 401], ['no signature', head(caller).replace(/x-fb-signature: .*\r\n/i, ''), 403], ['a signature of long ago', head(caller).replace(/t=\d+/, 't=1'), 403], ['too large', head(caller).replace(/Content-Length: \d+/, `Content-Length: ${BODY_BYTES_MAX + 1}`), 413]] as const) {
    const { answers, end } = await talk(url, bytes, { untilClosed: true })
    t.same([answers.map((one) => one.status), end], [[status], 'closed'], `${name}: refused without being asked for the body`)
  }
})

t.test('pipelining: answers come in order, each caller gets its own, and a refused request does not poison the next', async (t) => {
  const others = await Promise.all(Array.from({ length: 3 }, () => newCaller(runtime, { rpm: 1000, rph: 10_000 })))
  const good = (who: typeof caller): string => requestBytes('GET', `${P}/scenarios`, { caller: who })
  const steps: Array<[bytes: string, status: number, who: typeof caller | null]> = []
  for (const [n, who] of [...others, ...others, ...others].entries()) {
    steps.push([good(who), 200, who])
    steps.push(([[requestBytes('GET', POLICIES), 401, null], [requestBytes('GET', `${P}/nothing`, { caller: who }), 404, who], [requestBytes('GET', `${P}//x`, { caller: who }), 400, null], [requestBytes('POST', EVALUATE, { caller: who, body: '{"x":1}' }), 400, who],
      [requestBytes('PUT', EVALUATE, { caller: who, body: '{}' }), 405, who], [requestBytes('POST', EVALUATE, { body: '{"unread":"body of a stranger"}' }), 401, null], [requestBytes('GET', '/elsewhere'), 404, null], [requestBytes('POST', EVALUATE, { caller: who, body: '{}' }).replace('{}', '{ '), 403, who], [requestBytes('GET', `${P}/evaluations/a.b`, { caller: who }), 400, who]] as Array<[string, number, typeof caller | null]>)[n] ?? [good(who), 200, who])
  }
  const { answers, rest } = await talk(url, steps.map(([bytes]) => bytes).join(''), { awaited: steps.length })
  t.same(answers.map(({ status }) => status), steps.map(([, status]) => status))
  t.equal(rest, '')
  const marks = new Set(answers.map(({ headers }) => headers['x-fb-watermark'] ?? ''))
  t.equal(marks.size, steps.length, 'every answer has a watermark of its own')
  for (const [n, answer] of answers.entries()) {
    const row = await auditRowOf(runtime, { status: answer.status, headers: new Headers(answer.headers), body: {} })
    t.equal(row?.keyId ?? null, steps[n]?.[2]?.keyId ?? null, `answer ${n} belongs to its caller`)
  }
})

t.test('pipelining: bytes that are not HTTP are answered after the requests before them', async (t) => {
  for (const garbage of ['\x00\x01\x02garbage\r\n\r\n', 'GET / HTTP/9.9\r\n\r\n', 'BREW / HTTP/1.1\r\n\r\n', 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n', `GET /${'a'.repeat(30_000)}`]) {
    const { answers, end } = await talk(url, requestBytes('GET', `${P}/scenarios`, { caller }).repeat(5) + garbage, { untilClosed: true })
    t.same(answers.slice(0, 5).map(({ status }) => status), [200, 200, 200, 200, 200], 'five whole answers')
    t.ok(answers.length === 6 && (answers[5]?.status ?? 0) >= 400 && verifyWatermark(answers[5]?.headers['x-fb-watermark'] ?? '', secret), `then ${answers[5]?.status ?? 'none'}`)
    t.equal(end, 'closed')
  }
})

const pair = selfSigned()

t.test('over TLS: the same deadlines and answers, Strict-Transport-Security on all of them', { skip: pair === null ? 'no openssl makes a certificate here' : false }, async (t) => {
  if (pair === null) return
  const { cert, key } = pair
  const secure = await front(t, runtime, { tlsCertPath: cert, tlsKeyPath: key })
  const say = async (bytes: string): Promise<RawAnswer[]> => await new Promise((resolve) => {
    const reader = new AnswerReader()
    const socket = connectTls({ port: Number(new URL(secure).port), host: '127.0.0.1', ca: readFileSync(cert), servername: 'api.test', checkServerIdentity: () => undefined }, () => socket.write(Buffer.from(bytes, 'latin1')))
    socket.on('data', (chunk: Buffer) => reader.push(chunk)).on('error', () => {}).on('close', () => resolve(reader.answers))
  })
  for (const [name, bytes, status] of [['health', `GET ${HEALTH} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`, 200], ['no headers', 'GET', 408], ['garbage', '\x01\x02\r\n\r\n', 400], ['a body on GET', `GET ${HEALTH} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}`, 400]] as const) {
    const answers = await say(bytes)
    t.same(answers.map((one) => [one.status, one.headers['strict-transport-security']]), [[status, 'max-age=31536000; includeSubDomains']], name)
  }
  const plain = await talk(secure, requestBytes('GET', HEALTH), { untilClosed: true })
  t.same(plain.answers, [], 'plain HTTP on that port gets nothing')
})

t.test('an edge with impossible deadlines is not built', async (t) => {
  const handler = (): void => {}
  t.throws(() => createEdgeServer(handler, { watermarkSecret: secret, headersTimeoutMs: 0 }), /headersTimeout/)
  t.throws(() => createEdgeServer(handler, { watermarkSecret: secret, headersTimeoutMs: 2000, requestTimeoutMs: 1000 }), /deadline/)
})
