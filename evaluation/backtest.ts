/**
 * What a proposed change would have done to past requests. Pure: audit rows go in, in the order of time; the same functions that judge live
 * traffic judge them, once as configured and once as proposed. Nothing is written, nobody is refused.
 */
import type { ErrorCode } from '../errors.ts'
import { compileAllowlist } from '../plugins/lib/cidr.ts'
import { createDetector, type DetectedAnomaly, type Observation } from '../plugins/lib/anomaly/detector.ts'
import type { Signal, Thresholds } from '../plugins/lib/anomaly/thresholds.ts'
import { networkOf } from '../plugins/lib/network.ts'
import { SlidingWindow } from '../plugins/lib/sliding-window.ts'
import { isReasonToSuspend } from '../plugins/support/anomaly-response.ts'
import type { Permission } from '../plugins/context.ts'
import { scopeOf } from './route-scopes.ts'

const EXAMPLES_MAX = 3
const TOGETHER_MS = 3_600_000
const ADDRESSES_MAX = 1000
const REFUSED_BEFORE: readonly string[] = ['invalid_api_key', 'signature_missing', 'signature_invalid', 'signature_replayed', 'ip_not_allowed', 'organization_mismatch',
  'insufficient_permission', 'rate_limited', 'api_disabled', 'unavailable'] satisfies ErrorCode[]
/** From this many addresses of one /24 or /64 on, the network is suggested instead. */
const NETWORK_FROM = 4

export interface BacktestChange {
  thresholds: { current: Thresholds, proposed: Thresholds | null }
  /** Suspend as auto-suspend would. */
  autoSuspend: boolean
  /** A tighter limit; null leaves the key's own. */
  perMinute: number | null
  perHour: number | null
  ipAllowlist: readonly string[] | null
  removedScope: Permission | null
  /** Only this key is changed. Null: every key. */
  keyId: string | null
}

export interface BacktestKey {
  keyId: string
  orgId: string
  prefix: string
  permissions: readonly string[]
  perMinute: number
  perHour: number
  /** Whether it can be used today; who was active at a time in the past is not kept. */
  isActive: boolean
}

export interface Example { watermark: string, at: string, method: string, route: string, ip: string }
export interface Hit { requests: number, examples: Example[] }
export interface KeyReport {
  key: string
  prefix: string
  org: string
  requests: number
  /** Requests that were answered and would have been refused, by the part of the change that refuses them. */
  would_refuse: Partial<Record<'limit' | 'address' | 'scope' | 'suspended', Hit>>
  would_suspend_at: string | null
  /** When it would have been spared, as the last active key of its organization. */
  would_decline_at: string | null
  anomalies: Array<{ signal: Signal, at: string, numbers: object, only: 'current' | 'proposed' | 'both', watermarks: readonly string[] }>
  suggestion?: { ip_allow: Array<{ range: string, requests: number }>, used_permissions: string[], unused_permissions: string[] }
}

interface KeyState {
  report: KeyReport
  window: SlidingWindow | null
  signals: Array<{ signal: Signal, atMs: number }>
  suspendedAtMs: number | null
  addresses: Map<string, number>
  usedScopes: Set<Permission>
}

export interface Backtest {
  observe (row: Observation): void
  /** Keys that the change would have touched, most requests first; with `suggest` all that were seen. */
  report (options: { suggest: boolean }): { rows: number, keys: KeyReport[] }
}

export function createBacktest (change: BacktestChange, keys: ReadonlyMap<string, BacktestKey>): Backtest {
  const isAllowed = change.ipAllowlist === null ? null : compileAllowlist(change.ipAllowlist)
  const current = createDetector(change.thresholds.current)
  const proposed = change.thresholds.proposed === null ? null : createDetector(change.thresholds.proposed)
  const states = new Map<string, KeyState>()
  let rows = 0

  function stateOf (keyId: string): KeyState {
    let state = states.get(keyId)
    if (state === undefined) {
      const key = keys.get(keyId)
      state = {
        report: { key: keyId, prefix: key?.prefix ?? 'unknown', org: key?.orgId ?? 'unknown', requests: 0, would_refuse: {}, would_suspend_at: null, would_decline_at: null, anomalies: [] },
        window: windowOf(change, key),
        signals: [],
        suspendedAtMs: null,
        addresses: new Map(),
        usedScopes: new Set()
      }
      states.set(keyId, state)
    }
    return state
  }

  function judgeAnomalies (row: Observation, state: KeyState | null): void {
    const before = current.observe(row)
    const after = proposed === null ? before : proposed.observe(row)
    for (const anomaly of [...before, ...after.filter((one) => !before.some(({ signal }) => signal === one.signal))]) {
      const isBefore = before.some(({ signal }) => signal === anomaly.signal)
      const isAfter = after.some(({ signal }) => signal === anomaly.signal)
      // What is about an organization stands under its id, unless one key was asked for.
      const target = state ?? (anomaly.keyId !== null || anomaly.orgId === null || change.keyId !== null ? null : stateOf(anomaly.orgId))
      target?.report.anomalies.push({ signal: anomaly.signal, at: isoOf(anomaly.atMs), numbers: anomaly.numbers, only: onlyOf(isBefore, isAfter), watermarks: anomaly.watermarks.slice(-EXAMPLES_MAX) })
      if (isAfter && state !== null) suspendOn(state, anomaly)
    }
  }

  function suspendOn (state: KeyState, anomaly: DetectedAnomaly): void {
    if (anomaly.severity !== 'low') state.signals.push({ signal: anomaly.signal, atMs: anomaly.atMs })
    const together = state.signals.filter(({ atMs }) => anomaly.atMs - atMs <= TOGETHER_MS).map(({ signal }) => signal)
    if (!change.autoSuspend || state.suspendedAtMs !== null || !isReasonToSuspend(anomaly, together)) return
    if (!anomaly.isCertain && isLastActive(state.report.key)) {
      state.report.would_decline_at ??= isoOf(anomaly.atMs)
      return
    }
    state.suspendedAtMs = anomaly.atMs
    state.report.would_suspend_at = isoOf(anomaly.atMs)
  }

  function isLastActive (keyId: string): boolean {
    const orgId = keys.get(keyId)?.orgId
    return ![...keys.values()].some((key) => key.orgId === orgId && key.keyId !== keyId && key.isActive && (states.get(key.keyId)?.suspendedAtMs ?? null) === null)
  }

  return {
    observe (row) {
      rows++
      const isChanged = row.keyId !== null && (change.keyId === null || change.keyId === row.keyId)
      const state = isChanged && row.keyId !== null ? stateOf(row.keyId) : null
      if (state !== null) {
        state.report.requests++
        // Only what was let in then can be refused by the change, and only where that came from is an address to allow.
        if (wasAdmitted(row)) {
          const scope = scopeOf(row.method, row.route)
          if (state.addresses.size < ADDRESSES_MAX || state.addresses.has(row.ip)) state.addresses.set(row.ip, (state.addresses.get(row.ip) ?? 0) + 1)
          if (scope !== null) state.usedScopes.add(scope)
          judgeRequest(row, state, scope)
        }
      }
      judgeAnomalies(row, state)
    },
    report ({ suggest }) {
      const touched = [...states.values()].filter(({ report }) => suggest || report.anomalies.length > 0 || report.would_suspend_at !== null || Object.keys(report.would_refuse).length > 0)
      touched.sort((a, b) => refusedBy(b.report) - refusedBy(a.report) || b.report.requests - a.report.requests)
      return { rows, keys: touched.map((state) => suggest ? { ...state.report, suggestion: suggestionOf(state, keys.get(state.report.key)) } : state.report) }
    }
  }

  function judgeRequest (row: Observation, state: KeyState, scope: Permission | null): void {
    const { report } = state
    if (state.suspendedAtMs !== null) return count(report, 'suspended', row)
    if (isAllowed?.(row.ip) === false) return count(report, 'address', row)
    if (scope !== null && !keepsScope(keys.get(report.key), scope, change.removedScope)) return count(report, 'scope', row)
    if (state.window?.admit(row.atMs).outcome === 'refused') count(report, 'limit', row)
  }
}

/** Layers 2 to 7 let it pass. */
function wasAdmitted ({ code }: Observation): boolean {
  return code === null || !REFUSED_BEFORE.includes(code)
}

/** Whether a key may still do what it did, once a permission is taken from it; an admin key that loses `admin` has what else it was given. */
function keepsScope (key: BacktestKey | undefined, scope: Permission, removed: Permission | null): boolean {
  if (removed === null) return true
  const left = key?.permissions.filter((one) => one !== removed)
  return left === undefined ? scope !== removed : left.includes(scope) || left.includes('admin')
}

function windowOf (change: BacktestChange, key: BacktestKey | undefined): SlidingWindow | null {
  if (key === undefined || (change.perMinute === null && change.perHour === null)) return null
  return new SlidingWindow({ perMinute: change.perMinute ?? key.perMinute, perHour: change.perHour ?? key.perHour })
}

function count (report: KeyReport, by: keyof KeyReport['would_refuse'], row: Observation): void {
  const hit = report.would_refuse[by] ??= { requests: 0, examples: [] }
  hit.requests++
  if (hit.examples.length < EXAMPLES_MAX) hit.examples.push({ watermark: row.watermark, at: isoOf(row.atMs), method: row.method, route: row.route, ip: row.ip })
}

function refusedBy (report: KeyReport): number {
  return Object.values(report.would_refuse).reduce((sum, { requests }) => sum + requests, 0)
}

function onlyOf (isBefore: boolean, isAfter: boolean): 'current' | 'proposed' | 'both' {
  if (isBefore && isAfter) return 'both'
  return isBefore ? 'current' : 'proposed'
}

function isoOf (atMs: number): string {
  return new Date(atMs).toISOString()
}

/** The addresses that requests were admitted from, neighbours drawn together, and what was granted and never used. */
function suggestionOf (state: KeyState, key: BacktestKey | undefined): NonNullable<KeyReport['suggestion']> {
  const networks = new Map<string, Array<[string, number]>>()
  for (const entry of state.addresses) {
    const network = networkOf(entry[0])
    networks.set(network, [...networks.get(network) ?? [], entry])
  }
  const ranges = [...networks].flatMap(([network, entries]) => entries.length >= NETWORK_FROM
    ? [{ range: network, requests: entries.reduce((sum, [, requests]) => sum + requests, 0) }]
    : entries.map(([address, requests]) => ({ range: address.includes(':') ? `${address}/128` : `${address}/32`, requests })))
  return { ip_allow: ranges.sort((a, b) => b.requests - a.requests), used_permissions: [...state.usedScopes].sort(), unused_permissions: unusedOf(key, state.usedScopes) }
}

/** Granted and never used. What an admin key used by way of `admin` stands in `used_permissions`: that is what it needs instead. */
function unusedOf (key: BacktestKey | undefined, used: ReadonlySet<Permission>): string[] {
  return (key?.permissions ?? []).filter((granted) => !used.has(granted as Permission))
}
