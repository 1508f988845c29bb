/**
 * What a proposed change would have done to past requests. Pure: audit rows go in, in the order of time; the same functions that judge live
 * traffic judge them, once as configured and once as proposed. Nothing is written, nobody is refused.
 */
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

export interface BacktestKey { keyId: string, orgId: string, prefix: string, permissions: readonly string[], perMinute: number, perHour: number }

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
  anomalies: Array<{ signal: Signal, at: string, numbers: object, only: 'current' | 'proposed' | 'both', watermarks: readonly string[] }>
  suggestion?: { ip_allow: Array<{ range: string, requests: number }>, unused_permissions: string[] }
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
        report: { key: keyId, prefix: key?.prefix ?? 'unknown', org: key?.orgId ?? 'unknown', requests: 0, would_refuse: {}, would_suspend_at: null, anomalies: [] },
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
    state.suspendedAtMs = anomaly.atMs
    state.report.would_suspend_at = isoOf(anomaly.atMs)
  }

  return {
    observe (row) {
      rows++
      const isChanged = row.keyId !== null && (change.keyId === null || change.keyId === row.keyId)
      const state = isChanged && row.keyId !== null ? stateOf(row.keyId) : null
      if (state !== null) {
        const scope = scopeOf(row.method, row.route)
        state.report.requests++
        if (state.addresses.size < ADDRESSES_MAX || state.addresses.has(row.ip)) state.addresses.set(row.ip, (state.addresses.get(row.ip) ?? 0) + 1)
        if (scope !== null && row.status < 400) state.usedScopes.add(scope)
        // Only what was let in then can be refused by the change.
        if (row.status < 400 || row.status === 404 || row.status === 400) judgeRequest(row, state, scope)
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
    const isAdmin = keys.get(report.key)?.permissions.includes('admin') === true && change.removedScope !== 'admin'
    if (scope !== null && scope === change.removedScope && !isAdmin) return count(report, 'scope', row)
    if (state.window?.admit(row.atMs).outcome === 'refused') count(report, 'limit', row)
  }
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

/** The addresses that were seen, neighbours drawn together, and what was granted and never used. */
function suggestionOf (state: KeyState, key: BacktestKey | undefined): NonNullable<KeyReport['suggestion']> {
  const networks = new Map<string, Array<[string, number]>>()
  for (const entry of state.addresses) {
    const network = networkOf(entry[0])
    networks.set(network, [...networks.get(network) ?? [], entry])
  }
  const ranges = [...networks].flatMap(([network, entries]) => entries.length >= NETWORK_FROM
    ? [{ range: network, requests: entries.reduce((sum, [, requests]) => sum + requests, 0) }]
    : entries.map(([address, requests]) => ({ range: address.includes(':') ? `${address}/128` : `${address}/32`, requests })))
  return { ip_allow: ranges.sort((a, b) => b.requests - a.requests), unused_permissions: unusedOf(key, state.usedScopes) }
}

/** An admin key that only ever reads needs reading. */
function unusedOf (key: BacktestKey | undefined, used: ReadonlySet<Permission>): string[] {
  return (key?.permissions ?? []).filter((granted) => !used.has(granted as Permission))
}
