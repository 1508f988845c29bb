/**
 * Layer 1, transport. Answers: eavesdropping, browser-origin abuse and requests that two parsers could read differently.
 *
 * Phase: onRequest. Reads: the socket, the raw headers, the request target. Leaves: nothing. Refuses with: `https_required`,
 * `browser_refused`, `uri_too_long`, `headers_too_large`, `malformed_request` (a security header sent twice, a body where none
 * belongs, ambiguous framing, a target with a second spelling, no Host or one that cannot be a host, an unknown expectation).
 * Store: none. HTTPS is required when `requireHttps` is set; a trusted proxy may say so through `X-Forwarded-Proto`, which
 * Fastify honours only from the addresses in its `trustProxy` list. Plain HTTP is refused, never redirected: a redirect
 * would teach clients to send keys in clear. After a request whose end is in doubt nothing more of its connection is taken.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ApiError } from '../errors.ts'
import { assertOptions, BOOLEAN, positiveWhole } from './lib/options.ts'
import { targetProblem } from './lib/request-target.ts'
import { sendRefusals } from './support/error-handler.ts'
import { timed } from './support/layer-clock.ts'

/** Headers that may stand once, each with a bit of its own; in the spelling that most clients send, and in lower case for all others. */
const SINGLE_HEADERS = new Map(['Authorization', 'X-FB-Signature', 'Host', 'Content-Type', 'Content-Length', 'Transfer-Encoding', 'Expect'].flatMap((name, at) => [[name, 1 << at], [name.toLowerCase(), 1 << at]]))
const BODILESS_METHODS = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS'])
const HSTS = 'max-age=31536000; includeSubDomains'
export const TARGET_CHARS_MAX = 8192
export const HEADERS_MAX = 100
/** Of more lines than these Node drops the rest. */
const NODES_HEADERS_MAX = 2000
const HOST = /^[A-Za-z0-9._:[\]-]{1,255}$/
const LENGTH = /^(?:0|[1-9]\d{0,14})$/

export interface TransportOptions {
  /** Refuse what did not arrive over TLS. Default true; false is for development and tests. */
  requireHttps?: boolean
  /** Longest request target, query included, in characters. Default 8192. */
  targetCharsMax?: number
  /** Most header lines of a request. Default 100; below 2000, where Node begins to drop them. */
  headersMax?: number
}

const transport: FastifyPluginAsync<TransportOptions> = async (app, options) => {
  assertOptions('transport', options, { requireHttps: BOOLEAN, targetCharsMax: positiveWhole('characters'), headersMax: positiveWhole('lines', NODES_HEADERS_MAX) })
  const requireHttps = options.requireHttps ?? true
  const targetCharsMax = options.targetCharsMax ?? TARGET_CHARS_MAX
  const headersMax = options.headersMax ?? HEADERS_MAX
  /** Connections on which a message ended in doubt. */
  const inDoubt = new WeakSet<Socket>()
  sendRefusals(app)

  app.addHook('onRequest', timed(app, 'transport', function refuseUnsafeTransport (request, reply, done) {
    if (request.protocol === 'https') reply.header('strict-transport-security', HSTS)
    else if (requireHttps) return done(new ApiError('https_required'))
    done(preflightRefusal(request) ?? sizeRefusal(request) ?? framingRefusal(request, reply) ?? targetRefusal(request) ?? undefined)
  }))

  function sizeRefusal ({ raw }: FastifyRequest): ApiError | null {
    if ((raw.url ?? '').length > targetCharsMax) return new ApiError('uri_too_long', { detail: `A request target has at most ${targetCharsMax} characters.`, reason: 'target' })
    return raw.rawHeaders.length / 2 > headersMax ? new ApiError('headers_too_large', { detail: `A request has at most ${headersMax} header lines.`, reason: 'headers' }) : null
  }

  function framingRefusal (request: FastifyRequest, reply: FastifyReply): ApiError | null {
    const { socket } = request.raw
    const problem = inDoubt.has(socket) ? 'An earlier request of this connection was malformed.' : duplicateProblem(request.raw) ?? framingProblem(request.raw)
    if (problem === null) return null
    // The rest of such a message cannot be told from the next one, so the connection ends with the answer.
    inDoubt.add(socket)
    reply.header('connection', 'close')
    return new ApiError('malformed_request', { detail: problem, reason: 'framing' })
  }
}

function preflightRefusal (request: FastifyRequest): ApiError | null {
  const asksCors = request.headers['access-control-request-method'] !== undefined || request.headers.origin !== undefined
  return request.method === 'OPTIONS' && asksCors ? new ApiError('browser_refused') : null
}

// Node joins or drops duplicates silently, so names are counted where they still stand as sent.
function duplicateProblem ({ rawHeaders }: IncomingMessage): string | null {
  let seen = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? ''
    const bit = SINGLE_HEADERS.get(name) ?? SINGLE_HEADERS.get(name.toLowerCase()) ?? 0
    if ((seen & bit) !== 0) return `The header ${name.toLowerCase()} was sent more than once.`
    seen |= bit
  }
  return null
}

function framingProblem ({ headers, httpVersion, method = '' }: IncomingMessage): string | null {
  const encoding = headers['transfer-encoding']
  const length = headers['content-length']
  if (httpVersion === '1.1' && headers.host === undefined) return 'The header host is missing.'
  if (httpVersion !== '1.0' && httpVersion !== '1.1') return 'Only HTTP/1.1 and HTTP/1.0 are understood.'
  if (headers.host !== undefined && !HOST.test(headers.host)) return 'The header host is not a host.'
  if (encoding !== undefined && (encoding.toLowerCase() !== 'chunked' || httpVersion === '1.0')) return 'Only the transfer coding chunked is understood, and only in HTTP/1.1.'
  if (encoding !== undefined && length !== undefined) return 'A length and a transfer coding exclude each other.'
  if (length !== undefined && !LENGTH.test(length)) return 'The header content-length is not a length.'
  if (headers.expect !== undefined && headers.expect.toLowerCase() !== '100-continue') return 'Only the expectation 100-continue is understood.'
  const hasBody = encoding !== undefined || (length !== undefined && length !== '0')
  return hasBody && BODILESS_METHODS.has(method) ? `A ${method} request must not carry a body.` : null
}

function targetRefusal (request: FastifyRequest): ApiError | null {
  const problem = targetProblem(request.raw.url ?? '')
  return problem === null ? null : new ApiError('malformed_request', { detail: problem, reason: 'target' })
}

export default fp(transport, { name: 'transport', fastify: '5.x' })
