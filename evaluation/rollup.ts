/**
 * The rollup of an organization: what its scenarios' newest results say together. Pure and incremental: one scenario is added at a
 * time and nothing but sums is kept, so its memory is that of the catalogue. Only results of one catalogue version are comparable; the
 * caller adds no others.
 */
import type { ScenarioResult, Severity } from './graph/types.ts'
import { CONTROLS, splitControl, type Control } from './rules/controls.ts'
import { POLICIES } from './rules/index.ts'
import { SEVERITIES } from './rules/severity.ts'
import { scenarioScore, WEIGHTS } from './score.ts'
import type { Suppressor } from './suppressions.ts'

const INACTIVE_SHARE = 0.5
const TOP_MAX = 10

/** What of one scenario's newest result the rollup needs. */
export interface Standing {
  scenarioId: string
  modules: number
  /** Null: the blueprint does not say. */
  isActive: boolean | null
  findings: readonly { code: string, severity: Severity, fingerprint: string }[]
  evaluatedCodes: readonly string[]
}

/** What is kept of a result beside it. Rollups read these by the thousand, so findings are rows without names: code, severity, fingerprint. */
export interface StoredStanding { catalogueVersion: string, evaluatedCodes: string[], findings: [code: string, severity: Severity, fingerprint: string][] }

export function storedStanding ({ catalogueVersion, evaluatedCodes, violations }: ScenarioResult): StoredStanding {
  return { catalogueVersion, evaluatedCodes, findings: violations.map(({ code, severity, fingerprint }) => [code, severity, fingerprint]) }
}

export type Band = 'A' | 'B' | 'C' | 'D'

export interface FrameworkCoverage {
  framework: string
  /** Controls that at least one judged policy bears on; `gaps` have an open finding, `clear` have none. */
  assessed: number
  gaps: number
  clear: number
  /** Controls that the catalogue maps to and nothing was judged for. What the catalogue does not map to is in no number. */
  not_assessed: number
  /** `clear` of `assessed`, to two decimals; null when nothing was assessed. Never a share of the framework. */
  coverage: number | null
  gap_controls: string[]
}

export interface Rollup {
  score: number | null
  band: Band | null
  worst_score: number | null
  scenarios_evaluated: number
  scenarios_with_critical: number
  open_violations: Record<Severity, number>
  suppressed_violations: number
  top_violations: { code: string, title: string, severity: Severity, scenarios: number, violations: number }[]
  framework_coverage: FrameworkCoverage[]
}

/** A standing without what is suppressed: worked out once for all moments at which the same suppressions held. */
export interface OpenStanding {
  score: number
  weight: number
  open: Record<Severity, number>
  suppressed: number
  /** Findings by failing code. */
  failing: ReadonlyMap<string, number>
  /** Codes that speak for or against a control. */
  assessed: readonly string[]
}

export interface RollupBuilder { add (standing: OpenStanding): void, finish (): Rollup }

interface Tally { scenarios: number, violations: number }

export function openStanding (standing: Standing, suppressor: Suppressor): OpenStanding {
  const { scenarioId, findings, modules, isActive, evaluatedCodes } = standing
  const left = findings.filter((finding) => suppressor(finding, scenarioId) === null)
  const failing = new Map<string, number>()
  const open = noViolations()
  for (const { code, severity } of left) {
    failing.set(code, (failing.get(code) ?? 0) + 1)
    open[severity]++
  }
  // A code whose findings are all suppressed speaks neither for nor against a control.
  const aside = new Set(findings.filter(({ code }) => !failing.has(code)).map(({ code }) => code))
  return {
    score: scenarioScore(left),
    weight: (1 + Math.log2(1 + modules)) * (isActive === false ? INACTIVE_SHARE : 1),
    open,
    suppressed: findings.length - left.length,
    failing,
    assessed: aside.size === 0 ? evaluatedCodes : evaluatedCodes.filter((code) => !aside.has(code))
  }
}

export function createRollup (): RollupBuilder {
  const open = noViolations()
  const tallies = new Map<string, Tally>()
  const assessed = new Set<string>()
  let weighted = 0
  let weights = 0
  let worst: number | null = null
  let evaluated = 0
  let withCritical = 0
  let suppressed = 0

  function add (standing: OpenStanding): void {
    const { score, weight } = standing
    weighted += score * weight
    weights += weight
    worst = Math.min(worst ?? score, score)
    evaluated++
    suppressed += standing.suppressed
    if (standing.open.critical > 0) withCritical++
    for (const severity of SEVERITIES) open[severity] += standing.open[severity]
    for (const code of standing.assessed) assessed.add(code)
    for (const [code, violations] of standing.failing) {
      const tally = tallies.get(code) ?? { scenarios: 0, violations: 0 }
      tallies.set(code, { scenarios: tally.scenarios + 1, violations: tally.violations + violations })
    }
  }

  function finish (): Rollup {
    const score = weights === 0 ? null : Math.round(weighted / weights)
    return {
      score,
      band: score === null ? null : bandOf(score, open.critical > 0),
      worst_score: worst,
      scenarios_evaluated: evaluated,
      scenarios_with_critical: withCritical,
      open_violations: { ...open },
      suppressed_violations: suppressed,
      top_violations: topViolations(tallies),
      framework_coverage: coverageOf(assessed, new Set(tallies.keys()))
    }
  }

  return { add, finish }
}

/** Any open critical finding caps the band at C, whatever the number. */
export function bandOf (score: number, hasCritical: boolean): Band {
  if (score < 55) return 'D'
  if (score < 75 || hasCritical) return 'C'
  return score < 90 ? 'B' : 'A'
}

function noViolations (): Record<Severity, number> {
  return { critical: 0, high: 0, medium: 0, low: 0, info: 0 }
}

/** By the catalogue's weight times the scenarios affected; then by severity and code, so that the order is the same each time. */
function topViolations (tallies: ReadonlyMap<string, Tally>): Rollup['top_violations'] {
  const rows = POLICIES.flatMap(({ code, title, severity }) => {
    const tally = tallies.get(code)
    return tally === undefined ? [] : [{ code, title, severity, ...tally }]
  })
  const rank = ({ severity, scenarios }: typeof rows[number]): number => WEIGHTS[severity] * scenarios
  return rows.sort((a, b) => rank(b) - rank(a) || SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) || (a.code < b.code ? -1 : 1)).slice(0, TOP_MAX)
}

function coverageOf (assessedCodes: ReadonlySet<string>, failingCodes: ReadonlySet<string>): FrameworkCoverage[] {
  const assessed = controlsOf(assessedCodes)
  const failing = controlsOf(failingCodes)
  const byFramework = new Map<string, Control[]>()
  for (const control of CONTROLS) byFramework.set(control.framework, [...byFramework.get(control.framework) ?? [], control])
  return [...byFramework].map(([framework, controls]) => {
    const judged = controls.filter(({ text }) => assessed.has(text))
    const gaps = judged.filter(({ text }) => failing.has(text))
    const clear = judged.length - gaps.length
    return {
      framework,
      assessed: judged.length,
      gaps: gaps.length,
      clear,
      not_assessed: controls.length - judged.length,
      coverage: judged.length === 0 ? null : Math.round(clear / judged.length * 100) / 100,
      gap_controls: gaps.map(({ text }) => splitControl(text).control)
    }
  })
}

function controlsOf (codes: ReadonlySet<string>): Set<string> {
  return new Set(POLICIES.filter(({ code }) => codes.has(code)).flatMap(({ frameworks }) => frameworks))
}
