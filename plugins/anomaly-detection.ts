/**
 * Layer 8, anomaly detection. Answers: a stolen key at work, a partner's system gone wrong.
 *
 * Phase: onResponse, off the request's path. Reads: `principal`, the outcome. Leaves: nothing. Refuses with: nothing.
 * Observes per key, over a sliding five minutes: signature failures, foreign addresses with a valid key, foreign organizations'
 * records, probing of missing permissions, storms of 429. Each event carries the numbers that caused it and the watermarks behind
 * it. Suspends only when `autoSuspend` is set, and then only on the signals that are certain. Store: the event sink; when it is
 * away the event is logged with its numbers: detection must never become a lever for denial of service.
 */
import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { LRUCache } from 'lru-cache'
import type { ErrorCode } from '../errors.ts'
import { declareSlots, type Principal } from './context.ts'

const WINDOW_MS = 300_000
const KEYS_MAX = 10_000
const EVIDENCE_MAX = 10

export type AnomalySignal = 'signature_failures' | 'foreign_address' | 'foreign_organization' | 'scope_probing' | 'rate_storm'

interface SignalRule { signal: AnomalySignal, threshold: number, severity: 'high' | 'medium' | 'low', suspends: boolean }

/** Refusals of one key inside five minutes that make an event, by the refusal's code. */
const SIGNAL_BY_CODE: ReadonlyMap<ErrorCode, SignalRule> = new Map([
  ['signature_invalid', { signal: 'signature_failures', threshold: 20, severity: 'medium', suspends: false }],
  ['ip_not_allowed', { signal: 'foreign_address', threshold: 1, severity: 'high', suspends: true }],
  ['organization_mismatch', { signal: 'foreign_organization', threshold: 5, severity: 'high', suspends: true }],
  ['insufficient_permission', { signal: 'scope_probing', threshold: 10, severity: 'medium', suspends: false }],
  ['rate_limited', { signal: 'rate_storm', threshold: 200, severity: 'low', suspends: false }]
])

export interface AnomalyEvent {
  signal: AnomalySignal
  severity: 'high' | 'medium' | 'low'
  keyId: string
  orgId: string
  at: Date
  /** Refusals counted inside `windowMs`, and how many make an event. */
  count: number
  threshold: number
  windowMs: number
  /** Watermarks of the newest requests behind the event, at most ten. */
  watermarks: string[]
  /** What was done, or would have been done with auto-suspend on. */
  action: 'suspended' | 'would_suspend' | 'none'
}

export interface AnomalyDetectionOptions {
  /** Keeps an event. Called once per key, signal and window. */
  record: (event: AnomalyEvent) => Promise<void>
  /** Suspends a key; reversible. Needed when `autoSuspend` is set. Resolves false when it declined. */
  suspend?: (orgId: string, keyId: string, event: AnomalyEvent) => Promise<boolean>
  /** Default false: record what would have been done. */
  autoSuspend?: boolean
  /** Unix milliseconds. Default `Date.now`. */
  now?: () => number
}

interface Observed { sinceMs: number, count: number, watermarks: string[] }

const anomalyDetection: FastifyPluginAsync<AnomalyDetectionOptions> = async (app, options) => {
  const { record, suspend } = options
  const autoSuspend = options.autoSuspend ?? false
  const now = options.now ?? Date.now
  if (typeof record !== 'function') throw new TypeError('anomaly-detection: the option record must be a function')
  if (autoSuspend && typeof suspend !== 'function') throw new TypeError('anomaly-detection: autoSuspend needs the option suspend')
  const observed = new LRUCache<string, Observed>({ max: KEYS_MAX * SIGNAL_BY_CODE.size, ttl: WINDOW_MS })
  declareSlots(app)

  app.addHook('onResponse', function observeOutcome (request, _reply, done) {
    done()
    const rule = request.refusal === null ? undefined : SIGNAL_BY_CODE.get(request.refusal.code)
    if (rule !== undefined && request.principal !== null) observe(request, request.principal, rule)
  })

  function observe (request: FastifyRequest, principal: Principal, rule: SignalRule): void {
    const id = `${principal.keyId} ${rule.signal}`
    const nowMs = now()
    let seen = observed.get(id)
    if (seen === undefined || nowMs - seen.sinceMs >= WINDOW_MS) {
      seen = { sinceMs: nowMs, count: 0, watermarks: [] }
      observed.set(id, seen)
    }
    seen.count++
    if (request.watermark !== null) seen.watermarks = [...seen.watermarks, request.watermark].slice(-EVIDENCE_MAX)
    // Exactly once a window: further refusals belong to the same event.
    if (seen.count === rule.threshold) raise(eventOf(principal, rule, seen, nowMs), rule).catch(() => {})
  }

  async function raise (event: AnomalyEvent, rule: SignalRule): Promise<void> {
    try {
      if (rule.suspends && !autoSuspend) event.action = 'would_suspend'
      if (rule.suspends && autoSuspend && await suspend?.(event.orgId, event.keyId, event) === true) event.action = 'suspended'
    } catch (err) {
      app.log.error({ signal: event.signal, reason: err instanceof Error ? err.name : 'unknown' }, 'a key could not be suspended')
    }
    try {
      await record(event)
    } catch (err) {
      app.log.error({ signal: event.signal, count: event.count, threshold: event.threshold, reason: err instanceof Error ? err.name : 'unknown' }, 'an anomaly event could not be stored')
    }
  }
}

function eventOf (principal: Principal, rule: SignalRule, seen: Observed, nowMs: number): AnomalyEvent {
  return {
    signal: rule.signal,
    severity: rule.severity,
    keyId: principal.keyId,
    orgId: principal.orgId,
    at: new Date(nowMs),
    count: seen.count,
    threshold: rule.threshold,
    windowMs: WINDOW_MS,
    watermarks: seen.watermarks,
    action: 'none'
  }
}

export default fp(anomalyDetection, { name: 'anomaly-detection', fastify: '5.x', decorators: { request: ['principal', 'refusal'] } })
