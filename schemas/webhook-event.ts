/** What webhooks carry: bodies that are not enveloped. They are made in evaluation/webhook-events.ts; these shapes document and test them. */
import { Type } from '@sinclair/typebox'
import { Timestamp } from './primitives.ts'
import { FailedScenario, JudgedScenario } from './scenario.ts'

const fields = JudgedScenario.properties

/** The five published fields of a scenario's results, its score, and what tells one scenario from another. */
export const EventScenario = Type.Object({
  id: fields.id,
  name: fields.name,
  score: fields.score,
  violations: fields.violations,
  module_summary: fields.module_summary,
  evaluated_codes: fields.evaluated_codes,
  passing_count: fields.passing_count,
  failing_count: fields.failing_count
})

const about = { evaluation_id: Type.String(), organization_id: Type.String() }
const scenarios = Type.Array(Type.Union([EventScenario, FailedScenario]))

export const EvaluationCompleteEvent = Type.Object({ event: Type.Literal('evaluation.complete'), ...about, scenarios })
export const EvaluationErrorEvent = Type.Object({ event: Type.Literal('evaluation.error'), ...about, error: Type.String(), scenarios })
export const WebhookDisabledEvent = Type.Object({
  event: Type.Literal('webhook.disabled'), organization_id: Type.String(), webhook_id: Type.String(), reason: Type.String(), failing_since: Type.Union([Timestamp, Type.Null()])
})
export const WebhookPingEvent = Type.Object({ event: Type.Literal('webhook.ping'), organization_id: Type.String(), webhook_id: Type.String() })
