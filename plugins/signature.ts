/**
 * Layer 3, request signature. Answers: token replay, tampering between client and service, a clock that is far off.
 *
 * Phase: preParsing, on routes with access `key`. Reads: `bearerKey`, `X-FB-Signature`, the exact bytes of the body. Leaves:
 * `rawBody`, `replayId` (for requests that change state) and the same bytes for the parser. Refuses with: `signature_missing`,
 * `signature_invalid` (one answer for malformed, stale and wrong), `payload_too_large`.
 * Store: none; pure arithmetic. Whether a replay id was admitted before is judged by layer 7 in its one round trip.
 * The key of the MAC is the bearer key itself: the signature proves freshness and integrity, not possession of a second secret.
 */
import { Readable } from 'node:stream'
import type { FastifyPluginAsync, FastifyRequest, RequestPayload } from 'fastify'
import fp from 'fastify-plugin'
import { ApiError } from '../errors.ts'
import { accessOf, declareSlots } from './context.ts'
import { anyMacMatches, macOf, parseSignatureHeader, pathOf, TOLERANCE_SECONDS } from './lib/hmac.ts'

const BODY_BYTES_MAX = 10 * 1024 * 1024
const EMPTY = Buffer.alloc(0)
const STATE_CHANGING = new Set(['POST', 'PUT', 'PATCH', 'DELETE'])
const REPLAY_ID_CHARS = 32

export interface SignatureOptions {
  /** Refuse unsigned requests. Default true; false weakens security and is for development only. A signature that is there is always verified. */
  required?: boolean
  /** Largest body in bytes. Default 10 MiB. */
  bodyBytesMax?: number
  /** Unix milliseconds. Default `Date.now`. */
  now?: () => number
}

const signature: FastifyPluginAsync<SignatureOptions> = async (app, options) => {
  const required = options.required ?? true
  const bodyBytesMax = options.bodyBytesMax ?? BODY_BYTES_MAX
  const now = options.now ?? Date.now
  if (!Number.isSafeInteger(bodyBytesMax) || bodyBytesMax < 1) throw new TypeError('signature: bodyBytesMax must be a positive whole number of bytes')
  declareSlots(app)

  app.addHook('preParsing', async function verifySignature (request, _reply, payload) {
    if (accessOf(request) !== 'key') return payload
    const key = takeKey(request)
    const header = request.headers['x-fb-signature']
    if (header === undefined && required) throw new ApiError('signature_missing')
    const parsed = header === undefined ? null : parseSignatureHeader(String(header))
    if (header !== undefined && parsed === null) throw invalid('grammar')
    if (parsed !== null && Math.abs(Math.floor(now() / 1000) - parsed.timestampSeconds) > TOLERANCE_SECONDS) throw invalid('clock')

    const body = await readBody(request, payload, bodyBytesMax)
    request.rawBody = body
    if (parsed !== null) {
      const expected = macOf({ key, timestamp: parsed.timestamp, method: request.method, path: pathOf(request.raw.url ?? ''), body })
      if (!anyMacMatches(parsed.macs, expected)) throw invalid('mac')
      if (STATE_CHANGING.has(request.method)) request.replayId = expected.toString('hex').slice(0, REPLAY_ID_CHARS)
    }
    return replayed(body)
  })
}

// The raw key has served once this layer has it; nothing later may find it on the request.
function takeKey (request: FastifyRequest): string {
  const key = request.bearerKey
  request.bearerKey = null
  if (key === null) throw new ApiError('internal_error', { cause: new Error('no bearer key: the authentication layer has not run on this route') })
  return key
}

async function readBody (request: FastifyRequest, payload: RequestPayload, bodyBytesMax: number): Promise<Buffer> {
  const declared = request.headers['content-length']
  if (declared === undefined && request.headers['transfer-encoding'] === undefined) return EMPTY
  if (declared !== undefined && Number(declared) > bodyBytesMax) throw tooLarge()
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of payload) {
    const piece = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk)
    bytes += piece.length
    if (bytes > bodyBytesMax) throw tooLarge()
    chunks.push(piece)
  }
  if (declared !== undefined && Number(declared) !== bytes) throw new ApiError('malformed_request', { detail: 'The body is not as long as Content-Length says.', reason: 'framing' })
  const [only] = chunks
  return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, bytes)
}

function replayed (body: Buffer): RequestPayload {
  return Object.assign(Readable.from(body.length === 0 ? [] : [body], { objectMode: false }), { receivedEncodedLength: body.length })
}

function tooLarge (): ApiError {
  return new ApiError('payload_too_large', { headers: { connection: 'close' } })
}

function invalid (reason: 'grammar' | 'clock' | 'mac'): ApiError {
  return new ApiError('signature_invalid', { reason })
}

export default fp(signature, { name: 'signature', fastify: '5.x', decorators: { request: ['bearerKey'] } })
