/**
 * The score of a scenario: 100 minus what each failing code costs. Deterministic, independent of order, and monotone: a new
 * finding never raises it. One code alone costs at most twice its weight, so no single rule can drive the score to zero.
 */
import type { Finding, Severity } from './graph/types.ts'

export const WEIGHTS: Readonly<Record<Severity, number>> = { critical: 25, high: 10, medium: 4, low: 1, info: 0 }

const REPEAT_SHARE = 0.25
const CODE_WEIGHTS_MAX = 2

export type ScoredFinding = Pick<Finding, 'code' | 'severity'>

export function scenarioScore (findings: readonly ScoredFinding[]): number {
  const lost = deductions(findings).reduce((sum, { points }) => sum + points, 0)
  // All points are multiples of a quarter, hence exact; Math.round rounds half up.
  return Math.max(0, Math.round(100 - lost))
}

/** Points lost by code, sorted by code: the explanation of a score. Free codes are left out. */
export function deductions (findings: readonly ScoredFinding[]): { code: string, points: number }[] {
  const weights = new Map<string, number[]>()
  for (const { code, severity } of findings) {
    const of = weights.get(code)
    if (of === undefined) weights.set(code, [WEIGHTS[severity]])
    else of.push(WEIGHTS[severity])
  }
  return [...weights]
    .map(([code, list]) => ({ code, points: codePoints(list) }))
    .filter(({ points }) => points > 0)
    .sort((a, b) => a.code < b.code ? -1 : 1)
}

/**
 * w × min(1 + 0.25·(n − 1), 2) when all findings of a code weigh the same. Contextual severity can mix weights within a code:
 * then the worst counts in full and each other one by a quarter of its own weight, which keeps "info is free" and "monotone" true.
 */
function codePoints (weights: readonly number[]): number {
  let worst = 0
  let sum = 0
  for (const weight of weights) {
    worst = Math.max(worst, weight)
    sum += weight
  }
  return Math.min(worst + REPEAT_SHARE * (sum - worst), CODE_WEIGHTS_MAX * worst)
}
