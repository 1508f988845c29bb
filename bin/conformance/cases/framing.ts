/** The edge where bytes become requests: messages that two programs on the way would end at different places. */
import type { AttackCase } from '../definition.ts'
import { nothingCarriedOut, turnedAway } from '../expect.ts'
import type { Lab } from '../lab.ts'

type Lines = readonly string[]

/** Header lines of an open GET, or where nothing is open of any GET; a right service refuses each of these for its framing alone. */
const HEADERS: ReadonlyArray<[string, string, Lines, string]> = [
  ['FRM-001', 'a body on GET', ['Content-Length: 5'], 'hello'],
  ['FRM-002', 'a chunked body on GET', ['Transfer-Encoding: chunked'], '5\r\nhello\r\n0\r\n\r\n'],
  ['FRM-003', 'a length and a transfer coding', ['Content-Length: 5', 'Transfer-Encoding: chunked'], '0\r\n\r\n'],
  ['FRM-004', 'a transfer coding and a length', ['Transfer-Encoding: chunked', 'Content-Length: 5'], '0\r\n\r\n'],
  ['FRM-005', 'a coding other than chunked', ['Transfer-Encoding: gzip, chunked'], '0\r\n\r\n'],
  ['FRM-006', 'chunked that is not last', ['Transfer-Encoding: chunked, identity'], '0\r\n\r\n'],
  ['FRM-007', 'a coding that is nearly chunked', ['Transfer-Encoding: xchunked'], '0\r\n\r\n'],
  ['FRM-008', 'a blank before the colon', ['Transfer-Encoding : chunked'], '0\r\n\r\n'],
  ['FRM-009', 'a vertical tab before chunked', ['Transfer-Encoding: \x0bchunked'], '0\r\n\r\n'],
  ['FRM-010', 'a length with a sign', ['Content-Length: +5'], 'hello'],
  ['FRM-011', 'a negative length', ['Content-Length: -5'], 'hello'],
  ['FRM-012', 'a length in hexadecimal', ['Content-Length: 0x5'], 'hello'],
  ['FRM-013', 'a list of lengths', ['Content-Length: 5, 5'], 'hello'],
  ['FRM-014', 'a length beyond all bounds', ['Content-Length: 99999999999999999999'], 'hello'],
  ['FRM-015', 'a header folded over two lines', ['X-Folded: a\r\n b'], ''],
  ['FRM-016', 'a bare line feed between headers', ['X-One: a\nX-Two: b'], ''],
  ['FRM-017', 'a bare carriage return in a value', ['X-One: a\rX-Two: b'], ''],
  ['FRM-018', 'NUL in a value', ['X-One: a\0b'], ''],
  ['FRM-019', 'a blank in a name', ['X One: a'], ''],
  ['FRM-020', 'a line without a colon', ['no colon here'], ''],
  ['FRM-021', 'a header without a name', [': a'], ''],
  ['FRM-022', 'an expectation that is none', ['Expect: the-unexpected'], '']
]

const LINES: ReadonlyArray<[string, string, (lab: Lab) => Buffer]> = [
  ['FRM-030', 'no Host', (lab) => lab.bytes({ host: null, key: null })],
  ['FRM-031', 'a Host that is none', (lab) => lab.bytes({ host: 'a b', key: null })],
  ['FRM-032', 'a Host with a path', (lab) => lab.bytes({ host: 'a.example/b', key: null })],
  ['FRM-033', 'a Host with a user', (lab) => lab.bytes({ host: 'user@a.example', key: null })],
  ['FRM-034', 'HTTP/2.0 in a request line', (lab) => lab.bytes({ version: 'HTTP/2.0', key: null })],
  ['FRM-035', 'HTTP/1.2', (lab) => lab.bytes({ version: 'HTTP/1.2', key: null })],
  ['FRM-036', 'HTTP/0.9 with a version', (lab) => lab.bytes({ version: 'HTTP/0.9', key: null })],
  ['FRM-037', 'chunks in HTTP/1.0', (lab) => lab.bytes({ method: 'POST', path: lab.postPath, version: 'HTTP/1.0', key: null, body: '{}', isChunked: true })],
  ['FRM-038', 'no target', () => Buffer.from('GET HTTP/1.1\r\nHost: a\r\n\r\n')],
  ['FRM-039', 'bytes that are no HTTP', () => Buffer.from('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n', 'latin1')],
  ['FRM-040', 'a line of another protocol', () => Buffer.from('EHLO example.test\r\n\r\n')]
]

const SMUGGLED = (lab: Lab): string => `GET ${lab.settings.paths.openPath ?? lab.getPath} HTTP/1.1\r\nHost: a\r\n\r\n`

/** Each hides a request in what one reader takes for a body. */
const SMUGGLING: ReadonlyArray<[string, string, (lab: Lab) => string]> = [
  ['FRM-050', 'CL.TE: a request behind the last chunk', (lab) => `POST ${lab.postPath} HTTP/1.1\r\nHost: a\r\nContent-Length: ${5 + SMUGGLED(lab).length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED(lab)}`],
  ['FRM-051', 'TE.CL: a request within a chunk', (lab) => `POST ${lab.postPath} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n${SMUGGLED(lab).length.toString(16)}\r\n${SMUGGLED(lab)}\r\n0\r\n\r\n`],
  ['FRM-052', 'TE.TE: a coding that one reader does not see', (lab) => `POST ${lab.postPath} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-encoding: cow\r\n\r\n0\r\n\r\n${SMUGGLED(lab)}`],
  ['FRM-053', 'a request in the body of a GET', (lab) => `GET ${lab.getPath} HTTP/1.1\r\nHost: a\r\nContent-Length: ${SMUGGLED(lab).length}\r\n\r\n${SMUGGLED(lab)}`],
  ['FRM-054', 'a request behind a broken chunk size', (lab) => `POST ${lab.postPath} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n${SMUGGLED(lab)}`],
  ['FRM-055', 'a chunk size that overflows', (lab) => `POST ${lab.postPath} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff0\r\n${SMUGGLED(lab)}`],
  ['FRM-056', 'a request behind a header that is none', (lab) => `GET ${lab.getPath} HTTP/1.1\r\nHost: a\r\nbroken header\r\n\r\n${SMUGGLED(lab)}`],
  ['FRM-057', 'a request behind two Host headers', (lab) => `GET ${lab.getPath} HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n${SMUGGLED(lab)}`]
]

export const framingCases: AttackCase[] = [
  ...HEADERS.map(([id, title, lines, body]): AttackCase => ({
    id,
    parts: ['transport'],
    threats: ['token-replay'],
    title: `framing: ${title}`,
    expected: '400 (or 417), or the connection ends',
    attack: async (lab) => {
      const head = lab.bytes({ key: null, path: lab.settings.paths.openPath ?? lab.getPath, headers: lines })
      const { answers } = await lab.say(Buffer.concat([head, Buffer.from(body, 'latin1')]))
      return turnedAway(answers[0] ?? null, 400, 413, 417, 431)
    }
  })),
  ...LINES.map(([id, title, bytes]): AttackCase => ({
    id,
    parts: ['transport'],
    threats: ['token-replay'],
    title: `request line: ${title}`,
    expected: '400 or 505, or the connection ends',
    ...(id === 'FRM-037' ? { needs: ['a signed POST'] } : {}),
    attack: async (lab) => {
      const { answers } = await lab.say(bytes(lab))
      return turnedAway(answers[0] ?? null, 400, 505)
    }
  })),
  ...SMUGGLING.map(([id, title, text]): AttackCase => ({
    id,
    parts: ['transport'],
    threats: ['key-sharing-across-organizations', 'token-replay'],
    title: `smuggling: ${title}`,
    expected: 'refused, and what is hidden is never carried out',
    needs: ['a signed POST'],
    attack: async (lab) => nothingCarriedOut(await lab.say(Buffer.from(text(lab), 'latin1'), { untilClosed: true, deadlineMs: 2000 }))
  }))
]
