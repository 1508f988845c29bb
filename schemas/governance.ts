/** An organization's rollup, and what to do about one scenario. */
import { Type } from '@sinclair/typebox'
import { Platform, Severity, Timestamp } from './primitives.ts'
import { Violation } from './scenario.ts'

const count = Type.Integer()
const scoreOrNull = Type.Union([Type.Integer(), Type.Null()])
export const BySeverity = Type.Object({ critical: count, high: count, medium: count, low: count, info: count })

export const GovernanceSummary = Type.Object({
  catalogue_version: Type.String(),
  score: scoreOrNull,
  band: Type.Union([Type.Literal('A'), Type.Literal('B'), Type.Literal('C'), Type.Literal('D'), Type.Null()]),
  worst_score: scoreOrNull,
  score_change: scoreOrNull,
  scenarios: count,
  scenarios_evaluated: count,
  scenarios_outdated: count,
  scenarios_with_critical: count,
  open_violations: BySeverity,
  suppressed_violations: count,
  top_violations: Type.Array(Type.Object({ code: Type.String(), title: Type.String(), severity: Severity, scenarios: count, violations: count })),
  widest_connections: Type.Array(Type.Object({ connection: Type.String(), platform: Platform, scenarios: count })),
  framework_coverage: Type.Array(Type.Object({
    framework: Type.String(),
    assessed: count,
    gaps: count,
    clear: count,
    not_assessed: count,
    coverage: Type.Union([Type.Number(), Type.Null()]),
    gap_controls: Type.Array(Type.String())
  })),
  trend: Type.Array(Type.Object({ at: Timestamp, score: Type.Integer(), scenarios_evaluated: count, open_violations: BySeverity }))
})

export const ScenarioRemediation = Type.Object({
  id: Type.String(),
  name: Type.String(),
  evaluation_id: Type.String(),
  evaluated_at: Timestamp,
  score: Type.Integer(),
  deductions: Type.Array(Type.Object({ code: Type.String(), points: Type.Number() })),
  remediation: Type.Array(Type.Object({ order: count, ...Violation.properties, steps: Type.Array(Type.String()) }))
})
