/**
 * Component schemas, and how a TypeBox schema becomes one of the document: what is registered here becomes a reference wherever the
 * very same object is used, unions of constants become `enum`, and every named field gets its description.
 */
import type { TSchema } from '@sinclair/typebox'
import * as console from '../schemas/console.ts'
import * as evaluation from '../schemas/evaluation.ts'
import * as governance from '../schemas/governance.ts'
import * as policy from '../schemas/policy.ts'
import * as primitives from '../schemas/primitives.ts'
import * as request from '../schemas/request.ts'
import * as scenario from '../schemas/scenario.ts'
import * as suppression from '../schemas/suppression.ts'
import * as event from '../schemas/webhook-event.ts'
import * as webhook from '../schemas/webhook.ts'
import { FIELDS } from './fields.ts'

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json }
export type JsonObject = Record<string, Json>

interface Component { schema: TSchema, description: string, extra?: JsonObject }

const COMPONENTS: Readonly<Record<string, Component>> = {
  Severity: { schema: primitives.Severity, description: 'From worst to least.' },
  Platform: { schema: primitives.Platform, description: 'An automation platform.' },
  EvaluationStatus: { schema: primitives.EvaluationStatus, description: '`complete` and `error` are final.' },
  Timestamp: { schema: primitives.Timestamp, description: 'RFC 3339, UTC.', extra: { format: 'date-time' } },
  InlineBlueprint: { schema: evaluation.InlineBlueprint, description: 'A blueprint to judge as it stands.' },
  EvaluateBody: { schema: evaluation.EvaluateBodySchema, description: 'Exactly one of `scenario_ids` (then with `org_id`) and `blueprints`.' },
  EvaluateAccepted: { schema: evaluation.EvaluateAccepted, description: 'The evaluation is kept and will be judged.' },
  EvaluationProgress: { schema: evaluation.EvaluationProgress, description: '`scenarios` is there once `status` is `complete`; `error` when it is `error`.' },
  ScenarioCounts: { schema: evaluation.ScenarioCounts, description: 'What was found in a scenario, in numbers.' },
  FailedScenario: { schema: scenario.FailedScenario, description: 'A scenario that could not be judged. The batch goes on without it.' },
  JudgedScenario: { schema: scenario.JudgedScenario, description: 'What was found in a scenario.' },
  FullResults: { schema: scenario.FullResults, description: 'The results of an evaluation, whole.' },
  ScenarioResults: { schema: scenario.ScenarioResults, description: "A scenario's newest results." },
  Scenario: { schema: scenario.Scenario, description: 'An imported scenario.' },
  ScenarioList: { schema: scenario.ScenarioList, description: 'A page of scenarios.' },
  ScenarioRemediation: { schema: governance.ScenarioRemediation, description: 'Steps for every open violation, in the order to work in.' },
  ModuleReference: { schema: scenario.ModuleReference, description: 'A module of a scenario.' },
  ModuleSummary: { schema: scenario.ModuleSummary, description: 'A module with open violations.' },
  Violation: { schema: scenario.Violation, description: 'A finding. It holds no content of the blueprint.' },
  SuppressedViolation: { schema: scenario.SuppressedViolation, description: 'A finding that counts neither way, and the suppression that says so.' },
  Policy: { schema: policy.Policy, description: 'A policy of the catalogue.' },
  PolicyList: { schema: policy.PolicyList, description: 'The catalogue.' },
  PolicyDetail: { schema: policy.PolicyDetail, description: 'A policy, and how to mend what it finds.' },
  GovernanceSummary: { schema: governance.GovernanceSummary, description: "The organization's rollup." },
  ViolationsBySeverity: { schema: governance.BySeverity, description: 'Numbers of violations.' },
  AuditedRequest: { schema: request.AuditedRequest, description: 'A request of the organization as its audit row has it.' },
  RequestList: { schema: request.RequestList, description: 'A page of requests, newest first.' },
  ResolvedMark: { schema: request.ResolvedMark, description: 'Where a watermark was: one of `request` and `webhook` is not null.' },
  SuppressionCreateBody: { schema: suppression.SuppressionCreateBody, description: 'Without `scenario_id` and `finding` it covers the whole organization.' },
  Suppression: { schema: suppression.Suppression, description: 'What the organization decided to live with.' },
  SuppressionList: { schema: suppression.SuppressionList, description: 'A page of suppressions.' },
  WebhookEvent: { schema: webhook.Event, description: 'An event that can be subscribed to.' },
  WebhookCreateBody: { schema: webhook.WebhookCreateBody, description: 'A new subscription.' },
  WebhookPatchBody: { schema: webhook.WebhookPatchBody, description: 'What to change; what is left out stays.' },
  Webhook: { schema: webhook.Webhook, description: 'A subscription.' },
  WebhookList: { schema: webhook.WebhookList, description: "The organization's subscriptions, at most 20." },
  WebhookCreated: { schema: webhook.WebhookCreated, description: 'The subscription, and its secret, shown this once.' },
  WebhookSecret: { schema: webhook.WebhookSecret, description: 'The new secret, shown this once.' },
  WebhookDeleted: { schema: webhook.WebhookDeleted, description: 'The subscription is gone.' },
  Delivery: { schema: webhook.Delivery, description: 'A delivery and its attempts.' },
  DeliveryAttempt: { schema: webhook.DeliveryAttempt, description: 'An attempt; `status` is null when there was no answer, `error` null when it was acknowledged.' },
  DeliveryList: { schema: webhook.DeliveryList, description: 'A page of deliveries, newest first.' },
  DeliveryQueued: { schema: webhook.DeliveryQueued, description: 'The delivery that was queued.' },
  ReplayBody: { schema: webhook.ReplayBody, description: 'Which deliveries to send again.' },
  ReplayQueued: { schema: webhook.ReplayQueued, description: 'How many were queued.' },
  EventScenario: { schema: event.EventScenario, description: 'What was found in a scenario.' },
  EvaluationCompleteEvent: { schema: event.EvaluationCompleteEvent, description: 'Every scenario of an evaluation has its outcome.' },
  EvaluationErrorEvent: { schema: event.EvaluationErrorEvent, description: 'An evaluation could not be finished.' },
  WebhookDisabledEvent: { schema: event.WebhookDisabledEvent, description: 'Another webhook of the organization was switched off.' },
  WebhookPingEvent: { schema: event.WebhookPingEvent, description: 'A test or a probe.' },
  KeyCreateBody: { schema: console.KeyCreateBody, description: 'A new key.' },
  KeyPatchBody: { schema: console.KeyPatchBody, description: 'What to change; what is left out stays.' },
  KeyRotateBody: { schema: console.KeyRotateBody, description: 'How the key that is replaced ends.' },
  ConsoleKey: { schema: console.ConsoleKey, description: 'A key, without its value.' },
  ConsoleKeyList: { schema: console.ConsoleKeyList, description: 'A page of keys, newest first.' },
  KeyCreated: { schema: console.KeyCreated, description: 'The key, and its value, shown this once.' },
  KeyRotated: { schema: console.KeyRotated, description: 'The new key, its value, shown this once, and the key that it replaces.' },
  KeyEventList: { schema: console.KeyEventList, description: 'A page of what was done to a key, newest first.' },
  ScenarioImportBody: { schema: console.ScenarioImportBody, description: 'Blueprints whose shape is to be kept.' },
  ScenariosImported: { schema: console.ScenariosImported, description: 'The scenarios, in the order of the blueprints.' }
}

const NAMES = new Map<unknown, string>(Object.entries(COMPONENTS).map(([name, { schema }]) => [schema, name]))
const PAGE_SIZE = '^([1-9][0-9]?|100)$'

/** Every component schema, by name. */
export function componentSchemas (): JsonObject {
  return Object.fromEntries(Object.entries(COMPONENTS).map(([name, { schema, description, extra }]) => [name, { description, ...convertObject(schema), ...extra }]))
}

/** A schema as the document has it. */
export function convert (schema: unknown): Json {
  const name = NAMES.get(schema)
  if (name !== undefined) return { $ref: `#/components/schemas/${name}` }
  if (Array.isArray(schema)) return schema.map(convert)
  if (typeof schema === 'object' && schema !== null) return convertObject(schema)
  if (typeof schema === 'string' || typeof schema === 'number' || typeof schema === 'boolean') return schema
  throw new TypeError('a schema holds JSON only')
}

function convertObject (schema: object): JsonObject {
  if ('pattern' in schema && schema.pattern === PAGE_SIZE) return { type: 'integer', minimum: 1, maximum: 100, default: 50 }
  if ('anyOf' in schema && Array.isArray(schema.anyOf)) return convertUnion(schema.anyOf)
  const converted: JsonObject = {}
  for (const [key, value] of Object.entries(schema)) converted[key] = key === 'properties' ? convertProperties(value) : convert(value)
  return converted
}

// Optional fields of TypeBox are copies, so they are known by what they hold.
function convertProperties (properties: object): JsonObject {
  return Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, describe(name, convert(schema))]))
}

function describe (name: string, schema: Json): Json {
  const description = FIELDS[name]
  if (description === undefined || typeof schema !== 'object' || schema === null || Array.isArray(schema) || schema['const'] !== undefined) return schema
  return { description, ...schema }
}

function convertUnion (members: unknown[]): JsonObject {
  const constants = members.flatMap((one) => typeof one === 'object' && one !== null && 'const' in one && (typeof one.const === 'string') ? [one.const] : [])
  const isNullable = members.some((one) => typeof one === 'object' && one !== null && 'type' in one && one.type === 'null')
  if (constants.length === members.length) return { type: 'string', enum: constants }
  if (isNullable && constants.length === members.length - 1) return { type: ['string', 'null'], enum: [...constants, null] }
  const [first] = members
  if (isNullable && members.length === 2 && !NAMES.has(first) && typeof first === 'object' && first !== null && 'type' in first && typeof first.type === 'string') {
    return { ...convertObject(first), type: [first.type, 'null'] }
  }
  return { anyOf: members.map(convert) }
}
