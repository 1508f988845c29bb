/** Submitting and following an evaluation. */
import { Type, type Static } from '@sinclair/typebox'
import { EvaluationStatus } from './primitives.ts'
import { FailedScenario } from './scenario.ts'

const SCENARIOS_MAX = 10

export const InlineBlueprint = Type.Object({
  id: Type.String({ minLength: 1, maxLength: 64, pattern: '^[A-Za-z0-9_-]+$' }),
  name: Type.Optional(Type.String({ minLength: 1, maxLength: 120 })),
  blueprint: Type.Object({}, { additionalProperties: true }),
  save: Type.Optional(Type.Boolean())
}, { additionalProperties: false })

export const EvaluateBodySchema = Type.Object({
  scenario_ids: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 64 }), { minItems: 1, maxItems: SCENARIOS_MAX, uniqueItems: true })),
  org_id: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
  blueprints: Type.Optional(Type.Array(InlineBlueprint, { minItems: 1, maxItems: SCENARIOS_MAX }))
}, { additionalProperties: false })

export type EvaluateBody = Static<typeof EvaluateBodySchema>

export const EvaluateAccepted = Type.Object({
  evaluation_id: Type.String(),
  status: Type.Literal('processing'),
  total_scenarios: Type.Integer(),
  result_token: Type.String()
})

export const ScenarioCounts = Type.Object({
  id: Type.String(), name: Type.String(), score: Type.Integer(), violations: Type.Integer(), critical: Type.Integer(), compliance_gaps: Type.Array(Type.String()), modules: Type.Integer()
})

export const EvaluationProgress = Type.Object({
  evaluation_id: Type.String(),
  status: EvaluationStatus,
  total_scenarios: Type.Integer(),
  completed: Type.Integer(),
  error: Type.Optional(Type.String()),
  scenarios: Type.Optional(Type.Array(Type.Union([ScenarioCounts, FailedScenario])))
})
