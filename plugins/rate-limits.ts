/**
 * Layer 7, rate limits. Answers: exhaustion by one key, and the replay of a signed request that changes state.
 *
 * Phase: preParsing, last before the body is parsed: only what passed layers 2 to 6 spends quota. Reads: `principal`, `replayId`.
 * Leaves: `window`, `degraded`. Refuses with: `rate_limited`, `signature_replayed`, `unavailable`. An answer that layers 3 to 6
 * refused shows the windows as they are.
 * Store: one atomic step and one round trip for both windows, the replay record and the key's epoch. A stale epoch spends
 * nothing: the record is read again and layers 2, 4, 5 and 6 judge again. Store away: the key record is read afresh and an exact window in this
 * process admits the share max(1, floor(limit / instances)); the audit row says so. Never unlimited; the share is spent by what this
 * process admitted before, and the store is told of what it admitted alone with the key's next request. What changes state is confirmed
 * by a row in the database besides: the store decides, the row confirms, so that one which forgot lets nothing in twice.
 */
import type { FastifyPluginAsync, FastifyReply, FastifyRequest, RequestPayload } from 'fastify'
import fp from 'fastify-plugin'
import { ApiError } from '../errors.ts'
import { accessOf, getPrincipal, passAfter, STATE_CHANGING, type AcceptedRequests, type AdmissionRequest, type AdmissionStore, type AdmissionVerdict, type Principal, type WindowState } from './context.ts'
import { localWindows } from './lib/local-windows.ts'
import { assertOptions, port, positiveWhole, required } from './lib/options.ts'
import { untoldAdmissions } from './lib/untold-admissions.ts'
import { sendRefusals } from './support/error-handler.ts'
import { timedWithPayload } from './support/layer-clock.ts'

const RELOADS_MAX = 3
const REPLAY_TTL_SECONDS = 601
const RETRY_AFTER_SECONDS = '2'

export interface RateLimitsOptions {
  store: AdmissionStore
  /**
   * Confirms that a state-changing request is accepted for the first time, so that a store which forgot, failed over or was away cannot
   * let it in again. Default none: the store alone decides.
   */
  accepted?: AcceptedRequests
  /** How many instances share the limits while the store is away. Default 1. */
  instances?: number
}

type Admission = AdmissionRequest & { readonly admittedAloneMs: readonly number[] }
type Judgement = Exclude<AdmissionVerdict, { outcome: 'stale' }>

const rateLimits: FastifyPluginAsync<RateLimitsOptions> = async (app, options) => {
  assertOptions('rate-limits', options, { store: required(port('an AdmissionStore', 'admit', 'readWindow')), accepted: port('an AcceptedRequests', 'accept'), instances: positiveWhole('') })
  const { store, accepted } = options
  const instances = options.instances ?? 1
  const local = localWindows({ instances })
  const untold = untoldAdmissions()
  sendRefusals(app)

  app.addHook('preParsing', timedWithPayload<RequestPayload>(app, 'rate-limits', function admit (request, reply, payload, done) {
    if (accessOf(request) !== 'key') return done(null, payload)
    const admission = admissionOf(request)
    ask(admission).then((verdict) => {
      if (verdict.outcome === 'stale') judgeAnew(request, admission, verdict.epoch).then((other) => conclude(request, reply, payload, null, other, done), done)
      else conclude(request, reply, payload, admission, verdict, done)
    }, (err: unknown) => {
      judgeLocally(request, admission, err).then((verdict) => conclude(request, reply, payload, null, verdict, done), done)
    })
  }))

  // What layers 3 to 6 refused, and what was replayed, never reached the windows: this looks at them.
  app.addHook('onSend', function showUntouchedWindow (request, reply, payload, done) {
    const { principal } = request
    if (principal === null || request.window !== null) return done(null, payload)
    lookAtWindow(principal).then((window) => {
      request.window = window
      setWindowHeaders(request, reply)
    }).then(() => done(null, payload), done)
  })

  async function lookAtWindow ({ keyId, perMinute, perHour }: Principal): Promise<WindowState> {
    try {
      return await store.readWindow({ keyId, perMinute, perHour })
    } catch {
      // The shared windows are away; what this process would judge by is told instead, as for an admitted request.
      return local.read(keyId, perMinute, perHour)
    }
  }

  /** Awaits nothing where there is nothing left to ask. `admission` is what the store was asked and has not been counted here yet. */
  function conclude (request: FastifyRequest, reply: FastifyReply, payload: RequestPayload, admission: Admission | null, verdict: Judgement, done: (err: Error | null, payload?: RequestPayload) => void): void {
    let confirmed: Promise<void> | undefined
    try {
      if (admission !== null) note(admission, verdict)
      confirmed = settle(request, reply, verdict)
    } catch (err) {
      return done(err instanceof Error ? err : new Error(String(err)))
    }
    if (confirmed === undefined) done(null, payload)
    else passAfter(confirmed, payload, done)
  }

  /** What follows from a verdict; a promise only where there is something left to ask. */
  function settle (request: FastifyRequest, reply: FastifyReply, verdict: Judgement): Promise<void> | undefined {
    if (verdict.outcome === 'replayed') throw new ApiError('signature_replayed')
    request.window = verdict.window
    setWindowHeaders(request, reply)
    if (verdict.outcome === 'refused') throw exceeded(getPrincipal(request), verdict)
    // A read whose nonce a store forgot tells its sender again what it told before; what changes state must not happen twice.
    return accepted === undefined || request.replayId === null || !STATE_CHANGING.has(request.method) ? undefined : confirmFirst(request, accepted, request.replayId)
  }

  async function confirmFirst (request: FastifyRequest, accepted: AcceptedRequests, replayId: string): Promise<void> {
    let isFirst: boolean
    try {
      isFirst = await accepted.accept(getPrincipal(request).keyId, replayId, REPLAY_TTL_SECONDS)
    } catch (cause) {
      throw new ApiError('unavailable', { cause, reason: 'accepted_requests', headers: { 'retry-after': RETRY_AFTER_SECONDS } })
    }
    if (!isFirst) throw new ApiError('signature_replayed', { reason: 'confirmed' })
  }

  function admissionOf (request: FastifyRequest): Admission {
    const { keyId, epoch, perMinute, perHour } = getPrincipal(request)
    return { keyId, epoch, perMinute, perHour, replayId: request.replayId, replayTtlSeconds: REPLAY_TTL_SECONDS, admittedAloneMs: untold.take(keyId) }
  }

  /** A store that throws before it promises is away like any other. */
  function ask (admission: Admission): Promise<AdmissionVerdict> {
    try {
      return Promise.resolve(store.admit(admission))
    } catch (err) {
      return Promise.reject(err)
    }
  }

  function note ({ keyId, perMinute, perHour, admittedAloneMs }: Admission, { outcome }: AdmissionVerdict): void {
    if (outcome === 'admitted') local.note(keyId, perMinute, perHour)
    else if (outcome !== 'refused') untold.putBack(keyId, admittedAloneMs)
  }

  /** The record was an old one. */
  async function judgeAnew (request: FastifyRequest, { keyId, admittedAloneMs }: Admission, staleEpoch: string): Promise<Judgement> {
    untold.putBack(keyId, admittedAloneMs)
    let epoch = staleEpoch
    for (let reloads = 0; reloads < RELOADS_MAX; reloads++) {
      await rejudge(request, epoch)
      const admission = admissionOf(request)
      let verdict: AdmissionVerdict
      try {
        verdict = await ask(admission)
      } catch (err) {
        return await judgeLocally(request, admission, err)
      }
      note(admission, verdict)
      if (verdict.outcome !== 'stale') return verdict
      epoch = verdict.epoch
    }
    throw new ApiError('unavailable', { reason: 'epoch', headers: { 'retry-after': RETRY_AFTER_SECONDS } })
  }

  async function judgeLocally (request: FastifyRequest, { keyId: askedFor, admittedAloneMs }: Admission, err: unknown): Promise<Judgement> {
    untold.putBack(askedFor, admittedAloneMs)
    app.log.debug({ reason: err instanceof Error ? err.name : 'unknown' }, 'windows judged in process')
    // A cached record cannot be checked against its epoch now, so it is read again.
    if (getPrincipal(request).epoch !== '') await rejudge(request, '')
    request.degraded = true
    const { keyId, perMinute, perHour } = getPrincipal(request)
    const verdict = local.admit(keyId, perMinute, perHour, request.replayId, REPLAY_TTL_SECONDS)
    if (verdict.outcome === 'stale') throw new ApiError('internal_error', { cause: new Error('a local window has no epochs') })
    if (verdict.outcome === 'admitted') untold.add(keyId, Date.now())
    return verdict
  }

  async function rejudge (request: FastifyRequest, epoch: string): Promise<void> {
    if (request.reloadPrincipal === null) throw new ApiError('internal_error', { cause: new Error('no way to read the key record again: the authentication layer has not run') })
    const principal = await request.reloadPrincipal(epoch)
    for (const judgeAgain of app.principalJudges) judgeAgain(request, principal)
  }
}

function setWindowHeaders (request: FastifyRequest, reply: FastifyReply): void {
  const { window } = request
  if (window === null) return
  // Texts: Node looks at each value by a regular expression, which takes its slow way with a number.
  reply.header('x-ratelimit-limit', String(window.limit))
  reply.header('x-ratelimit-remaining', String(window.remaining))
  reply.header('x-ratelimit-reset', String(Math.ceil(window.resetAtMs / 1000)))
}

function exceeded (principal: Principal, verdict: Extract<AdmissionVerdict, { outcome: 'refused' }>): ApiError {
  const retryAfterSeconds = Math.max(1, Math.ceil(verdict.retryAfterMs / 1000))
  const limit = verdict.blocked === 'minute' ? principal.perMinute : principal.perHour
  return new ApiError('rate_limited', {
    detail: `The limit of ${limit} requests per ${verdict.blocked} is reached.`,
    headers: {
      'retry-after': String(retryAfterSeconds),
      // draft-ietf-httpapi-ratelimit-headers
      'ratelimit-policy': `"minute";q=${principal.perMinute};w=60, "hour";q=${principal.perHour};w=3600`,
      ratelimit: `"${verdict.blocked}";r=0;t=${retryAfterSeconds}`
    },
    reason: verdict.blocked
  })
}

export default fp(rateLimits, { name: 'rate-limits', fastify: '5.x', decorators: { request: ['principal', 'replayId'] } })
