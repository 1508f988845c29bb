/** Bytes over sockets of their own: what a client library would tidy is sent as it stands, and every answer is read as it comes. */
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

const DEADLINE_MS = 5000
const HEAD_END = '\r\n\r\n'

export interface Answer {
  status: number
  /** Names in lower case; of a header sent twice both values, separated by a line end. */
  headers: Readonly<Record<string, string>>
  text: string
  /** The body when it is a JSON object, otherwise null. */
  body: Readonly<Record<string, unknown>> | null
}

export interface Conversation {
  answers: Answer[]
  /** `open` when all awaited answers had come or the deadline passed. */
  end: 'open' | 'closed' | 'reset'
}

export interface SayOptions {
  /** Leaves once so many final answers have come. Default 1. */
  awaited?: number
  /** Waits for the end of the connection, at most `deadlineMs`. Default false. */
  untilClosed?: boolean
  /** The first request is a HEAD, so its answer has no body. Default false. */
  isHead?: boolean
  /** Default 5000. */
  deadlineMs?: number
}

/** Says bytes to a server over a new connection and returns what it answered. Rejects when nothing can be connected to. */
export async function say (target: URL, bytes: Buffer, options: SayOptions = {}): Promise<Conversation> {
  const { awaited = 1, untilClosed = false, isHead = false, deadlineMs = DEADLINE_MS } = options
  return await new Promise((resolve, reject) => {
    const reader = new AnswerReader(isHead)
    let end: Conversation['end'] = 'open'
    let isConnected = false
    const socket = dial(target, () => {
      isConnected = true
      socket.write(bytes)
    })
    const timer = setTimeout(() => socket.destroy(), deadlineMs)
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => {
      reader.push(chunk)
      if (!untilClosed && reader.finals >= awaited) socket.destroy()
    })
    socket.on('end', () => { end = 'closed' })
    socket.on('error', (err) => {
      if (!isConnected) reject(err)
      end = 'reset'
    })
    socket.on('close', () => {
      clearTimeout(timer)
      reader.finish()
      resolve({ answers: reader.answers.filter(({ status }) => status >= 200), end })
    })
  })
}

/** TLS certificates are not judged: services under test often have their own; the report says what was spoken to. */
function dial (target: URL, onConnect: () => void): Socket {
  const host = target.hostname.replace(/^\[|\]$/g, '')
  const isTls = target.protocol === 'https:'
  const port = Number(target.port === '' ? (isTls ? 443 : 80) : target.port)
  return isTls ? connectTls({ host, port, rejectUnauthorized: false, ...(/^[\d.:]+$/.test(host) ? {} : { servername: host }) }, onConnect) : connect({ host, port }, onConnect)
}

class AnswerReader {
  readonly answers: Answer[] = []
  #bytes: Buffer = Buffer.alloc(0)
  readonly #isHead: boolean

  constructor (isHead: boolean) {
    this.#isHead = isHead
  }

  get finals (): number { return this.answers.filter(({ status }) => status >= 200).length }

  push (chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk])
    while (this.#take(false));
  }

  /** The connection has ended: an answer without a length ends with it. */
  finish (): void {
    this.#take(true)
  }

  #take (isOver: boolean): boolean {
    const headEnd = this.#bytes.indexOf(HEAD_END)
    if (headEnd < 0) return false
    const [first = '', ...lines] = this.#bytes.subarray(0, headEnd).toString('latin1').split('\r\n')
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(first)?.[1] ?? 0)
    const headers = headersOf(lines)
    const rest = this.#bytes.subarray(headEnd + HEAD_END.length)
    const size = status < 200 || status === 204 || status === 304 || (this.#isHead && this.finals === 0) ? { body: Buffer.alloc(0), taken: 0 } : bodyOf(headers, rest, isOver)
    if (size === null) return false
    this.#bytes = rest.subarray(size.taken)
    const text = size.body.toString()
    this.answers.push({ status, headers, text, body: objectOf(text) })
    return true
  }
}

function bodyOf (headers: Readonly<Record<string, string>>, rest: Buffer, isOver: boolean): { body: Buffer, taken: number } | null {
  const length = headers['content-length']
  if (length !== undefined) return rest.length >= Number(length) ? { body: rest.subarray(0, Number(length)), taken: Number(length) } : null
  if (headers['transfer-encoding'] === 'chunked') return dechunk(rest)
  return isOver ? { body: rest, taken: rest.length } : null
}

function dechunk (rest: Buffer): { body: Buffer, taken: number } | null {
  const parts: Buffer[] = []
  for (let at = 0; ;) {
    const lineEnd = rest.indexOf('\r\n', at)
    if (lineEnd < 0) return null
    const size = Number.parseInt(rest.subarray(at, lineEnd).toString('latin1'), 16)
    const start = lineEnd + 2
    if (!Number.isFinite(size) || rest.length < start + size + 2) return null
    if (size === 0) return { body: Buffer.concat(parts), taken: start + 2 }
    parts.push(rest.subarray(start, start + size))
    at = start + size + 2
  }
}

function headersOf (lines: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).trim()
    headers[name] = headers[name] === undefined ? value : `${headers[name]}\n${value}`
  }
  return headers
}

function objectOf (text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value as Record<string, unknown> : null
  } catch {
    // An answer that is no JSON has no fields to judge.
    return null
  }
}
