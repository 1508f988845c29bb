/**
 * What is unusual, in one table: read by the detector, by the replay of past rows and by the documentation. A signal is raised when its
 * count reaches `count` inside `windowMs` (and its share of the sample reaches `share`, where it has one), at most once per
 * `coolDownMs`; what did not fall below `clearShare` of its count meanwhile is told again as going on.
 */
export const SIGNALS = ['signature_failures', 'foreign_address', 'scope_probing', 'foreign_organization', 'distinct_networks', 'rate_storm',
  'unusual_volume', 'record_sweep', 'token_presented_twice', 'canary_used', 'plain_http'] as const

export type Signal = typeof SIGNALS[number]
export type AnomalySeverity = 'critical' | 'high' | 'medium' | 'low'

/** Signals of one family can have one cause; suspension without certainty needs two families. */
export type Family = 'credential' | 'address' | 'reach' | 'volume' | 'token' | 'transport' | 'canary'

export interface Threshold {
  readonly windowMs: number
  /** How many inside the window raise the signal. */
  readonly count: number
  /** Share of the sample that they must be, 0 to 1; 0 where the count alone decides. */
  readonly share: number
  /** Requests inside the window below which nothing is judged. */
  readonly minimumSample: number
  /** How long a key must have been seen before its own past can be a measure, milliseconds; 0 where it is none. */
  readonly warmUpMs: number
  /** Share of `count` below which the signal is over. */
  readonly clearShare: number
  /** Least time between two events of one signal and key, milliseconds. */
  readonly coolDownMs: number
}

export interface SignalDefinition {
  readonly family: Family
  readonly severity: AnomalySeverity
  /** Certain: one event is enough to suspend on. */
  readonly isCertain: boolean
  readonly meaning: string
  readonly threshold: Threshold
}

export type Thresholds = Readonly<Record<Signal, Threshold>>

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000

const COUNTED: Threshold = { windowMs: 5 * MINUTE_MS, count: 1, share: 0, minimumSample: 0, warmUpMs: 0, clearShare: 0.5, coolDownMs: HOUR_MS }

export const SIGNAL_TABLE: Readonly<Record<Signal, SignalDefinition>> = {
  signature_failures: {
    family: 'credential',
    severity: 'medium',
    isCertain: false,
    meaning: 'a known key signs wrongly again and again: somebody has the key and not the way it is used, or a clock is off',
    threshold: { ...COUNTED, count: 20, share: 0.5, minimumSample: 20 }
  },
  foreign_address: {
    family: 'address',
    severity: 'high',
    isCertain: true,
    meaning: 'key and signature are right and the address is not on the allowlist: the key is in other hands, or the partner moved without saying so',
    threshold: { ...COUNTED, count: 1 }
  },
  scope_probing: {
    family: 'reach',
    severity: 'medium',
    isCertain: false,
    meaning: 'a key asks for what it may not, on several routes or again and again',
    threshold: { ...COUNTED, count: 10 }
  },
  foreign_organization: {
    family: 'reach',
    severity: 'high',
    isCertain: false,
    meaning: 'a key names records or an organization that are not its own',
    threshold: { ...COUNTED, count: 5 }
  },
  distinct_networks: {
    family: 'address',
    severity: 'medium',
    isCertain: false,
    meaning: 'one key from many networks (/24 of IPv4, /64 of IPv6) within an hour: shared, or passed around',
    threshold: { ...COUNTED, windowMs: HOUR_MS, count: 8 }
  },
  rate_storm: {
    family: 'volume',
    severity: 'low',
    isCertain: false,
    meaning: 'most of many requests are refused by the rate limit: a loop that does not wait',
    threshold: { ...COUNTED, count: 200, share: 0.7, minimumSample: 200 }
  },
  unusual_volume: {
    family: 'volume',
    severity: 'medium',
    isCertain: false,
    meaning: 'more requests in an hour than a multiple of the key\'s own busiest hour of the past seven days (`share` is the multiple)',
    threshold: { ...COUNTED, windowMs: HOUR_MS, count: 300, share: 4, minimumSample: 24, warmUpMs: DAY_MS }
  },
  record_sweep: {
    family: 'volume',
    severity: 'medium',
    isCertain: false,
    meaning: 'one key reads very many distinct records within an hour: results are being collected',
    threshold: { ...COUNTED, windowMs: HOUR_MS, count: 500 }
  },
  token_presented_twice: {
    family: 'token',
    severity: 'high',
    isCertain: true,
    meaning: 'a result token that was redeemed is presented again: its link was copied, or a client repeats itself',
    threshold: { ...COUNTED, windowMs: 15 * MINUTE_MS, count: 1 }
  },
  canary_used: {
    family: 'canary',
    severity: 'critical',
    isCertain: true,
    meaning: 'a key that nobody has a use for was presented: the place where it was planted has been read',
    threshold: { ...COUNTED, coolDownMs: MINUTE_MS }
  },
  plain_http: {
    family: 'transport',
    severity: 'high',
    isCertain: false,
    meaning: 'a known key arrived over plain HTTP: it was readable on the way and should be replaced',
    threshold: { ...COUNTED }
  }
}

export const DEFAULT_THRESHOLDS: Thresholds = Object.freeze(mapSignals((signal) => SIGNAL_TABLE[signal].threshold))

const FIELDS = ['windowMs', 'count', 'share', 'minimumSample', 'warmUpMs', 'clearShare', 'coolDownMs'] as const
const WINDOW_MS_MAX = HOUR_MS
/** Seen by the instance that is asked, never counted from rows. */
const PROVED_BY_ONE: readonly string[] = ['canary_used', 'plain_http'] satisfies Signal[]

/**
 * Thresholds changed by `{ "<signal>": { "<field>": number } }`; what is not named keeps its default. Throws with every problem: an
 * unknown signal or field, a number out of range. Windows longer than an hour are refused: the detector does not look back further.
 */
export function changeThresholds (changes: unknown, base: Thresholds = DEFAULT_THRESHOLDS): Thresholds {
  const problems: string[] = []
  const changed: Record<string, Threshold> = { ...base }
  if (!isObject(changes)) throw new RangeError('must be an object of signals')
  for (const [signal, fields] of Object.entries(changes)) {
    const before = base[signal as Signal]
    if (before === undefined) problems.push(`${signal} is not a signal (${SIGNALS.join(', ')})`)
    else if (!isObject(fields)) problems.push(`${signal} must be an object of fields`)
    else changed[signal] = { ...before, ...checkedFields(signal, fields, problems) }
  }
  if (problems.length > 0) throw new RangeError(problems.join('; '))
  return Object.freeze(mapSignals((signal) => changed[signal] ?? base[signal]))
}

function checkedFields (signal: string, fields: Record<string, unknown>, problems: string[]): Partial<Threshold> {
  const checked: Record<string, number> = {}
  for (const [field, value] of Object.entries(fields)) {
    if (!FIELDS.some((known) => known === field)) problems.push(`${signal}.${field} is not a field (${FIELDS.join(', ')})`)
    else if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) problems.push(`${signal}.${field} must be a number of at least 0`)
    else if (field === 'count' && !(Number.isInteger(value) && value >= 1 && value <= 100_000)) problems.push(`${signal}.count must be a whole number from 1 to 100000`)
    else if (field === 'count' && value !== 1 && PROVED_BY_ONE.includes(signal)) problems.push(`${signal}.count is always 1: one request proves it`)
    else if (field === 'windowMs' && !(value >= 1000 && value <= WINDOW_MS_MAX)) problems.push(`${signal}.windowMs must be from 1000 to ${WINDOW_MS_MAX}`)
    else if (field === 'clearShare' && value > 1) problems.push(`${signal}.clearShare must be at most 1`)
    else checked[field] = value
  }
  return checked
}

function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function mapSignals (of: (signal: Signal) => Threshold): Record<Signal, Threshold> {
  return Object.fromEntries(SIGNALS.map((signal) => [signal, of(signal)])) as Record<Signal, Threshold>
}
