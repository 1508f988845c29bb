/**
 * Layer 2, authentication. Answers: strangers, and keys that leaked through a log or a stolen database.
 *
 * Phase: preParsing, on routes with access `key`. Reads: `Authorization: Bearer`. Leaves: `principal`, `bearerKey`,
 * `reloadPrincipal`, `renewPrincipal`; then lets the `callerJudges` speak. Refuses with: `invalid_api_key` (one answer for no, malformed, unknown,
 * suspended, revoked and expired key), `rate_limited` once an address has failed too often, `unavailable`.
 * Store: the key store by SHA-256, cached in process by digest under the key's epoch; admission (layer 7) compares epochs and
 * asks for a fresh record when they differ. Windows' store away: no cache, every request reads the key store. Key store away:
 * 503, never 401, which would make partners throw good keys away.
 */
import type { FastifyPluginAsync, FastifyRequest, RequestPayload } from 'fastify'
import fp from 'fastify-plugin'
import { LRUCache } from 'lru-cache'
import { ApiError } from '../errors.ts'
import { accessOf, KEY_CACHE_SECONDS, lapseOf, passAfter, type AdmissionStore, type KeyRecord, type KeyStore, type Principal } from './context.ts'
import { bearerKeyOf, digestHexOf } from './lib/api-key.ts'
import { failureBudget } from './lib/failure-budget.ts'
import { assertOptions, FUNCTION, port, positiveWhole, required } from './lib/options.ts'
import { sendRefusals } from './support/error-handler.ts'
import { timedWithPayload } from './support/layer-clock.ts'

const CACHE_RECORDS_MAX = 10_000
const KNOWN_MAX = 100_000
const KNOWN_TTL_MS = 3_600_000
const FAILURES_PER_SECOND_MAX = 60
/** Few, so that the reads of strangers never crowd the store; the others wait their turn. */
const STRANGERS_AT_A_TIME = 2
const BUSY_RETRY_SECONDS = '1'
const RETRY_AFTER_SECONDS = '2'

/** Failures per client address. `check` does not count, `count` does. */
export interface FailureLimiter {
  /** False when `check` would surely answer null: an address that has not failed lately. Asked from memory for each request. Default true. */
  mayBeBlocked? (request: FastifyRequest): boolean
  /** Seconds until the address may try again, or null when it may try now. */
  check (request: FastifyRequest): Promise<number | null>
  count (request: FastifyRequest): Promise<void>
}

export interface AuthenticationOptions {
  keys: KeyStore
  /** Where epochs live. Without it nothing is cached: every request reads the key store. Default none. */
  epochs?: Pick<AdmissionStore, 'readEpoch'>
  /** Limits failed authentication per client address. Default none. */
  failures?: FailureLimiter
  /** Failures a second, of all addresses together, that are worth a read of the key store; a quarter of them may come at once. Keys that have authenticated here within the hour are read in any case. Default 60. */
  failuresPerSecondMax?: number
  /** Unix milliseconds. Default `Date.now`. */
  now?: () => number
}

const authentication: FastifyPluginAsync<AuthenticationOptions> = async (app, options) => {
  assertOptions('authentication', options, {
    keys: required(port('a KeyStore', 'findByDigest')),
    epochs: port('an AdmissionStore', 'readEpoch'),
    failures: port('a FailureLimiter', 'check', 'count'),
    failuresPerSecondMax: positiveWhole(''),
    now: FUNCTION
  })
  const { keys, epochs, failures } = options
  const now = options.now ?? Date.now
  // Resolution 0 reads the clock each time; any other keeps it with a timer of its own, and is late by as much.
  const cache = new LRUCache<string, Principal>({ max: CACHE_RECORDS_MAX, ttl: KEY_CACHE_SECONDS * 1000, ttlResolution: 0 })
  /** Keys that have authenticated here lately. Nobody is let in for it: it only says whose read does not wait for strangers. */
  const known = new LRUCache<string, true>({ max: KNOWN_MAX, ttl: KNOWN_TTL_MS })
  const firstReads = new Map<string, Promise<Principal | null>>()
  const budget = failureBudget({ perSecondMax: options.failuresPerSecondMax ?? FAILURES_PER_SECOND_MAX, underWayMax: STRANGERS_AT_A_TIME, now })
  sendRefusals(app)

  app.addHook('preParsing', timedWithPayload<RequestPayload>(app, 'authentication', function authenticate (request, _reply, payload, done) {
    if (accessOf(request) !== 'key' || admitFromCache(request)) done(null, payload)
    else passAfter(admitFromStore(request), payload, done)
  }))

  /** The caller as it usually is: a key whose record is at hand, at an address that has not failed. Awaits nothing; true when it is let in. */
  function admitFromCache (request: FastifyRequest): boolean {
    if (failures !== undefined && failures.mayBeBlocked?.(request) !== false) return false
    const bearerKey = bearerKeyOf(request.headers.authorization)
    if (bearerKey === null) return false
    const digest = digestHexOf(bearerKey)
    const found = cache.get(digest)
    if (found === undefined || lapseOf(found, now()) !== null) return false
    letIn(request, bearerKey, digest, found)
    return true
  }

  async function admitFromStore (request: FastifyRequest): Promise<void> {
    await refuseIfBlocked(request)
    const bearerKey = bearerKeyOf(request.headers.authorization)
    if (bearerKey === null) return await refuse(request, 'absent_or_malformed')
    const digest = digestHexOf(bearerKey)
    const found = cache.get(digest) ?? await loadInTurn(digest)
    const lapse = found === null ? 'unknown' : lapseOf(found, now())
    if (found === null || lapse !== null) {
      cache.delete(digest)
      known.delete(digest)
      request.refusedKey = found
      return await refuse(request, lapse ?? 'unknown')
    }
    letIn(request, bearerKey, digest, found)
  }

  function letIn (request: FastifyRequest, bearerKey: string, digest: string, principal: Principal): void {
    request.principal = principal
    request.bearerKey = bearerKey
    request.reloadPrincipal = (epoch) => reload(request, digest, epoch)
    request.renewPrincipal = () => renew(request, digest, principal)
    for (const judge of app.callerJudges) judge(request, principal)
  }

  async function refuseIfBlocked (request: FastifyRequest): Promise<void> {
    const retryAfterSeconds = await failures?.check(request) ?? null
    if (retryAfterSeconds === null) return
    throw new ApiError('rate_limited', {
      detail: 'Too many failed requests from this address.',
      headers: { 'retry-after': String(retryAfterSeconds) },
      reason: 'address'
    })
  }

  async function refuse (request: FastifyRequest, reason: string): Promise<never> {
    await failures?.count(request)
    throw invalidKey(reason)
  }

  /**
   * Reads a stranger's key only while strangers have not failed too often, so that a flood of them leaves the store to the others. Of
   * simultaneous requests with one new key the first one reads; the rest wait for it once, and then it is known or each takes its own turn.
   */
  async function loadInTurn (digest: string): Promise<Principal | null> {
    const first = firstReads.get(digest)
    // No await without a reason: whoever comes next must find the first read already there.
    if (first !== undefined) await first.catch(() => {})
    if (known.has(digest)) return cache.get(digest) ?? await load(digest)
    const read = readInTurn(digest)
    if (!firstReads.has(digest)) firstReads.set(digest, read)
    try {
      return await read
    } finally {
      if (firstReads.get(digest) === read) firstReads.delete(digest)
    }
  }

  async function readInTurn (digest: string): Promise<Principal | null> {
    const turn = await budget.begin()
    if (turn !== 'go') throw new ApiError(turn === 'spent' ? 'rate_limited' : 'unavailable', { detail: 'Too many unknown keys at once.', headers: { 'retry-after': BUSY_RETRY_SECONDS }, reason: 'strangers' })
    let hasFailed = false
    try {
      const found = await load(digest)
      hasFailed = found === null || lapseOf(found, now()) !== null
      if (!hasFailed) known.set(digest, true)
      return found
    } finally {
      budget.end(hasFailed)
    }
  }

  /**
   * A key's first read here is two: the first one finds the key's id and with it the epoch, the second is the record under that
   * epoch. A change is committed before it bumps the epoch, so a record read after the epoch never outlives it unnoticed. A
   * key that is dead, whatever it died of, costs what an unknown one costs: one read each time, no epoch, no place in the cache.
   */
  async function load (digest: string): Promise<Principal | null> {
    const first = await find(digest)
    if (first === null) return null
    if (lapseOf(first, now()) !== null) return principalOf(first, '')
    const epoch = await readEpoch(first.keyId)
    // Without an epoch the record just read is the freshest there is, and it is not kept.
    if (epoch === '') return principalOf(first, epoch)
    const record = await find(digest)
    return record === null ? null : keep(digest, principalOf(record, epoch))
  }

  async function readEpoch (keyId: string): Promise<string> {
    try {
      return await epochs?.readEpoch(keyId) ?? ''
    } catch (err) {
      app.log.debug({ code: (err instanceof Error ? err.name : 'unknown') }, 'epoch not readable; the key record is not cached')
      return ''
    }
  }

  async function reload (request: FastifyRequest, digest: string, epoch: string): Promise<Principal> {
    cache.delete(digest)
    const record = await find(digest)
    const lapse = record === null ? 'unknown' : lapseOf(record, now())
    if (record === null || lapse !== null) {
      request.principal = null
      throw invalidKey(lapse ?? 'unknown')
    }
    const principal = principalOf(record, epoch)
    if (epoch !== '') keep(digest, principal)
    request.principal = principal
    return principal
  }

  /** For a layer that is about to refuse by a cached record. An unknown epoch is a stale one; a record without was read for this request. */
  async function renew (request: FastifyRequest, digest: string, held: Principal): Promise<Principal> {
    if (held.epoch === '') return held
    const epoch = await readEpoch(held.keyId)
    return epoch === held.epoch ? held : await reload(request, digest, epoch)
  }

  function keep (digest: string, principal: Principal): Principal {
    cache.set(digest, principal)
    return principal
  }

  async function find (digest: string): Promise<KeyRecord | null> {
    try {
      return await keys.findByDigest(Buffer.from(digest, 'hex')) ?? null
    } catch (cause) {
      throw new ApiError('unavailable', { cause, reason: 'key_store', headers: { 'retry-after': RETRY_AFTER_SECONDS } })
    }
  }
}

/** A caller of one shape, whatever its record has: every layer looks at it on every request, and looks of one shape are compiled. */
function principalOf (record: KeyRecord, epoch: string): Principal {
  const { keyId, orgId, prefix, permissions, ipAllowlist, perMinute, perHour, state, expiresAtMs, canaryLabel, signing, retiring, debugUntilMs } = record
  return { keyId, orgId, prefix, permissions, ipAllowlist, perMinute, perHour, state, expiresAtMs, canaryLabel, signing, retiring, debugUntilMs, epoch }
}

function invalidKey (reason: string): ApiError {
  return new ApiError('invalid_api_key', { headers: { 'www-authenticate': 'Bearer' }, reason })
}

export default fp(authentication, { name: 'authentication', fastify: '5.x' })
