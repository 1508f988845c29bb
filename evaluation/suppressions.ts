/**
 * Suppressions: findings that an organization decided to live with, for a reason and a time. Applied when results are read, not when
 * they are made, so that one which expires re-opens its findings at once and everywhere. Pure; what is in force is the caller's matter.
 */
import { complianceGaps } from './evaluate.ts'
import type { Finding, ScenarioResult } from './graph/types.ts'
import { POLICIES } from './rules/index.ts'
import { scenarioScore } from './score.ts'

const DAY_MS = 86_400_000
export const SUPPRESSION_DAYS_DEFAULT = 90
export const SUPPRESSION_DAYS_MAX = 365
/** In force at a time, per organization: bounds what every reading of a result loads. */
export const SUPPRESSIONS_MAX = 1000

export interface Suppression {
  id: string
  code: string
  /** Only findings of this scenario; null: of every one. */
  scenarioId: string | null
  /** Only this finding; null: every finding of the code. */
  fingerprint: string | null
  reason: string
  expiresAt: Date
  /** A second actor agreed. Without that, critical findings stay open. */
  isApproved: boolean
}

export interface SuppressedFinding { finding: Finding, suppression: Suppression }

/** A result whose `violations` and numbers speak of open findings only. */
export interface OpenResult extends ScenarioResult { suppressed: SuppressedFinding[] }

type Identified = Pick<Finding, 'code' | 'severity' | 'fingerprint'>
export type Suppressor = (finding: Identified, scenarioId: string) => Suppression | null

const CRITICAL_CODES: ReadonlySet<string> = new Set(POLICIES.filter(({ severity }) => severity === 'critical').map(({ code }) => code))
/** Severity moves by one step at most, so no finding of another policy is ever critical. */
const CODES_THAT_REACH_CRITICAL: ReadonlySet<string> = new Set(POLICIES.filter(({ severity }) => severity === 'critical' || severity === 'high').map(({ code }) => code))

/** Whether a suppression of this code leaves something open until a second actor agrees. */
export function awaitsApproval ({ code, isApproved }: Pick<Suppression, 'code' | 'isApproved'>): boolean {
  return !isApproved && CODES_THAT_REACH_CRITICAL.has(code)
}

/** Finds what suppresses a finding; of several the most particular, then the oldest. Costs a look-up by code. */
export function suppressorOf (suppressions: readonly Suppression[]): Suppressor {
  const byCode = new Map<string, Suppression[]>()
  for (const one of [...suppressions].sort((a, b) => particularity(b) - particularity(a) || (a.id < b.id ? -1 : 1))) {
    byCode.set(one.code, [...byCode.get(one.code) ?? [], one])
  }
  return (finding, scenarioId) => byCode.get(finding.code)?.find((one) => covers(one, finding, scenarioId)) ?? null
}

function particularity ({ fingerprint, scenarioId }: Suppression): number {
  if (fingerprint !== null) return 2
  return scenarioId === null ? 0 : 1
}

function covers (one: Suppression, finding: Identified, scenarioId: string): boolean {
  if (one.scenarioId !== null && one.scenarioId !== scenarioId) return false
  if (one.fingerprint !== null && one.fingerprint !== finding.fingerprint) return false
  // The catalogue's value stays authoritative: a critical policy that was lowered here needs the second actor all the same.
  const isCritical = finding.severity === 'critical' || CRITICAL_CODES.has(finding.code)
  return one.isApproved || !isCritical
}

/**
 * Takes suppressed findings out of a result and lists them. They count neither way: a code whose findings are all suppressed is
 * neither failing nor passing, and no point is lost for it.
 */
export function openResult (result: ScenarioResult, scenarioId: string, suppressor: Suppressor): OpenResult {
  const suppressed: SuppressedFinding[] = []
  const violations = result.violations.filter((finding) => {
    const suppression = suppressor(finding, scenarioId)
    if (suppression !== null) suppressed.push({ finding, suppression })
    return suppression === null
  })
  if (suppressed.length === 0) return { ...result, suppressed }
  return {
    ...result,
    suppressed,
    violations,
    score: scenarioScore(violations),
    critical: violations.filter(({ severity }) => severity === 'critical').length,
    complianceGaps: complianceGaps(violations),
    // Passing codes had no finding before either, so only the failing ones change.
    failingCount: new Set(violations.map(({ code }) => code)).size,
    moduleSummary: openModules(result, violations)
  }
}

/** Document order is that of the full summary; findings are sorted, so a module's first one is its worst. */
function openModules ({ moduleSummary }: ScenarioResult, violations: readonly Finding[]): ScenarioResult['moduleSummary'] {
  const byModule = new Map<string, Finding[]>()
  for (const finding of violations) {
    if (finding.module !== null) byModule.set(finding.module.id, [...byModule.get(finding.module.id) ?? [], finding])
  }
  return moduleSummary.flatMap((module) => {
    const findings = byModule.get(module.id)
    const [worst] = findings ?? []
    if (findings === undefined || worst === undefined) return []
    const open = new Set(findings.map(({ code }) => code))
    return [{ ...module, worst_severity: worst.severity, codes: module.codes.filter((code) => open.has(code)), violations: findings.length }]
  })
}

export function scopeOf ({ scenarioId, fingerprint }: Pick<Suppression, 'scenarioId' | 'fingerprint'>): 'organization' | 'scenario' | 'finding' {
  if (fingerprint !== null) return 'finding'
  return scenarioId === null ? 'organization' : 'scenario'
}

/** When a new suppression ends. Null for a time that is not in the future or further away than a year. */
export function expiryOf (wanted: Date | undefined, nowMs: number): Date | null {
  const at = wanted ?? new Date(nowMs + SUPPRESSION_DAYS_DEFAULT * DAY_MS)
  return at.getTime() > nowMs && at.getTime() <= nowMs + SUPPRESSION_DAYS_MAX * DAY_MS ? at : null
}

/** Whether a code names a policy of the catalogue. `*` never does: everything at once is not a decision. */
export function isPolicyCode (code: string): boolean {
  return POLICIES.some((policy) => policy.code === code)
}
