/**
 * Layer 9, watermark and audit. Answers: leaked results, and "who saw what, when".
 *
 * Phase: onRequest (mint), preSerialization (into the envelope), onSend (header; the audit row is durable before the bytes leave).
 * Reads: `principal`, `refusal`, `degraded`, `redeemedJti`, `tokenOrgId`, `actor`. Leaves: `watermark`. Refuses with: `unavailable` when
 * an answer that must be recorded could not be; whatever the handler had spent is given back.
 * Store: the audit sink. Away: no answer with data leaves. Refusals before authentication are counted in bounded buckets instead
 * of rows, so that a flood cannot fill the table; their watermark proves itself by its MAC.
 */
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { LRUCache } from 'lru-cache'
import { ERROR_CATALOGUE } from '../errors.ts'
import { routeOf, type AuditRow, type AuditSink, type RefusalCounter } from './context.ts'
import { normaliseAddress } from './lib/cidr.ts'
import { hmacSha256Hex } from './lib/hmac-sha256.ts'
import { pathOf } from './lib/hmac.ts'
import { assertOptions, bytes, FUNCTION, port, required, TEXT } from './lib/options.ts'
import { scrub } from './lib/scrub.ts'
import { mintWatermark } from './lib/watermark-id.ts'
import { sendRefusals } from './support/error-handler.ts'
import { timedWithPayload } from './support/layer-clock.ts'

/** Whether a watermark was minted under a secret; asks no store. */
export { verifyWatermark } from './lib/watermark-id.ts'

const SECRET_BYTES_MIN = 32
const USER_AGENT_CHARS_MAX = 256
const PATH_HASH_CHARS = 32
const PATH_HASHES_MAX = 1000
const UNKNOWN_ADDRESS = '0.0.0.0'
const RETRY_AFTER_SECONDS = '2'

export interface WatermarkOptions {
  /** Key of the watermark's MAC and of path hashes, at least 32 bytes. No default. */
  secret: Buffer
  audit: AuditSink
  /** Counts refusals before authentication. Default none: they are not counted. */
  refusals?: RefusalCounter
  /** Name of this instance in its audit rows. Default `local`. */
  instance?: string
  /** Unix milliseconds. Default `Date.now`. */
  now?: () => number
}

declare module 'fastify' {
  interface FastifyRequest {
    /** The client's address when the request began. */
    clientAddress: string | null
  }
}

const watermark: FastifyPluginAsync<WatermarkOptions> = async (app, options) => {
  assertOptions('watermark', options, {
    secret: required(bytes(SECRET_BYTES_MIN)),
    audit: required(port('an AuditSink', 'record')),
    refusals: port('a RefusalCounter', 'count'),
    instance: TEXT,
    now: FUNCTION
  })
  const { secret, refusals } = options
  // A sink that throws before it promises has recorded nothing either, and what it throws must not be sent.
  const audit: AuditSink = {
    record (row) {
      try {
        return Promise.resolve(options.audit.record(row))
      } catch (cause) {
        return Promise.reject(cause)
      }
    }
  }
  const instance = options.instance ?? 'local'
  const now = options.now ?? Date.now
  let lastRow = new Date(Number.NaN)
  /** Partners ask for few paths many times. */
  const pathHashes = new LRUCache<string, string>({ max: PATH_HASHES_MAX })
  sendRefusals(app)
  if (!app.hasRequestDecorator('clientAddress')) app.decorateRequest('clientAddress', null)

  app.addHook('onRequest', function mint (request, _reply, done) {
    watermarkOf(request)
    // A request whose reading is broken off has no socket to ask any more.
    request.clientAddress = addressOf(request)
    done()
  })

  app.addHook('preSerialization', function addToEnvelope (request, _reply, payload, done) {
    if (!isEnvelope(payload)) return done(null, payload)
    done(null, { ...payload, meta: { watermark: watermarkOf(request) } })
  })

  app.addHook('onSend', timedWithPayload<unknown>(app, 'watermark', function recordBeforeSending (request, reply, payload, done) {
    reply.header('x-fb-watermark', watermarkOf(request))
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store')
    reply.header('x-content-type-options', 'nosniff')
    if (request.principal === null && request.tokenOrgId === null) {
      countUnauthenticated(request, reply)
      return done(null, payload)
    }
    const retiring = request.principal?.retiring
    if (retiring !== undefined) reply.header('deprecation', retiring.deprecation).header('sunset', retiring.sunset)
    audit.record(rowOf(request, reply)).then(() => done(null, payload), (cause: unknown) => { withhold(request, reply, payload, cause).then((answer) => done(null, answer), done) })
  }))

  function watermarkOf (request: FastifyRequest): string {
    request.watermark ??= mintWatermark(secret, now())
    return request.watermark
  }

  function countUnauthenticated (request: FastifyRequest, reply: FastifyReply): void {
    if (request.refusal === null) return
    refusals?.count({ ip: request.clientAddress ?? addressOf(request), code: request.refusal.code, status: reply.statusCode, at: new Date(now()) })
  }

  /** An answer that could not be recorded does not leave: the caller gets 503, and what its handler spent is given back. */
  async function withhold (request: FastifyRequest, reply: FastifyReply, payload: unknown, cause: unknown): Promise<unknown> {
    request.log.error({ watermark: request.watermark, reason: cause instanceof Error ? cause.name : 'unknown' }, 'an answer was withheld because its audit row could not be written')
    await giveBack(request)
    if (reply.statusCode >= 500) return payload
    request.refusal = { code: 'unavailable', reason: 'audit' }
    for (const name of ['etag', 'allow', 'www-authenticate', 'ratelimit', 'ratelimit-policy']) reply.removeHeader(name)
    reply.code(ERROR_CATALOGUE.unavailable.status)
    reply.header('content-type', 'application/json; charset=utf-8')
    reply.header('cache-control', 'no-store')
    reply.header('retry-after', RETRY_AFTER_SECONDS)
    reply.removeHeader('content-length')
    return JSON.stringify({ ok: false, error: ERROR_CATALOGUE.unavailable.sentence, code: 'unavailable', meta: { watermark: watermarkOf(request) } })
  }

  async function giveBack (request: FastifyRequest): Promise<void> {
    const undo = request.onUnsent
    request.onUnsent = null
    try {
      await undo?.()
    } catch (err) {
      request.log.error({ watermark: request.watermark, reason: err instanceof Error ? err.name : 'unknown' }, 'what a withheld answer had spent could not be given back')
    }
  }

  function pathHashOf (path: string): string {
    let hashed = pathHashes.get(path)
    if (hashed === undefined) pathHashes.set(path, hashed = hmacSha256Hex(secret, path).slice(0, PATH_HASH_CHARS))
    return hashed
  }

  /** Many rows are of one millisecond. */
  function timeOf (ms: number): Date {
    if (ms !== lastRow.getTime()) lastRow = new Date(ms)
    return lastRow
  }

  function rowOf (request: FastifyRequest, reply: FastifyReply): AuditRow {
    const { principal, refusal } = request
    return {
      watermark: watermarkOf(request),
      at: timeOf(now()),
      orgId: principal?.orgId ?? request.tokenOrgId,
      keyId: principal?.keyId ?? null,
      keyPrefix: principal?.prefix ?? null,
      method: request.method,
      route: routeOf(request).url ?? '*',
      pathHash: pathHashOf(pathOf(request.raw.url ?? '')),
      status: reply.statusCode,
      code: refusal?.code ?? null,
      reason: refusal?.reason ?? null,
      ip: request.clientAddress ?? addressOf(request),
      userAgent: userAgentOf(request),
      instance,
      degraded: request.degraded,
      jti: request.redeemedJti,
      actor: request.actor
    }
  }
}

function isEnvelope (payload: unknown): payload is object {
  return typeof payload === 'object' && payload !== null && 'ok' in payload && ('data' in payload || 'error' in payload)
}

function addressOf (request: FastifyRequest): string {
  return normaliseAddress(request.ip) ?? UNKNOWN_ADDRESS
}

function userAgentOf (request: FastifyRequest): string | null {
  // PostgreSQL text holds no NUL, and a log line must stay one line.
  const agent = request.headers['user-agent']
  return agent === undefined ? null : scrub(agent.replace(/[^\x20-\x7e]/g, '?')).slice(0, USER_AGENT_CHARS_MAX)
}

export default fp(watermark, { name: 'watermark', fastify: '5.x' })
