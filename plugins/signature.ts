/**
 * Layer 3, request signature. Answers: token replay, tampering between client and service, a clock that is far off.
 *
 * Phase: preParsing, on routes with access `key`. Reads: `bearerKey`, `principal` where there is one, `X-FB-Signature`, the exact bytes of
 * the body. Leaves: `rawBody`, `replayId` (published profile: for requests that change state; hardened: for all) and the same bytes for
 * the parser. Refuses with: `signature_missing`, `signature_invalid` (one answer for malformed, stale and wrong), `payload_too_large`, `request_timeout`.
 * Store: none; pure arithmetic. What a cached record would refuse is refused by the record as it is (`renewPrincipal`). Whether a replay id was admitted before is judged by layer 7 in its one round trip.
 * Published profile: the MAC's key is the bearer key itself, so it proves freshness and integrity, not possession of a second secret.
 * Hardened profile, for keys that have signing secrets: lib/hardened-signature.ts. Each refuses the other.
 */
import type { KeyObject } from 'node:crypto'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest, RequestPayload } from 'fastify'
import fp from 'fastify-plugin'
import { ApiError } from '../errors.ts'
import { accessOf, declareRareSlot, STATE_CHANGING, type Principal } from './context.ts'
import { bearerKeyOf } from './lib/api-key.ts'
import { hardenedMacOf, parseHardenedHeader, replayIdOfNonce, type HardenedHeader } from './lib/hardened-signature.ts'
import { anyMacMatches, macOf, parseSignatureHeader, pathOf, TOLERANCE_SECONDS, type SignatureHeader } from './lib/hmac.ts'
import { assertOptions, BOOLEAN, FUNCTION, positiveWhole } from './lib/options.ts'
import { budgetPerSecond, diagnoseSignature, reasonOf } from './lib/signature-doctor.ts'
import { sendRefusals } from './support/error-handler.ts'
import { timedWithPayload } from './support/layer-clock.ts'
import { BODY_DEADLINE_MS, hasBody, replayed, takeBody } from './support/raw-body.ts'

export const BODY_BYTES_MAX = 10 * 1024 * 1024
const EMPTY = Buffer.alloc(0)
const REPLAY_ID_CHARS = 32
/** What explaining may cost at most: about 20 ms for a body of this size, so often. */
const EXPLAINED_BODY_BYTES_MAX = 8192
const EXPLAINED_PER_SECOND_MAX = 10
/** Reads of records that are current as far as anybody knows, of all keys together. */
const READ_AGAIN_PER_SECOND_MAX = 10

export interface SignatureOptions {
  /** Refuse unsigned requests. Default true; false weakens security and is for development only. A signature that is there is always verified. */
  required?: boolean
  /** Largest body in bytes. Default 10 MiB. */
  bodyBytesMax?: number
  /** How long the body may take, from when it is first read. Default 20 000. */
  bodyDeadlineMs?: number
  /** Have every refusal's private reason say what differed; it costs some milliseconds. Default false: only for keys that are being debugged. */
  explain?: boolean
  /** Unix milliseconds. Default `Date.now`. */
  now?: () => number
}

type RefusedBy = 'grammar' | 'clock' | 'mac' | 'rotated'

declare module 'fastify' {
  interface FastifyRequest {
    /** The signing secret that verified a request of a hardened key; a rotation that is learnt of later asks whether it is still valid. */
    verifiedWith: KeyObject | null
  }
  interface FastifyInstance {
    /** The private reason of a refused signature. */
    explainSignature: (check: RefusedBy, request: FastifyRequest) => string
  }
}

const signature: FastifyPluginAsync<SignatureOptions> = async (app, options) => {
  assertOptions('signature', options, { required: BOOLEAN, bodyBytesMax: positiveWhole('bytes'), bodyDeadlineMs: positiveWhole('milliseconds'), explain: BOOLEAN, now: FUNCTION })
  const required = options.required ?? true
  const bodyBytesMax = options.bodyBytesMax ?? BODY_BYTES_MAX
  const deadlineMs = options.bodyDeadlineMs ?? BODY_DEADLINE_MS
  const now = options.now ?? Date.now
  sendRefusals(app)
  declareRareSlot(app, 'verifiedWith', null)
  app.principalJudges.push(refuseRotatedSecret)
  const isAffordable = budgetPerSecond(EXPLAINED_PER_SECOND_MAX, now)
  const mayReadAgain = budgetPerSecond(READ_AGAIN_PER_SECOND_MAX, now)
  app.decorate('explainSignature', explain)

  app.addHook('preParsing', timedWithPayload<RequestPayload>(app, 'signature', function verifySignature (request, reply, payload, done) {
    if (accessOf(request) !== 'key') return done(null, payload)
    const key = takeKey(request)
    const header = request.headers['x-fb-signature']
    if (header === undefined && required) throw new ApiError('signature_missing')
    const parse: (text: string) => (SignatureHeader & { nonce?: undefined }) | HardenedHeader | null = request.principal?.signing === undefined ? parseSignatureHeader : parseHardenedHeader
    const parsed = header === undefined ? null : parse(String(header))
    if (header !== undefined && parsed === null) return refuse('grammar', request, done)
    if (parsed !== null && Math.abs(Math.floor(now() / 1000) - parsed.timestampSeconds) > TOLERANCE_SECONDS) return refuse('clock', request, done)

    if (parsed?.nonce !== undefined) readOn(verifyHardened(request, reply, payload, parsed), request, done)
    else if (hasBody(request)) readOn(verifyBody(request, reply, payload, key, parsed), request, done)
    else if (isRight(request, key, parsed, EMPTY)) done(null, payload)
    else refuse('mac', request, done)
  }))

  /** The same bytes for the parser, or null when they are not the ones that were signed. */
  async function verifyBody (request: FastifyRequest, reply: FastifyReply, payload: RequestPayload, key: string, parsed: SignatureHeader | null): Promise<RequestPayload | null> {
    const body = await takeBody(request, reply, payload, { bytesMax: bodyBytesMax, deadlineMs })
    return isRight(request, key, parsed, body) ? replayed(body) : null
  }

  function readOn (verified: Promise<RequestPayload | null>, request: FastifyRequest, done: (err: Error | null, payload?: RequestPayload) => void): void {
    verified.then((again) => again === null ? refuse('mac', request, done) : done(null, again), done)
  }

  /** By the key as it is: a revocation comes first, and whoever asked for an explanation a moment ago gets it. */
  function refuse (check: RefusedBy, request: FastifyRequest, done: (err: Error) => void): void {
    if (request.renewPrincipal === null) return done(invalid(check, request))
    request.renewPrincipal().then(() => done(invalid(check, request)), done)
  }

  async function verifyHardened (request: FastifyRequest, reply: FastifyReply, payload: RequestPayload, { timestamp, nonce, macs }: HardenedHeader): Promise<RequestPayload> {
    const body = hasBody(request) ? await takeBody(request, reply, payload, { bytesMax: bodyBytesMax, deadlineMs }) : null
    request.rawBody = body ?? EMPTY
    const parts = { timestamp, nonce, method: request.method, target: request.raw.url ?? '', body: request.rawBody }
    const find = (): KeyObject | null => validSecrets(request.principal).find((secret) => anyMacMatches(macs, hardenedMacOf({ ...parts, secret }))) ?? null
    request.verifiedWith = find()
    if (request.verifiedWith === null && request.renewPrincipal !== null) {
      await request.renewPrincipal()
      request.verifiedWith = find()
    }
    // A record that nobody could be told is stale does not know the secret of a moment ago either. It is not read for each refusal, or whoever
    // has a key without its secret could make the key store work for all.
    if (request.verifiedWith === null && request.reloadPrincipal !== null && request.principal?.epoch !== '' && mayReadAgain()) {
      await request.reloadPrincipal('')
      request.verifiedWith = find()
    }
    if (request.verifiedWith === null) throw invalid('mac', request)
    // Whatever the method: a nonce is accepted once.
    request.replayId = replayIdOfNonce(nonce)
    return body === null ? payload : replayed(body)
  }

  function refuseRotatedSecret (request: FastifyRequest, principal: Principal): void {
    const used = request.verifiedWith
    if (used !== null && !validSecrets(principal).some((secret) => secret.equals(used))) throw invalid('rotated', request)
  }

  /** The public answer is one and the same; this stands in the audit row. */
  function explain (check: RefusedBy, request: FastifyRequest): string {
    const { principal, rawBody, headers } = request
    const isWanted = options.explain === true || (principal?.debugUntilMs ?? 0) > now()
    if (!isWanted) return check
    if (check === 'rotated') return reasonOf(check, { part: 'key', mistakes: ['rotated'] })
    // What only the header tells costs nothing.
    if (check === 'mac' && !isAffordable()) return reasonOf(check, { part: 'unknown', mistakes: ['busy'] })
    if (rawBody !== null && rawBody.length > EXPLAINED_BODY_BYTES_MAX) return reasonOf(check, { part: 'unknown', mistakes: ['body_too_large'] })
    const apiKey = bearerKeyOf(headers.authorization)
    const profile = principal?.signing === undefined ? 'published' : 'hardened'
    const keys = profile === 'hardened' ? validSecrets(principal) : [apiKey ?? '']
    const found = diagnoseSignature({
      profile, keys, apiKey, header: String(headers['x-fb-signature']), method: request.method, target: request.raw.url ?? '', host: headers.host ?? '', body: rawBody, nowSeconds: Math.floor(now() / 1000)
    })
    return found === null ? check : reasonOf(check, found)
  }

  function validSecrets (principal: Principal | null): KeyObject[] {
    const nowMs = now()
    return (principal?.signing ?? []).filter(({ untilMs }) => untilMs === null || nowMs < untilMs).map(({ secret }) => secret)
  }
}

function isRight (request: FastifyRequest, key: string, parsed: SignatureHeader | null, body: Buffer): boolean {
  request.rawBody = body
  if (parsed === null) return true
  const expected = macOf({ key, timestamp: parsed.timestamp, method: request.method, path: pathOf(request.raw.url ?? ''), body })
  if (!anyMacMatches(parsed.macs, expected)) return false
  if (STATE_CHANGING.has(request.method)) request.replayId = expected.toString('hex').slice(0, REPLAY_ID_CHARS)
  return true
}

// The raw key has served once this layer has it; nothing later may find it on the request.
function takeKey (request: FastifyRequest): string {
  const key = request.bearerKey
  request.bearerKey = null
  if (key === null) throw new ApiError('internal_error', { cause: new Error('no bearer key: the authentication layer has not run on this route') })
  return key
}

function invalid (check: RefusedBy, request: FastifyRequest): ApiError {
  return new ApiError('signature_invalid', { reason: request.server.explainSignature(check, request) })
}

export default fp(signature, { name: 'signature', fastify: '5.x', decorators: { request: ['bearerKey'] } })
