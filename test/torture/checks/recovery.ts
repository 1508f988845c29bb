import type { Check, Violation } from '../verdict.ts'
import type { FaultEvent, Operation } from '../history.ts'

const RECOVERY_MS_MAX = 2000
/** An instance is back at the first probe from which on none fails for so long. */
const CLEAN_MS = 1000

const recovery: Check = ({ operations, faults }) => {
  const probes = operations.filter(({ kind }) => kind === 'probe')
  const violations: Violation[] = []
  let judged = 0
  let longest = 0
  for (const fault of faults) {
    const untilMs = Math.min(...faults.filter(({ startedMs }) => startedMs >= fault.endedMs).map(({ startedMs }) => startedMs), Number.POSITIVE_INFINITY)
    for (const instance of fault.cutOff) {
      const own = probes.filter((one) => one.instance === instance && one.invokedMs >= fault.endedMs && one.endedMs < untilMs)
      const ms = recoveryOf(own, fault, untilMs)
      if (ms === null) continue
      judged++
      longest = Math.max(longest, ms)
      if (ms > RECOVERY_MS_MAX) violations.push({ what: `after ${fault.name} instance ${instance} needed ${ms === Number.POSITIVE_INFINITY ? 'longer than was waited' : `${Math.round(ms)} ms`} to answer again`, operations: own.filter(({ outcome }) => outcome !== 'ok') })
    }
  }
  return {
    promise: 'the service answers again within 2 s of the return of a store',
    counts: { 'returns judged': judged, 'longest, ms': Math.round(longest), probes: probes.length },
    violations
  }
}

/** Milliseconds from the store's return to the first clean second; null when the next fault came too soon to tell. */
function recoveryOf (probes: readonly Operation[], fault: FaultEvent, untilMs: number): number | null {
  const sorted = [...probes].sort((a, b) => a.invokedMs - b.invokedMs)
  const lastMs = sorted.at(-1)?.invokedMs ?? 0
  for (const [at, first] of sorted.entries()) {
    if (first.outcome !== 'ok' || lastMs < first.invokedMs + CLEAN_MS) continue
    const second = sorted.slice(at).filter(({ invokedMs }) => invokedMs <= first.invokedMs + CLEAN_MS)
    if (second.every(({ outcome }) => outcome === 'ok')) return first.invokedMs - fault.endedMs
  }
  return untilMs - fault.endedMs > RECOVERY_MS_MAX + CLEAN_MS && lastMs > fault.endedMs + RECOVERY_MS_MAX + CLEAN_MS ? Number.POSITIVE_INFINITY : null
}

export const recoveryChecks: readonly Check[] = [recovery]
