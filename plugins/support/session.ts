/**
 * The console's credential: a person's session cookie, never a key. Answers: strangers, members without the role, other sites' pages that
 * ride on the cookie (cross-site request forgery), and a person or an address that asks too often. Not one of the ten layers:
 * they guard what has a key.
 *
 * Phase: preParsing, before a body is read. Reads: `Cookie`, `Origin`, `Sec-Fetch-Site`. Leaves: `session`, and `tokenOrgId` and `actor` for
 * the audit row; then takes the body within its deadline. Refuses with: `not_signed_in` (one answer for no, forged, expired and malformed
 * session), `organization_required`, `role_required`, `cross_origin_refused`, `api_disabled`, `rate_limited`, `payload_too_large`,
 * `request_timeout`. Store: none.
 */
import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ApiError } from '../../errors.ts'
import { declareSlots, STATE_CHANGING } from '../context.ts'
import type { KillState } from '../lib/kill-state.ts'
import { clientOf } from '../lib/network.ts'
import { openSession, sessionKeyOf, sessionTokenOf } from '../lib/session-token.ts'
import { BODY_DEADLINE_MS, hasBody, replayed, takeBody } from './raw-body.ts'

const ROLES: ReadonlySet<string> = new Set(['admin', 'owner'])
const MINUTE_MS = 60_000
const RETRY_AFTER_SECONDS = '2'
const FORM_OF_ORIGIN = /^https?:\/\/[^/?#@\s]+$/

export interface SessionOptions {
  /** `NEXTAUTH_SECRET`, its text as it stands. No default. */
  secret: string
  /** Origins of the console's pages. Default none: the origin that the request was sent to. */
  origins?: readonly string[]
  /** Requests a minute of one person, and of one address however many people are behind it. Default 120 and 600. */
  perSubjectMax?: number
  perAddressMax?: number
  /** How long a body may take, milliseconds. Default 20 000. Its size is the route's own `bodyLimit`. */
  bodyDeadlineMs?: number
  /** The kill switch, from memory. While it refuses the organization, only routes that declare `duringKill` and reads are served. */
  killState: () => KillState
  /** Unix milliseconds. Default `Date.now`. */
  now?: () => number
}

/** Who is signed in, with the organization they speak for. */
export interface ConsoleSession { readonly subject: string, readonly orgId: string, readonly role: string }

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Set on a route that only takes rights away: it is served while the kill switch is thrown. */
    duringKill?: boolean
  }
  interface FastifyRequest { session: ConsoleSession | null }
}

const session: FastifyPluginAsync<SessionOptions> = async (app, options) => {
  const now = options.now ?? Date.now
  const { secret, killState } = options
  const deadlineMs = options.bodyDeadlineMs ?? BODY_DEADLINE_MS
  const origins = new Set(options.origins ?? [])
  if (typeof secret !== 'string' || secret === '') throw new TypeError('session: secret must be a text')
  for (const origin of origins) if (!FORM_OF_ORIGIN.test(origin)) throw new TypeError('session: each origin must be scheme://host[:port]')
  const key = sessionKeyOf(secret)
  const perAddress = app.createRateLimit({ max: options.perAddressMax ?? 600, timeWindow: MINUTE_MS, keyGenerator: (request) => `console ${clientOf(request.ip)}` })
  const perSubject = app.createRateLimit({ max: options.perSubjectMax ?? 120, timeWindow: MINUTE_MS, keyGenerator: (request) => `console ${request.session?.orgId ?? ''} ${request.session?.subject ?? ''}` })
  declareSlots(app)
  app.decorateRequest('session', null)

  app.addHook('preParsing', async function admitPerson (request, reply, payload) {
    await limit(perAddress, request, 'address')
    const opened = await open(request)
    if (opened.orgId === null) throw new ApiError('organization_required')
    request.tokenOrgId = opened.orgId
    request.actor = actorOf(opened)
    if (opened.role === null || !ROLES.has(opened.role)) throw new ApiError('role_required')
    request.session = { subject: opened.subject, orgId: opened.orgId, role: opened.role }
    if (STATE_CHANGING.has(request.method)) {
      refuseOtherOrigin(request)
      refuseWhenKilled(request, opened.orgId)
    }
    await limit(perSubject, request, 'session')
    return hasBody(request) ? replayed(await takeBody(request, reply, payload, { bytesMax: request.routeOptions.bodyLimit, deadlineMs })) : payload
  })

  async function open (request: FastifyRequest): Promise<{ subject: string, orgId: string | null, role: string | null }> {
    const token = sessionTokenOf(request.headers.cookie)
    if (token === null) throw new ApiError('not_signed_in', { reason: 'session_absent' })
    const outcome = await openSession(token, key, now())
    if (!outcome.ok) throw new ApiError('not_signed_in', { reason: outcome.reason })
    return outcome.session
  }

  /** Both headers are the browser's own: a page can neither set nor remove them. What has neither is no page of the console. */
  function refuseOtherOrigin (request: FastifyRequest): void {
    const { origin, 'sec-fetch-site': site } = request.headers
    const isOwnSite = site === undefined ? origin !== undefined : site === 'same-origin'
    const isOwnOrigin = origin === undefined || (origins.size === 0 ? origin === `${request.protocol}://${request.host}` : origins.has(origin))
    if (!isOwnSite || !isOwnOrigin) throw new ApiError('cross_origin_refused')
  }

  function refuseWhenKilled (request: FastifyRequest, orgId: string): void {
    if (request.routeOptions.config.duringKill === true) return
    const { everything, orgs, isKnown } = killState()
    if (everything !== null || orgs.get(orgId) !== undefined) throw new ApiError('api_disabled', { reason: everything === null ? 'organization' : 'everything' })
    if (!isKnown) throw new ApiError('unavailable', { reason: 'kill_switch_unknown', headers: { 'retry-after': RETRY_AFTER_SECONDS } })
  }
}

async function limit (limiter: ReturnType<Parameters<FastifyPluginAsync>[0]['createRateLimit']>, request: FastifyRequest, reason: string): Promise<void> {
  const state = await limiter(request)
  if (state.isAllowed || !state.isExceeded) return
  throw new ApiError('rate_limited', { detail: reason === 'address' ? 'Too many requests from this address.' : 'Too many requests in this session.', headers: { 'retry-after': String(Math.max(1, state.ttlInSeconds)) }, reason })
}

/** How a person is named in the audit trail and in the history of keys. */
export function actorOf ({ subject }: Pick<ConsoleSession, 'subject'>): string {
  return `session:${subject}`
}

/** Who is signed in. Throws `internal_error` when nobody was asked: a missing session is never anonymous. */
export function getSession (request: FastifyRequest): ConsoleSession {
  if (request.session === null) throw new ApiError('internal_error', { cause: new Error('no session: the session layer has not run on this route') })
  return request.session
}

export default fp(session, { name: 'session', fastify: '5.x' })
