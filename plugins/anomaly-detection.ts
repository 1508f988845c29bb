/**
 * Layer 8, anomaly detection. Answers: a stolen key at work, a planted key found, a partner's system gone wrong.
 *
 * Phase: onResponse, off the request's path. Reads: `principal`, `refusedKey`, the outcome. Leaves: nothing. Refuses with: nothing.
 * Raises at once what one request proves: a canary key used, a valid key from a foreign address, a known key over plain HTTP. All
 * that needs counting is judged from the audit rows by one elected instance (support/anomaly-detector.ts), with the same table of
 * thresholds. Store: the port `raise`; what it cannot keep is logged with its numbers: detection must never become a lever for
 * denial of service, so raising is never awaited, bounded in number, and at most once per signal, key and minute in this process.
 */
import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { LRUCache } from 'lru-cache'
import { type KeyRecord, type KeyStore } from './context.ts'
import type { DetectedAnomaly } from './lib/anomaly/detector.ts'
import { DEFAULT_THRESHOLDS, SIGNAL_TABLE, type Signal, type Thresholds } from './lib/anomaly/thresholds.ts'
import { bearerKeyOf, digestOf } from './lib/api-key.ts'
import { normaliseAddress } from './lib/cidr.ts'
import { assertOptions, FUNCTION, OBJECT, port, required } from './lib/options.ts'
import { sendRefusals } from './support/error-handler.ts'
import { timed } from './support/layer-clock.ts'

const QUIET_MS = 60_000
const SUBJECTS_MAX = 10_000
const UNDERWAY_MAX = 50
const USER_AGENT_CHARS_MAX = 256

/** An anomaly that one request proves; `label` says where a canary key was planted. */
export interface InstantAnomaly extends DetectedAnomaly { readonly label: string | null }

export interface AnomalyDetectionOptions {
  /** Keeps an anomaly and does what follows from it. */
  raise: (anomaly: InstantAnomaly) => Promise<void>
  /** Finds the key of a request that was refused before authentication, over plain HTTP. Default none: such keys are not recognised. */
  keys?: Pick<KeyStore, 'findByDigest'>
  /** Default: the table of lib/anomaly/thresholds.ts. */
  thresholds?: Thresholds
  /** Unix milliseconds. Default `Date.now`. */
  now?: () => number
}

const anomalyDetection: FastifyPluginAsync<AnomalyDetectionOptions> = async (app, options) => {
  assertOptions('anomaly-detection', options, { raise: required(FUNCTION), keys: port('a KeyStore', 'findByDigest'), thresholds: OBJECT, now: FUNCTION })
  const { raise, keys } = options
  const thresholds = options.thresholds ?? DEFAULT_THRESHOLDS
  const now = options.now ?? Date.now
  const quiet = new LRUCache<string, { since: number, more: number }>({ max: SUBJECTS_MAX })
  let underway = 0
  sendRefusals(app)

  app.addHook('onResponse', timed(app, 'anomaly-detection', function observeOutcome (request, _reply, done) {
    done()
    if (request.refusal === null) return
    const { code } = request.refusal
    if (code === 'invalid_api_key' && request.refusedKey?.canaryLabel !== undefined) report('canary_used', request, request.refusedKey)
    // Where more than one is asked for, the elected instance counts them.
    else if (code === 'ip_not_allowed' && request.principal !== null && thresholds.foreign_address.count === 1) report('foreign_address', request, request.principal)
    else if (code === 'https_required' && keys !== undefined) recognise(request, keys)
  }))

  /** A key that came in clear is looked up after the answer has gone, and at most once a minute. */
  function recognise (request: FastifyRequest, keys: Pick<KeyStore, 'findByDigest'>): void {
    const bearerKey = bearerKeyOf(request.headers.authorization)
    if (bearerKey === null || underway >= UNDERWAY_MAX) return
    const digest = digestOf(bearerKey)
    if (!isNews(`plain ${digest.toString('base64')}`)) return
    follow('plain_http', async () => {
      const key = await keys.findByDigest(digest) ?? null
      // A planted key is dead on any transport; that it was found is the news.
      if (key !== null) report(key.canaryLabel === undefined ? 'plain_http' : 'canary_used', request, key)
    })
  }

  function report (signal: Signal, request: FastifyRequest, key: KeyRecord): void {
    const subject = `${signal} ${key.keyId}`
    const before = quiet.get(subject)?.more ?? 0
    if (!isNews(subject)) return
    follow(signal, () => raise(anomalyOf(signal, request, key, before + 1)))
  }

  /** Whether this is the first in a minute. The others are counted, and told with the next one. */
  function isNews (subject: string): boolean {
    const known = quiet.get(subject)
    if (known !== undefined && now() - known.since < QUIET_MS) {
      known.more++
      return false
    }
    quiet.set(subject, { since: now(), more: 0 })
    return true
  }

  function follow (signal: Signal, work: () => Promise<void>): void {
    if (underway >= UNDERWAY_MAX) {
      app.log.error({ signal }, 'too many anomalies at once; this one was not kept')
      return
    }
    underway++
    work().catch((err: unknown) => {
      app.log.error({ signal, reason: err instanceof Error ? err.name : 'unknown' }, 'an anomaly could not be kept')
    }).finally(() => { underway-- })
  }

  function anomalyOf (signal: Signal, request: FastifyRequest, key: KeyRecord, count: number): InstantAnomaly {
    const { severity, isCertain } = SIGNAL_TABLE[signal]
    const agent = request.headers['user-agent']
    return {
      signal,
      severity,
      isCertain,
      orgId: key.orgId,
      keyId: key.keyId,
      atMs: now(),
      numbers: { count },
      threshold: thresholds[signal],
      watermarks: request.watermark === null ? [] : [request.watermark],
      ip: normaliseAddress(request.ip) ?? '0.0.0.0',
      userAgent: agent?.replace(/[^\x20-\x7e]/g, '?').slice(0, USER_AGENT_CHARS_MAX) ?? null,
      label: key.canaryLabel ?? null
    }
  }
}

export default fp(anomalyDetection, { name: 'anomaly-detection', fastify: '5.x', decorators: { request: ['principal', 'refusal'] } })
