import { groupBy, type Check, type Facts, type Run, type Violation } from '../verdict.ts'
import type { Operation } from '../history.ts'

const WINDOWS = [{ name: 'minute', ms: 60_000 }, { name: 'hour', ms: 3_600_000 }] as const
/** The history's clock and the store's are two. */
const CLOCK_MS = 10

/**
 * The largest number of admissions that certainly lie inside one span: each happened somewhere between its invocation and its answer,
 * so only an operation that lies inside the span as a whole is counted.
 */
export function mostWithin (operations: readonly Operation[], spanMs: number): Operation[] {
  const byEnd = [...operations].sort((a, b) => a.endedMs - b.endedMs)
  const starts = operations.map(({ invokedMs }) => invokedMs).sort((a, b) => a - b)
  let most: Operation[] = []
  let from = 0
  for (const startMs of starts) {
    while (from < byEnd.length && (byEnd[from]?.endedMs ?? 0) < startMs) from++
    const inside: Operation[] = []
    for (let at = from; at < byEnd.length; at++) {
      const one = byEnd[at]
      if (one === undefined || one.endedMs > startMs + spanMs) break
      if (one.invokedMs >= startMs) inside.push(one)
    }
    if (inside.length > most.length) most = inside
  }
  return most
}

/** What passed layer 7 and so has spent quota, as far as its answer tells. */
function isAdmitted ({ status, isAuthenticated }: Operation): boolean {
  return isAuthenticated && status !== null && (status < 400 || status === 404 || status === 409 || status === 422)
}

/**
 * Admissions of one key by the judge that admitted them: the shared windows, one judge for each life of their data, or the share of
 * one process while it could not reach them. A limit holds for each judge on its own.
 */
function byJudge (admitted: readonly Operation[], { faults, facts }: Run): Map<string, Operation[]> {
  const emptied = faults.filter((fault) => fault.emptied)
  return groupBy(admitted, (operation) => {
    const row = facts.rows.get(operation.watermark ?? '')
    if (row?.degraded === true) return `process ${row.instance}`
    const lives = emptied.filter(({ startedMs }) => startedMs < operation.invokedMs).length
    // Whether it was admitted before or after the data were lost cannot be told from outside.
    const isAmbiguous = emptied.some(({ startedMs, endedMs }) => operation.invokedMs <= endedMs && operation.endedMs >= startedMs)
    return isAmbiguous ? null : `shared windows, life ${lives + 1}`
  })
}

function limitOf (judge: string, limit: number, { instances }: Facts): number {
  return judge.startsWith('process') ? Math.max(1, Math.floor(limit / instances)) : limit
}

const admissions: Check = (run) => {
  const { operations, facts } = run
  const violations: Violation[] = []
  const counts = { keys: facts.limits.size, requests: 0, admitted: 0, 'most of one judge in 60 s': 0, 'by a process alone': 0 }
  for (const [keyId, { perMinute, perHour }] of facts.limits) {
    const all = operations.filter((operation) => operation.keyId === keyId)
    const admitted = all.filter(isAdmitted)
    counts.requests += all.length
    counts.admitted += admitted.length
    for (const [judge, own] of byJudge(admitted, run)) {
      if (judge.startsWith('process')) counts['by a process alone'] += own.length
      for (const { name, ms } of WINDOWS) {
        const limit = limitOf(judge, name === 'minute' ? perMinute : perHour, facts)
        const most = mostWithin(own, ms - CLOCK_MS)
        if (name === 'minute') counts['most of one judge in 60 s'] = Math.max(counts['most of one judge in 60 s'], most.length)
        if (most.length > limit) violations.push({ what: `${judge} admitted ${most.length} requests of key ${keyId} inside one ${name}; the limit is ${limit}`, operations: most })
      }
    }
  }
  return { promise: 'no true 60 s and no hour holds more admissions of a key than its limit', counts, violations }
}

export const admissionChecks: readonly Check[] = [admissions]
