/**
 * Layer 1, transport. Answers: eavesdropping, browser-origin abuse and requests that two parsers could read differently.
 *
 * Phase: onRequest. Reads: the socket, the raw headers. Leaves: nothing. Refuses with: `https_required`, `browser_refused`,
 * `malformed_request` (a security header sent twice, a body where none belongs, ambiguous framing).
 * Store: none. HTTPS is required when `requireHttps` is set; a trusted proxy may say so through `X-Forwarded-Proto`, which
 * Fastify honours only from the addresses in its `trustProxy` list. Plain HTTP is refused, never redirected: a redirect
 * would teach clients to send keys in clear.
 */
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ApiError } from '../errors.ts'
import { declareSlots } from './context.ts'

const SINGLE_HEADERS = new Set(['authorization', 'x-fb-signature', 'host', 'content-type', 'content-length', 'transfer-encoding'])
const BODILESS_METHODS = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS'])
const HSTS = 'max-age=31536000; includeSubDomains'

export interface TransportOptions {
  /** Refuse what did not arrive over TLS. Default true; false is for development and tests. */
  requireHttps?: boolean
}

const transport: FastifyPluginAsync<TransportOptions> = async (app, options) => {
  const requireHttps = options.requireHttps ?? true
  declareSlots(app)

  app.addHook('onRequest', function refuseUnsafeTransport (request, reply, done) {
    if (request.protocol === 'https') reply.header('strict-transport-security', HSTS)
    else if (requireHttps) return done(new ApiError('https_required'))
    done(preflightRefusal(request) ?? framingRefusal(request, reply) ?? undefined)
  })
}

function preflightRefusal (request: FastifyRequest): ApiError | null {
  const asksCors = request.headers['access-control-request-method'] !== undefined || request.headers.origin !== undefined
  return request.method === 'OPTIONS' && asksCors ? new ApiError('browser_refused') : null
}

// Node joins or drops duplicates silently, so names are counted where they still stand as sent.
function framingRefusal (request: FastifyRequest, reply: FastifyReply): ApiError | null {
  const seen = new Set<string>()
  const { rawHeaders } = request.raw
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? '').toLowerCase()
    if (!SINGLE_HEADERS.has(name)) continue
    if (seen.has(name)) return malformed(reply, `The header ${name} was sent more than once.`)
    seen.add(name)
  }
  const encoding = request.headers['transfer-encoding']
  if (encoding !== undefined && encoding.toLowerCase() !== 'chunked') return malformed(reply, 'Only the transfer coding chunked is understood.')
  const length = request.headers['content-length']
  const hasBody = encoding !== undefined || (length !== undefined && length !== '0')
  if (hasBody && BODILESS_METHODS.has(request.method)) return malformed(reply, `A ${request.method} request must not carry a body.`)
  return null
}

// The rest of such a message cannot be told from the next one, so the connection ends with the answer.
function malformed (reply: FastifyReply, detail: string): ApiError {
  reply.header('connection', 'close')
  return new ApiError('malformed_request', { detail, reason: 'framing' })
}

export default fp(transport, { name: 'transport', fastify: '5.x' })
