import { connect, type Socket } from 'node:net'
import { searchAnswer } from './secrecy.ts'
import { headersFor, type Caller } from './service.ts'

export interface RawAnswer { status: number, headers: Record<string, string>, text: string, body: any }

export interface Conversation {
  answers: RawAnswer[]
  /** What came and is no whole answer. */
  rest: string
  /** How the connection ended, or that it had not after all awaited answers had come. */
  end: 'open' | 'closed' | 'reset'
}

/** Reads answers from the bytes of one connection. An answer to HEAD, 1xx, 204 and 304 have no body. */
export class AnswerReader {
  readonly answers: RawAnswer[] = []
  #bytes: Buffer = Buffer.alloc(0)
  readonly #methods: string[]

  constructor (methods: string[] = []) {
    this.#methods = methods
  }

  get rest (): string { return this.#bytes.toString('latin1') }

  push (chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk])
    for (let answer = this.#take(); answer !== null; answer = this.#take()) this.answers.push(answer)
  }

  #take (): RawAnswer | null {
    const headEnd = this.#bytes.indexOf('\r\n\r\n')
    if (headEnd < 0) return null
    const [first = '', ...lines] = this.#bytes.subarray(0, headEnd).toString('latin1').split('\r\n')
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1] ?? Number.NaN)
    const headers = Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]))
    const isBodiless = status < 200 || status === 204 || status === 304 || (this.#methods[this.answers.filter((one) => one.status >= 200).length] === 'HEAD')
    const length = isBodiless ? 0 : Number(headers['content-length'] ?? Number.NaN)
    if (this.#bytes.length < headEnd + 4 + length) return null
    const text = this.#bytes.subarray(headEnd + 4, headEnd + 4 + length).toString()
    this.#bytes = this.#bytes.subarray(headEnd + 4 + length)
    searchAnswer(`answer ${this.answers.length + 1} of a connection`, text)
    return { status, headers, text, body: text === '' ? null : JSON.parse(text) }
  }
}

export interface TalkOptions {
  /** Ends once so many final answers have come; default 1. The connection's end ends it in any case. */
  awaited?: number
  /** Waits for the end of the connection whatever comes. Default false. */
  untilClosed?: boolean
  methods?: string[]
  localAddress?: string
  /** Called with the connection before anything is sent. */
  onSocket?: (socket: Socket) => void
}

/** Says some bytes to a server over a connection of its own, and hears what it answers. */
export async function talk (url: string, bytes: string | Buffer | Array<string | Buffer>, options: TalkOptions = {}): Promise<Conversation> {
  const { awaited = 1, untilClosed = false, methods = [], localAddress } = options
  const reader = new AnswerReader(methods)
  const { hostname, port } = new URL(url)
  return await new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port), ...(localAddress === undefined ? {} : { localAddress }) }, () => {
      options.onSocket?.(socket)
      for (const part of Array.isArray(bytes) ? bytes : [bytes]) socket.write(typeof part === 'string' ? Buffer.from(part, 'latin1') : part)
    })
    let end: Conversation['end'] = 'open'
    socket.setNoDelay(true)
    socket.on('data', (chunk) => {
      reader.push(chunk)
      if (!untilClosed && reader.answers.filter(({ status }) => status >= 200).length >= awaited) socket.destroy()
    })
    socket.on('end', () => { end = 'closed' })
    socket.on('error', () => { end = 'reset' })
    socket.on('close', () => resolve({ answers: reader.answers, rest: reader.rest, end }))
  })
}

/** A request as its bytes. Signed when a caller is given; header lines are written as they are. */
export function requestBytes (method: string, target: string, options: { caller?: Caller, headers?: string[], body?: string, version?: string, host?: string | null } = {}): string {
  const { caller, headers = [], body = '', version = 'HTTP/1.1', host = 'api.test' } = options
  const signed = caller === undefined ? [] : Object.entries(headersFor(caller, method, target, body)).map(([name, value]) => `${name}: ${value}`)
  const length = body === '' || headers.some((line) => /^(?:content-length|transfer-encoding)\b/i.test(line)) ? [] : [`Content-Length: ${Buffer.byteLength(body)}`]
  return `${[`${method} ${target} ${version}`, ...(host === null ? [] : [`Host: ${host}`]), ...signed, ...length, ...headers].join('\r\n')}\r\n\r\n${headers.some((line) => /^transfer-encoding/i.test(line)) ? '' : body}`
}
