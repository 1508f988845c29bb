/** Scenarios and what was found in them. A violation has these fields and no other: no evaluator internals, no blueprint content. */
import { Type } from '@sinclair/typebox'
import { EvaluationStatus, Frameworks, Platform, Severity, Timestamp } from './primitives.ts'

export const ModuleReference = Type.Object({ id: Type.String(), name: Type.String(), type: Type.String() })

const violation = {
  ref: Type.String(),
  code: Type.String(),
  title: Type.String(),
  severity: Severity,
  module: Type.Union([ModuleReference, Type.Null()]),
  message: Type.String(),
  frameworks: Frameworks
}

export const Violation = Type.Object(violation)

/** A finding that counts neither way, with who said why for how long in one place: the suppression. */
export const SuppressedViolation = Type.Object({ ...violation, suppression: Type.Object({ id: Type.String(), reason: Type.String(), expires_at: Timestamp }) })

export const ModuleSummary = Type.Object({
  id: Type.String(), name: Type.String(), type: Type.String(), worst_severity: Severity, codes: Type.Array(Type.String()), violations: Type.Integer()
})

const judged = {
  evaluation_status: EvaluationStatus,
  evaluated_at: Type.Union([Timestamp, Type.Null()]),
  score: Type.Integer(),
  violations: Type.Array(Violation),
  module_summary: Type.Array(ModuleSummary),
  evaluated_codes: Type.Array(Type.String()),
  passing_count: Type.Integer(),
  failing_count: Type.Integer(),
  suppressed: Type.Array(SuppressedViolation)
}

export const ScenarioResults = Type.Object({ id: Type.String(), name: Type.String(), evaluation_id: Type.String(), modules: Type.Integer(), catalogue_version: Type.String(), ...judged })

export const JudgedScenario = Type.Object({ id: Type.String(), name: Type.String(), modules: Type.Integer(), catalogue_version: Type.String(), ...judged })
/** A scenario that could not be judged; the batch goes on without it. */
export const FailedScenario = Type.Object({ id: Type.String(), name: Type.String(), error: Type.String() })

export const FullResults = Type.Object({ evaluation_id: Type.String(), scenarios: Type.Array(Type.Union([JudgedScenario, FailedScenario])) })

export const Scenario = Type.Object({ id: Type.String(), name: Type.String(), platform: Platform, modules: Type.Integer(), imported_at: Timestamp })

export const ScenarioList = Type.Object({
  scenarios: Type.Array(Scenario),
  next_cursor: Type.Union([Type.String(), Type.Null()])
})

export const ScenarioListQuery = Type.Object({
  limit: Type.Optional(Type.String({ pattern: '^([1-9][0-9]?|100)$' })),
  cursor: Type.Optional(Type.String({ maxLength: 64 }))
}, { additionalProperties: false })
