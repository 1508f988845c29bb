/** A request as its bytes stood on the wire, read for `fb doctor`. What it does not understand it refuses: a guess would explain another request. */
import { OperationError } from '../../evaluation/operator.ts'

const REQUEST_LINE = /^([A-Za-z]+) (\S+) HTTP\/[123](?:\.\d)?$/
const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/

export interface DumpedRequest {
  method: string
  target: string
  /** By lower-case name; the service refuses what it asks for twice. */
  headers: ReadonlyMap<string, string>
  body: Buffer
}

/** Reads one HTTP/1.1 request: request line, headers, an empty line, the body. Line ends may be LF. Throws a usage error with the reason. */
export function readDump (bytes: Buffer): DumpedRequest {
  const [, head = '', gap = ''] = /^([\s\S]*?)(\r?\n\r?\n|\r?\n?$)/.exec(bytes.toString('latin1')) ?? []
  const rest = bytes.subarray(head.length + gap.length)
  const [first = '', ...lines] = head.split(/\r?\n/)
  const [, method = '', target = ''] = REQUEST_LINE.exec(first) ?? []
  if (method === '') throw unreadable('its first line must be a request line, such as POST /api/public/v1/evaluate HTTP/1.1')
  if (!/^\/[\x21-\x7e]*$/.test(target)) throw unreadable('its target must be a path, with its query, as it was sent')
  const headers = readHeaders(lines)
  return { method, target, headers, body: bodyOf(rest, headers) }
}

function readHeaders (lines: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>()
  for (const [index, line] of lines.entries()) {
    const [, name = '', value = ''] = FIELD.exec(line) ?? []
    if (name === '') throw unreadable(`line ${index + 2} is no header`)
    const key = name.toLowerCase()
    if (headers.has(key) && ['authorization', 'x-fb-signature', 'content-length'].includes(key)) throw unreadable(`it has ${name} twice, which the service refuses with 400`)
    headers.set(key, value)
  }
  return headers
}

function bodyOf (rest: Buffer, headers: ReadonlyMap<string, string>): Buffer {
  if (headers.has('transfer-encoding')) throw unreadable('its body is chunked; write the body as it is before chunking, with Content-Length instead of Transfer-Encoding')
  const declared = headers.get('content-length')
  const isBlank = (bytes: Buffer): boolean => /^[\r\n]*$/.test(bytes.toString('latin1'))
  if (declared === undefined) {
    if (!isBlank(rest)) throw unreadable('it has a body and no Content-Length; add the header with the number of bytes that were sent')
    return Buffer.alloc(0)
  }
  if (!/^\d{1,9}$/.test(declared)) throw unreadable('its Content-Length is no number')
  const length = Number(declared)
  if (rest.length < length) throw unreadable(`its body has ${rest.length} bytes, and Content-Length says ${length}: it was cut, or its line ends were changed`)
  // An editor ends a file with a line break that was never sent.
  if (!isBlank(rest.subarray(length))) throw unreadable(`its body has ${rest.length} bytes, and Content-Length says ${length}`)
  return rest.subarray(0, length)
}

function unreadable (reason: string): OperationError {
  return new OperationError('usage', `the request cannot be read: ${reason}`)
}
