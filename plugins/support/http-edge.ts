/**
 * The edge where bytes become requests: a server with deadlines and caps, and answers, in order and with a watermark, for what never
 * becomes a request. Not a layer: it stands before the first one and knows nothing of routes.
 *
 * Bytes that are not HTTP are answered only after every earlier request of the connection was, so that no answer is taken for another's.
 * When the body of a request breaks off, its reader is told (lib/body-reader.ts) and the request is refused like any other, with its
 * audit row. A connection that ends while its client still sends is closed in two steps, or the client would lose its answer to a reset.
 */
import { createServer, IncomingMessage, type RequestListener, type Server, type ServerOptions, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Socket } from 'node:net'
import { ERROR_CATALOGUE, type ErrorCode } from '../../errors.ts'
import { breakMessage, type BodyFailure } from '../lib/body-reader.ts'
import { mintWatermark } from '../lib/watermark-id.ts'
import { EdgeResponse } from './edge-response.ts'

/** Request line and headers together, bytes. */
export const HEADER_BYTES_MAX = 16 * 1024
export const LINGER_MS = 2000
export const LINGER_BYTES_MAX = 16 * 1024 * 1024
const GIVE_UP_MS = 5000
const ALLOW = 'GET, POST, PATCH, DELETE'
/** A request line whose only fault is a method that nobody registered. */
const REQUEST_LINE = /^[A-Za-z][A-Za-z0-9-]{0,31} \/\S* HTTP\/1\.[01]\r\n/
const REQUEST_LINE_BYTES = 512
/** TLS hands its own errors on; there is no way to say anything on such a connection. */
const TLS_ERROR = /^ERR_(?:SSL|TLS)/

export interface HttpEdgeOptions {
  /** Key of the watermark's MAC. No default. */
  watermarkSecret: Buffer
  /** PEM texts; the server speaks TLS 1.2 or later. Default none: plain HTTP. */
  tls?: { cert: Buffer, key: Buffer }
  /** From the first byte, or from the connection when none comes, to the end of the headers. Default 10 000. */
  headersTimeoutMs?: number
  /** From the first byte to the end of the body. Default 30 000. */
  requestTimeoutMs?: number
  /** How long a connection may wait for its next request; above a balancer's own idle time. Default 65 000. */
  keepAliveTimeoutMs?: number
  /** Counts what is refused here. Default none. */
  refusals?: { count (refusal: { ip: string, code: ErrorCode, status: number, at: Date }): void }
  /** Unix milliseconds. Default `Date.now`. */
  now?: () => number
}

/** What Node tells of a message that it cannot parse. */
interface ParserError extends NodeJS.ErrnoException { rawPacket?: Buffer, bytesParsed?: number }

interface Exchange { message: IncomingMessage, response: ServerResponse }

/** What is known of one connection. */
interface Connection {
  /** The request that came last; its body may still be on the way. */
  last: Exchange | null
  underWay: number
  hasFailed: boolean
  /** Run once no request is under way. */
  whenQuiet: (() => void) | null
  /** An answer has gone, or never will. */
  readonly end: () => void
}

/** A server for Fastify's `serverFactory`. */
export function createEdgeServer (handler: RequestListener, options: HttpEdgeOptions): Server {
  const { tls } = options
  const headersTimeout = options.headersTimeoutMs ?? 10_000
  const requestTimeout = options.requestTimeoutMs ?? 30_000
  for (const [name, value] of Object.entries({ headersTimeout, requestTimeout })) if (!(value >= 1)) throw new RangeError(`http-edge: ${name} must be at least 1 ms`)
  if (headersTimeout > requestTimeout) throw new RangeError('http-edge: the headers\' deadline must not lie after the request\'s')
  const connections = new WeakMap<Socket, Connection>()
  const httpOptions: ServerOptions<typeof IncomingMessage, typeof EdgeResponse> = {
    ServerResponse: EdgeResponse,
    headersTimeout,
    requestTimeout,
    keepAliveTimeout: options.keepAliveTimeoutMs ?? 65_000,
    // Node looks for late connections at this interval, so it is what the deadlines are as exact as.
    connectionsCheckingInterval: Math.min(1000, Math.ceil(headersTimeout / 4)),
    maxHeaderSize: HEADER_BYTES_MAX,
    // The transport layer refuses a request without it, with an envelope.
    requireHostHeader: false
  }
  const server = tls === undefined ? createServer(httpOptions) : createTlsServer({ ...httpOptions, ...tls, minVersion: 'TLSv1.2' })
  const edge = watch(connections, options)

  server.on(tls === undefined ? 'connection' : 'secureConnection', edge.open)
  server.on('request', (message, response) => {
    edge.begin({ message, response })
    handler(message, response)
  })
  // Whether the client may send its body is for the layer to say that reads it; an expectation that is none is refused by transport.
  for (const event of ['checkContinue', 'checkExpectation']) server.on(event, (message, response) => server.emit('request', message, response))
  server.on('connect', (_message, socket: Socket) => edge.refuse(socket, 'method_not_allowed'))
  server.on('clientError', edge.fail)
  return server
}

function watch (connections: WeakMap<Socket, Connection>, options: HttpEdgeOptions) {
  const now = options.now ?? Date.now

  function open (socket: Socket): void {
    if (connections.has(socket)) return
    const connection: Connection = {
      last: null,
      underWay: 0,
      hasFailed: false,
      whenQuiet: null,
      end () {
        if (--connection.underWay > 0) return
        connection.whenQuiet?.()
        connection.whenQuiet = null
      }
    }
    connections.set(socket, connection)
    lingerOn(socket, () => connection.last !== null && !connection.last.message.complete)
  }

  function begin (exchange: Exchange): void {
    const connection = connections.get(exchange.message.socket)
    if (connection === undefined) return
    connection.last = exchange
    connection.underWay++
    // An answer closes once; one listener serves all of its connection.
    exchange.response.on('close', connection.end)
  }

  function fail (err: ParserError, socket: Socket): void {
    const connection = connections.get(socket)
    if (connection === undefined || err.code === 'ECONNRESET' || TLS_ERROR.test(err.code ?? '') || !socket.writable) {
      socket.destroy()
      return
    }
    if (connection.hasFailed) return
    const { last } = connection
    const isWithinBody = last !== null && !last.message.complete
    if (!isWithinBody) return refuse(socket, codeOf(err))
    connection.hasFailed = true
    giveUpLater(socket)
    if (last.response.headersSent) return whenQuiet(connection, () => socket.destroySoon())
    last.response.shouldKeepAlive = false
    breakMessage(last.message, failureOf(err))
  }

  function refuse (socket: Socket, code: ErrorCode): void {
    const connection = connections.get(socket)
    if (connection === undefined || connection.hasFailed) return
    connection.hasFailed = true
    giveUpLater(socket)
    whenQuiet(connection, () => {
      if (!socket.writable) return
      options.refusals?.count({ ip: socket.remoteAddress ?? '0.0.0.0', code, status: ERROR_CATALOGUE[code].status, at: new Date(now()) })
      socket.write(bareAnswer(code, mintWatermark(options.watermarkSecret, now()), 'encrypted' in socket))
      socket.destroySoon()
    })
  }

  return { open, begin, fail, refuse }
}

function whenQuiet (connection: Connection, then: () => void): void {
  if (connection.underWay === 0) then()
  else connection.whenQuiet = then
}

function giveUpLater (socket: Socket): void {
  socket.on('error', () => {})
  const timer = setTimeout(() => socket.destroy(), GIVE_UP_MS)
  socket.once('close', () => clearTimeout(timer))
}

/**
 * Ends a connection whose client may still be sending in two steps (RFC 9112 section 9.6): no more from us, and what comes is thrown away
 * unparsed, until the client has stopped, too much or too long.
 */
function lingerOn (socket: Socket, mayBeSending: () => boolean): void {
  const destroySoon = socket.destroySoon.bind(socket)
  socket.destroySoon = () => {
    if (socket.destroyed || !mayBeSending()) return destroySoon()
    let bytes = 0
    const timer = setTimeout(() => socket.destroy(), LINGER_MS)
    // Without its listener the parser gets nothing more, so nothing that comes now can be taken for a request.
    socket.removeAllListeners('data')
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > LINGER_BYTES_MAX) socket.destroy()
    })
    socket.once('end', () => socket.destroy())
    socket.once('close', () => clearTimeout(timer))
    socket.resume()
    socket.end()
  }
}

function codeOf (err: ParserError): ErrorCode {
  const { code, rawPacket = Buffer.alloc(0), bytesParsed = 0 } = err
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT': return 'request_timeout'
    // A line that fills the cap by itself is a target; what filled it before this packet came is not known any more.
    case 'HPE_HEADER_OVERFLOW': return rawPacket.subarray(0, HEADER_BYTES_MAX).includes('\n') || rawPacket.length < HEADER_BYTES_MAX ? 'headers_too_large' : 'uri_too_long'
    case 'HPE_INVALID_METHOD': return REQUEST_LINE.test(lineAt(rawPacket, bytesParsed)) ? 'method_not_allowed' : 'malformed_request'
    default: return 'malformed_request'
  }
}

function lineAt (packet: Buffer, at: number): string {
  const start = packet.lastIndexOf('\n', Math.max(0, at - 1)) + 1
  return packet.subarray(start, start + REQUEST_LINE_BYTES).toString('latin1')
}

function failureOf (err: ParserError): BodyFailure {
  if (err.code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'too_slow'
  return err.code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW' ? 'too_large' : 'unreadable'
}

/** The headers that every answer has, whoever gives it. */
export function bareHeaders (watermark: string): Record<string, string> {
  return { 'x-fb-watermark': watermark, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' }
}

function bareAnswer (code: ErrorCode, watermark: string, isEncrypted: boolean): string {
  const { status, sentence } = ERROR_CATALOGUE[code]
  const body = JSON.stringify({ ok: false, error: sentence, code, meta: { watermark } })
  const headers = {
    ...bareHeaders(watermark),
    ...(isEncrypted ? { 'strict-transport-security': 'max-age=31536000; includeSubDomains' } : {}),
    ...(code === 'method_not_allowed' ? { allow: ALLOW } : {}),
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(Buffer.byteLength(body)),
    date: new Date().toUTCString(),
    connection: 'close'
  }
  return `HTTP/1.1 ${status} ${sentence}\r\n${Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`
}
