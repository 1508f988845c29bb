/** Suppressions: what an organization decided to live with, why, and for how long. */
import { Type, type Static } from '@sinclair/typebox'
import { Timestamp } from './primitives.ts'

const ScenarioId = Type.String({ minLength: 1, maxLength: 64 })
const orNull = Type.Union([Type.String(), Type.Null()])
const timeOrNull = Type.Union([Timestamp, Type.Null()])

export const SuppressionCreateBody = Type.Object({
  code: Type.String({ pattern: '^[A-Z]{3}-[0-9]{3}$' }),
  scenario_id: Type.Optional(ScenarioId),
  finding: Type.Optional(Type.Object({ scenario_id: ScenarioId, ref: Type.String({ minLength: 1, maxLength: 64 }) }, { additionalProperties: false })),
  reason: Type.String({ minLength: 1, maxLength: 500, pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]*[^\\s\\u0000-\\u001f\\u007f-\\u009f][^\\u0000-\\u001f\\u007f-\\u009f]*$' }),
  expires_at: Type.Optional(Type.String({ maxLength: 40 }))
}, { additionalProperties: false })
export type SuppressionCreate = Static<typeof SuppressionCreateBody>

export const Suppression = Type.Object({
  id: Type.String(),
  code: Type.String(),
  scope: Type.Union([Type.Literal('organization'), Type.Literal('scenario'), Type.Literal('finding')]),
  scenario_id: orNull,
  reason: Type.String(),
  state: Type.Union([Type.Literal('active'), Type.Literal('expired'), Type.Literal('withdrawn')]),
  awaits_approval: Type.Boolean(),
  created_by: Type.String(),
  created_at: Timestamp,
  expires_at: Timestamp,
  approved_by: orNull,
  approved_at: timeOrNull,
  withdrawn_by: orNull,
  withdrawn_at: timeOrNull
})

export const SuppressionList = Type.Object({ suppressions: Type.Array(Suppression), next_cursor: orNull })

export const SuppressionListQuery = Type.Object({
  limit: Type.Optional(Type.String({ pattern: '^([1-9][0-9]?|100)$' })),
  cursor: Type.Optional(Type.String({ maxLength: 64 })),
  state: Type.Optional(Type.Union([Type.Literal('active'), Type.Literal('expired'), Type.Literal('withdrawn'), Type.Literal('all')]))
}, { additionalProperties: false })
