/**
 * The decisions of anomaly detection, pure: audit rows go in, in the order of time, and events come out, each with the numbers and the
 * thresholds that caused it. The same functions judge live rows and replay past ones. Memory is bounded per key and over all keys;
 * a row costs a few additions.
 */
import { LRUCache } from 'lru-cache'
import { networkOf } from '../network.ts'
import { DEFAULT_THRESHOLDS, SIGNAL_TABLE, type AnomalySeverity, type Signal, type Threshold, type Thresholds } from './thresholds.ts'
import { DistinctWithin, HourlyHistory, SlidingCount } from './windows.ts'

const SUBJECTS_MAX = 20_000
const TOKENS_MAX = 50_000
const EVIDENCE_MAX = 10
const RECORD_ROUTE = /:(id|evaluation_id|webhook_id)\b/
const TOKEN_ROUTE = /\/results\/:token$/
/** Judged for all keys of an organization together as well: what a thief of several keys, or a partner's one bad program, spreads over them. */
const SPREAD_SIGNALS: ReadonlyMap<string, Signal> = new Map([['signature_invalid', 'signature_failures'], ['insufficient_permission', 'scope_probing'], ['organization_mismatch', 'foreign_organization']])
/** How many times a key's count raises a signal of an organization, and from how many keys at least. */
export const SPREAD = { multiple: 5, keysMin: 2 } as const

/** What the detector reads of an audit row. */
export interface Observation {
  readonly watermark: string
  readonly atMs: number
  readonly orgId: string | null
  readonly keyId: string | null
  readonly method: string
  readonly route: string
  readonly pathHash: string
  readonly status: number
  readonly code: string | null
  readonly ip: string
  readonly userAgent: string | null
}

export interface DetectedAnomaly {
  readonly signal: Signal
  readonly severity: AnomalySeverity
  readonly isCertain: boolean
  readonly orgId: string | null
  readonly keyId: string | null
  readonly atMs: number
  /** What was measured. */
  readonly numbers: Readonly<Record<string, number | string>>
  readonly threshold: Threshold
  /** Newest requests behind it, at most ten. */
  readonly watermarks: readonly string[]
  readonly ip: string
  readonly userAgent: string | null
}

export interface Detector {
  /** Takes one row; returns the signals that it raised. */
  observe (row: Observation): DetectedAnomaly[]
  /** Adds an hour of a key's past that is not replayed row by row. */
  seedHour (keyId: string, hourMs: number, count: number): void
  /** Remembers an event that was raised before, so that it is not raised again inside its cool-down. */
  seedRaised (signal: Signal, subject: string, atMs: number): void
}

interface Raised { atMs: number, isOver: boolean }

interface Measured {
  count: number
  isReached: boolean
  numbers?: Readonly<Record<string, number | string>>
  severity?: AnomalySeverity
  isCertain?: boolean
}

class Subject {
  readonly counts = new Map<Signal, SlidingCount>()
  readonly samples = new Map<Signal, SlidingCount>()
  readonly evidence = new Map<Signal, string[]>()
  readonly raised = new Map<Signal, Raised>()
  networks: DistinctWithin | null = null
  records: DistinctWithin | null = null
  readonly keys = new Map<Signal, DistinctWithin>()
  readonly hours = new HourlyHistory()
}

export function createDetector (thresholds: Thresholds = DEFAULT_THRESHOLDS): Detector {
  const subjects = new LRUCache<string, Subject>({ max: SUBJECTS_MAX })
  const redeemedFrom = new LRUCache<string, string>({ max: TOKENS_MAX })

  function subjectOf (id: string): Subject {
    let subject = subjects.get(id)
    if (subject === undefined) subjects.set(id, subject = new Subject())
    return subject
  }

  /** Counts the row when it is a hit, and says how many there are. */
  function counted (subject: Subject, signal: Signal, row: Observation, isHit: boolean): number {
    if (!isHit && !subject.counts.has(signal)) return 0
    const window = counterOf(subject.counts, signal, thresholds[signal].windowMs)
    if (isHit) {
      ease(subject, signal, thresholds[signal], window.total(row.atMs))
      window.add(row.atMs)
      witness(subject, signal, row.watermark)
    }
    return window.total(row.atMs)
  }

  function sampled (subject: Subject, signal: Signal, row: Observation): number {
    const window = counterOf(subject.samples, signal, thresholds[signal].windowMs)
    window.add(row.atMs)
    return window.total(row.atMs)
  }

  /** Raises what is reached, once per cool-down. What never fell below its clear level meanwhile is told as going on. */
  function judge (subject: Subject, signal: Signal, row: Observation, measured: Measured, threshold: Threshold = thresholds[signal]): DetectedAnomaly[] {
    ease(subject, signal, threshold, measured.count)
    const before = subject.raised.get(signal)
    if (!measured.isReached || (before !== undefined && row.atMs - before.atMs < threshold.coolDownMs)) return []
    subject.raised.set(signal, { atMs: row.atMs, isOver: false })
    const { severity, isCertain } = SIGNAL_TABLE[signal]
    const ongoing = before !== undefined && !before.isOver ? { going_on_since: new Date(before.atMs).toISOString() } : {}
    return [{
      signal,
      severity: measured.severity ?? severity,
      isCertain: measured.isCertain ?? isCertain,
      orgId: row.orgId,
      keyId: row.keyId,
      atMs: row.atMs,
      numbers: { count: measured.count, ...measured.numbers, ...ongoing },
      threshold,
      watermarks: [...subject.evidence.get(signal) ?? [row.watermark]],
      ip: row.ip,
      userAgent: row.userAgent
    }]
  }

  function observeKey (row: Observation, keyId: string): DetectedAnomaly[] {
    const subject = subjectOf(keyId)
    return [
      ...observeCode(subject, row, 'signature_failures', 'signature_invalid'),
      ...observeCode(subject, row, 'foreign_address', 'ip_not_allowed'),
      ...observeCode(subject, row, 'scope_probing', 'insufficient_permission'),
      ...observeCode(subject, row, 'foreign_organization', 'organization_mismatch'),
      ...observeCode(subject, row, 'rate_storm', 'rate_limited'),
      ...observeNetworks(subject, row),
      ...observeRecords(subject, row),
      ...observeVolume(subject, row)
    ]
  }

  function observeCode (subject: Subject, row: Observation, signal: Signal, code: string): DetectedAnomaly[] {
    const threshold = thresholds[signal]
    const isHit = row.code === code
    const count = counted(subject, signal, row, isHit)
    const isShare = threshold.share > 0 || threshold.minimumSample > 0
    const sample = isShare ? sampled(subject, signal, row) : count
    // A row of another kind may end a signal and never raises one.
    const isReached = isHit && count >= threshold.count && sample >= threshold.minimumSample && count >= sample * threshold.share
    return judge(subject, signal, row, { count, isReached, ...(isShare ? { numbers: { sample } } : {}) })
  }

  // A wrong signature proves only that somebody has the key's text; where it came from says nothing of its owner.
  function observeNetworks (subject: Subject, row: Observation): DetectedAnomaly[] {
    if (row.code === 'signature_invalid' || row.code === 'signature_missing') return []
    const { windowMs, count: least } = thresholds.distinct_networks
    subject.networks ??= new DistinctWithin(windowMs, least * 4)
    ease(subject, 'distinct_networks', thresholds.distinct_networks, subject.networks.total(row.atMs))
    if (subject.networks.add(networkOf(row.ip), row.atMs)) witness(subject, 'distinct_networks', row.watermark)
    const count = subject.networks.total(row.atMs)
    return judge(subject, 'distinct_networks', row, { count, isReached: count >= least })
  }

  function observeRecords (subject: Subject, row: Observation): DetectedAnomaly[] {
    if (row.method !== 'GET' || !RECORD_ROUTE.test(row.route) || (row.status >= 400 && row.status !== 404)) return []
    const { windowMs, count: least } = thresholds.record_sweep
    subject.records ??= new DistinctWithin(windowMs, least * 2)
    ease(subject, 'record_sweep', thresholds.record_sweep, subject.records.total(row.atMs))
    if (subject.records.add(row.pathHash, row.atMs)) witness(subject, 'record_sweep', row.watermark)
    const count = subject.records.total(row.atMs)
    return judge(subject, 'record_sweep', row, { count, isReached: count >= least })
  }

  function observeVolume (subject: Subject, row: Observation): DetectedAnomaly[] {
    const { share: multiple, count: least, minimumSample: hoursMin, warmUpMs } = thresholds.unusual_volume
    subject.hours.add(row.atMs)
    const count = counted(subject, 'unusual_volume', row, true)
    if (count < least) return judge(subject, 'unusual_volume', row, { count, isReached: false })
    const { busiest, activeHours, knownMs } = subject.hours.past(row.atMs)
    const isReached = activeHours >= hoursMin && knownMs >= warmUpMs && count >= busiest * multiple
    return judge(subject, 'unusual_volume', row, { count, isReached, numbers: { busiest_hour: busiest, active_hours: activeHours, multiple } })
  }

  /** What the keys of one organization do together, each below its own threshold; a key that is told of stands for all of them. */
  function observeOrganization (row: Observation, orgId: string, keyId: string, told: readonly DetectedAnomaly[]): DetectedAnomaly[] {
    const signal = SPREAD_SIGNALS.get(row.code ?? '')
    if (signal === undefined) return []
    const subject = subjectOf(orgId)
    const threshold = { ...thresholds[signal], count: thresholds[signal].count * SPREAD.multiple, minimumSample: 0, share: 0 }
    const count = counted(subject, signal, row, true)
    let keys = subject.keys.get(signal)
    if (keys === undefined) subject.keys.set(signal, keys = new DistinctWithin(threshold.windowMs, threshold.count))
    keys.add(keyId, row.atMs)
    if (told.some((one) => one.signal === signal)) subject.raised.set(signal, { atMs: row.atMs, isOver: false })
    const distinct = keys.total(row.atMs)
    return judge(subject, signal, { ...row, keyId: null }, { count, isReached: count >= threshold.count && distinct >= SPREAD.keysMin, numbers: { keys: distinct } }, threshold)
  }

  /** A token is known by the keyed hash of its path: the same token again, after it was redeemed, is presented twice. */
  function observeToken (row: Observation): DetectedAnomaly[] {
    if (row.status === 200) redeemedFrom.set(row.pathHash, row.ip)
    if (row.code !== 'result_token_used') return []
    const subject = subjectOf(row.orgId ?? '')
    const first = redeemedFrom.get(row.pathHash)
    const count = counted(subject, 'token_presented_twice', row, true)
    // From the address that redeemed it, it may be a client that repeats itself; from another one the link was copied.
    const isCopied = first !== undefined && first !== row.ip
    return judge(subject, 'token_presented_twice', row, {
      count,
      isReached: count >= thresholds.token_presented_twice.count,
      numbers: { redeemed_from: first ?? 'unknown', presented_from: row.ip },
      severity: isCopied ? 'high' : 'low',
      isCertain: isCopied
    })
  }

  return {
    observe (row) {
      if (TOKEN_ROUTE.test(row.route)) return observeToken(row)
      if (row.keyId === null) return []
      const told = observeKey(row, row.keyId)
      return row.orgId === null ? told : [...told, ...observeOrganization(row, row.orgId, row.keyId, told)]
    },
    seedHour (keyId, hourMs, count) { subjectOf(keyId).hours.add(hourMs, count) },
    seedRaised (signal, subject, atMs) { subjectOf(subject).raised.set(signal, { atMs, isOver: false }) }
  }
}

/** A signal that fell below its clear level is over, also where nothing was seen while it did. */
function ease (subject: Subject, signal: Signal, threshold: Threshold, count: number): void {
  const before = subject.raised.get(signal)
  if (before !== undefined && count < threshold.count * threshold.clearShare) before.isOver = true
}

function counterOf (counters: Map<Signal, SlidingCount>, signal: Signal, windowMs: number): SlidingCount {
  let counter = counters.get(signal)
  if (counter === undefined) counters.set(signal, counter = new SlidingCount(windowMs))
  return counter
}

function witness (subject: Subject, signal: Signal, watermark: string): void {
  const seen = subject.evidence.get(signal)
  if (seen === undefined) subject.evidence.set(signal, [watermark])
  else if (seen.push(watermark) > EVIDENCE_MAX) seen.shift()
}
