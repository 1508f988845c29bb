/**
 * What a layer may leave on a request for a later one, and the ports that layers share. A layer imports this file, `errors.ts`
 * and `lib/`, never another layer. A slot is null until its layer has run; its accessor throws instead of guessing.
 */
import type { KeyObject } from 'node:crypto'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { ApiError, type ErrorCode } from '../errors.ts'

export type Permission = 'governance:read' | 'governance:evaluate' | 'admin'

/**
 * Seconds that an instance may serve a key's record from its cache. A change makes the record stale by its epoch, at once; this is for what
 * changed without one: a hand in the database, or instances that could not be told.
 */
export const KEY_CACHE_SECONDS = 60

/** What kind of credential a route asks for. A route that declares none does not boot. */
export type Access = 'key' | 'open' | 'result-token'

/** Methods whose requests change state: a signed one is accepted once. */
export const STATE_CHANGING: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH', 'DELETE'])

/** A signing secret of a hardened key, opened. A `KeyObject` shows its bytes to no log and no JSON. */
export interface SigningSecret {
  readonly secret: KeyObject
  /** Unix milliseconds at which it stops being valid, or null. */
  readonly untilMs: number | null
}

/** A key's record as the store holds it. The raw key is not in it. */
export interface KeyRecord {
  readonly keyId: string
  readonly orgId: string
  /** First 12 characters of the key, the only loggable part. */
  readonly prefix: string
  readonly permissions: readonly Permission[]
  /** CIDR ranges; empty means that every address may call. */
  readonly ipAllowlist: readonly string[]
  readonly perMinute: number
  readonly perHour: number
  readonly state: 'active' | 'suspended' | 'revoked' | 'inactive'
  /** Unix milliseconds, or null for a key that does not expire. */
  readonly expiresAtMs: number | null
  /** Set on a canary key: where it was planted. */
  readonly canaryLabel?: string | undefined
  /** Set on a key of the hardened signature profile: its secrets, newest first. Such a key refuses the published profile. */
  readonly signing?: readonly SigningSecret[] | undefined
  /** Set on a key that another one replaces: values of `Deprecation` (RFC 9745) and `Sunset` (RFC 8594) on its answers. */
  readonly retiring?: { readonly deprecation: string, readonly sunset: string } | undefined
  /** Until then (Unix milliseconds) a refused signature's audit row says what differed. */
  readonly debugUntilMs?: number | undefined
}

/** The caller, once authenticated. */
export interface Principal extends KeyRecord {
  /** Version of the record as the windows' store knew it when it was read; empty while that store is away. */
  readonly epoch: string
}

export interface KeyStore {
  /** The record of a key by the SHA-256 of its 56 characters; null or undefined when there is none. Rejects when the store is away. */
  findByDigest (sha256: Buffer): Promise<KeyRecord | null | undefined>
}

export interface AdmissionRequest {
  readonly keyId: string
  /** The epoch the caller's record was read under; another one means that the record must be read again. */
  readonly epoch: string
  readonly perMinute: number
  readonly perHour: number
  /** Identifies a request that changes state and may be admitted once; null for one that may repeat. */
  readonly replayId: string | null
  /** How long a replay id is remembered, seconds. */
  readonly replayTtlSeconds: number
  /** When the caller admitted requests of this key alone, while the store was away; Unix milliseconds, oldest first. They count from now on. Default none. */
  readonly admittedAloneMs?: readonly number[]
}

export interface WindowState {
  readonly limit: number
  /** The smaller of what both windows have left. */
  readonly remaining: number
  /** Unix milliseconds at which the minute window is whole again. */
  readonly resetAtMs: number
}

export type AdmissionVerdict =
  | { readonly outcome: 'admitted', readonly window: WindowState }
  | { readonly outcome: 'refused', readonly blocked: 'minute' | 'hour', readonly retryAfterMs: number, readonly window: WindowState }
  | { readonly outcome: 'replayed' }
  | { readonly outcome: 'stale', readonly epoch: string }

/** Windows, replay records and key epochs: one atomic step, one round trip. Rejects when the store is away. */
export interface AdmissionStore {
  admit (request: AdmissionRequest): Promise<AdmissionVerdict>
  /** The key's windows as they are; spends nothing. For answers to requests that were refused before admission. */
  readWindow (key: { readonly keyId: string, readonly perMinute: number, readonly perHour: number }): Promise<WindowState>
  /** The key's current epoch; made when there is none. */
  readEpoch (keyId: string): Promise<string>
  /** Makes every cached record of the key stale. Call after the change is committed. */
  bumpEpoch (keyId: string): Promise<void>
}

/** State-changing requests that were accepted, where they outlive the windows' store. Rejects when the store is away. */
export interface AcceptedRequests {
  /** True for the first of any number of callers, on any instance; false when the request was accepted before. */
  accept (keyId: string, replayId: string, ttlSeconds: number): Promise<boolean>
}

/** The single use of result tokens. Rejects when the store is away. */
export interface SingleUseStore {
  issue (id: string, ttlSeconds: number): Promise<void>
  /** Exactly one of any number of concurrent callers gets `taken`. `unknown`: never issued, expired or lost. */
  take (id: string): Promise<'taken' | 'used' | 'unknown'>
  /** Undoes a `take` whose answer could not be produced; keeps the remaining life. */
  giveBack (id: string): Promise<void>
}

/** One audit row. `at` and `watermark` are set by the watermark layer. */
export interface AuditRow {
  watermark: string
  at: Date
  orgId: string | null
  keyId: string | null
  keyPrefix: string | null
  method: string
  /** Pattern of the route, e.g. `/evaluations/:evaluation_id`; `*` for an unknown one. */
  route: string
  /** Keyed hash of the path without its query; 32 hex characters. */
  pathHash: string
  status: number
  code: string | null
  /** Private reason of a refusal. */
  reason: string | null
  ip: string
  userAgent: string | null
  instance: string
  /** True when the windows were judged in process because their store was away. */
  degraded: boolean
  jti: string | null
  /** Who asked, where it was no key: `session:<sub>`. Default null. */
  actor?: string | null
}

export interface AuditSink {
  /** Resolves once the row is durable; rejects when it could not be made so. */
  record (row: AuditRow): Promise<void>
}

/** A refusal before authentication: counted, batched, bounded; never awaited. */
export interface RefusalCounter { count (refusal: { ip: string, code: ErrorCode, status: number, at: Date }): void }

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access
    /** Permission that a route with access `key` needs. */
    scope?: Permission
  }
  interface FastifyRequest {
    /** What the route declared, once somebody asked; ask `routeOf`. */
    declaredRoute: FastifyRequest['routeOptions'] | null
    principal: Principal | null
    /** A key that is known and was refused; set by authentication for anomaly detection. */
    refusedKey: KeyRecord | null
    /** The raw bearer key; set by authentication, taken and cleared by signature. */
    bearerKey: string | null
    /** The exact bytes of the body; set by signature. */
    rawBody: Buffer | null
    /** What identifies this signed request once admitted; set by signature for requests that change state. */
    replayId: string | null
    window: WindowState | null
    degraded: boolean
    /** Code of the refusal being sent, set by the error handler. */
    refusal: { code: ErrorCode, reason: string | null } | null
    watermark: string | null
    /** Redeemed token's id, for the audit row. */
    redeemedJti: string | null
    /** Organization named by a valid result token, for the audit row of a request that has no key. */
    tokenOrgId: string | null
    /** Who asks, where it is no key; for the audit row. */
    actor: string | null
    /** Undo steps for an answer that could not be produced. */
    onUnsent: (() => Promise<void>) | null
    /** Reads the key record again under a newer epoch; set by authentication. */
    reloadPrincipal: ((epoch: string) => Promise<Principal>) | null
    /** The key record as it is now: read again when its epoch says that it is stale, else the one at hand; set by authentication. */
    renewPrincipal: (() => Promise<Principal>) | null
  }
  interface FastifyInstance {
    /** Judges that speak as soon as the caller is known, before the signature is looked at. */
    callerJudges: Array<(request: FastifyRequest, principal: Principal) => void>
    /** Judges that depend on the key record and must speak again when it was stale. In run order. */
    principalJudges: Array<(request: FastifyRequest, principal: Principal) => void>
  }
}

const REQUEST_SLOTS = ['declaredRoute', 'principal', 'bearerKey', 'rawBody', 'replayId', 'window', 'watermark', 'reloadPrincipal', 'renewPrincipal'] as const
/** What few requests fill, with its default. */
const RARE_SLOTS = { refusedKey: null, degraded: false, refusal: null, redeemedJti: null, tokenOrgId: null, actor: null, onUnsent: null }

/** Declares every slot once, with its default, so that all requests share one shape. Each layer calls it; the first call counts. */
export function declareSlots (app: FastifyInstance): void {
  for (const slot of REQUEST_SLOTS) if (!app.hasRequestDecorator(slot)) app.decorateRequest(slot, null)
  for (const [slot, value] of Object.entries(RARE_SLOTS)) declareRareSlot(app, slot, value)
  if (!app.hasDecorator('callerJudges')) app.decorate('callerJudges', [])
  if (!app.hasDecorator('principalJudges')) app.decorate('principalJudges', [])
}

/** A slot that a request has once something is written to it; until then all read the default of their prototype, and none pays for it. */
export function declareRareSlot (app: FastifyInstance, slot: string, byDefault: null | boolean): void {
  if (app.hasRequestDecorator(slot)) return
  app.decorateRequest(slot, {
    getter: () => byDefault,
    setter (value: unknown) { Object.defineProperty(this, slot, { value, writable: true, enumerable: true, configurable: true }) }
  })
}

/** Why a record does not authenticate at this time, or null. */
export function lapseOf (record: KeyRecord, nowMs: number): string | null {
  if (record.state !== 'active') return record.state
  // What is no number is no time at which it is still valid.
  return record.expiresAtMs === null || record.expiresAtMs > nowMs ? null : 'expired'
}

/**
 * Ends a hook with a payload once `judged` is fulfilled, and with its reason when it is rejected. For the rare case of a hook that usually has
 * nothing to wait for: a hook that makes a closure anywhere pays for it each time.
 */
export function passAfter<Payload> (judged: Promise<unknown>, payload: Payload, done: (err: Error | null, payload?: Payload) => void): void {
  judged.then(() => done(null, payload), done)
}

/** The authenticated caller. Throws `internal_error` when authentication has not run: a missing principal is never anonymous. */
export function getPrincipal (request: FastifyRequest): Principal {
  if (request.principal === null) throw new ApiError('internal_error', { cause: new Error('no principal: the authentication layer has not run on this route') })
  return request.principal
}

/** What the route declared. The framework makes that object anew for each look, and a request is looked at by every layer. */
export function routeOf (request: FastifyRequest): FastifyRequest['routeOptions'] {
  request.declaredRoute ??= request.routeOptions
  return request.declaredRoute
}

/** Access that the route declared; an unknown route inside the surface, and one whose access is none of the three, is judged like a protected one. */
export function accessOf (request: FastifyRequest): Access {
  const { access } = routeOf(request).config
  return access === 'open' || access === 'result-token' ? access : 'key'
}
