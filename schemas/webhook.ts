/** Webhook subscriptions and their delivery log. The signing secret leaves in two answers only: when it is made. */
import { Type, type Static } from '@sinclair/typebox'
import { Timestamp } from './primitives.ts'

const Url = Type.String({ minLength: 1, maxLength: 2048 })
export const Event = Type.Union([Type.Literal('evaluation.complete'), Type.Literal('evaluation.error'), Type.Literal('webhook.disabled')])
const Events = Type.Array(Event, { minItems: 1, maxItems: 3, uniqueItems: true })
const Description = Type.String({ maxLength: 200, pattern: '^[^\\u0000-\\u001f\\u007f]*$' })
const orNull = <T extends ReturnType<typeof Type.String> | ReturnType<typeof Type.Integer>>(schema: T) => Type.Union([schema, Type.Null()])

export const WebhookCreateBody = Type.Object({ url: Url, events: Events, description: Type.Optional(Description) }, { additionalProperties: false })
export type WebhookCreate = Static<typeof WebhookCreateBody>

export const WebhookPatchBody = Type.Object({
  url: Type.Optional(Url),
  events: Type.Optional(Events),
  description: Type.Optional(Type.Union([Description, Type.Null()])),
  is_active: Type.Optional(Type.Boolean())
}, { additionalProperties: false, minProperties: 1 })
export type WebhookPatch = Static<typeof WebhookPatchBody>

const webhook = {
  id: Type.String(),
  url: Type.String(),
  events: Type.Array(Type.String()),
  description: orNull(Type.String()),
  is_active: Type.Boolean(),
  created_at: Timestamp,
  updated_at: Timestamp,
  disabled_at: orNull(Timestamp),
  disabled_reason: orNull(Type.String()),
  failing_since: orNull(Timestamp),
  last_success_at: orNull(Timestamp),
  last_probe_at: orNull(Timestamp)
}

export const Webhook = Type.Object(webhook)
export const WebhookList = Type.Object({ webhooks: Type.Array(Webhook) })
export const WebhookCreated = Type.Object({ ...webhook, signing_secret: Type.String(), warning: Type.String() })
export const WebhookSecret = Type.Object({ id: Type.String(), signing_secret: Type.String(), warning: Type.String() })
export const WebhookDeleted = Type.Object({ id: Type.String(), deleted: Type.Literal(true) })

export const DeliveryAttempt = Type.Object({ at: Timestamp, status: orNull(Type.Integer()), error: orNull(Type.String()), duration_ms: Type.Integer() })

export const Delivery = Type.Object({
  id: Type.String(),
  message_id: Type.String(),
  event: Type.String(),
  evaluation_id: orNull(Type.String()),
  state: Type.String(),
  attempts: Type.Array(DeliveryAttempt),
  next_attempt_at: orNull(Timestamp),
  watermark: Type.String(),
  replay_of: orNull(Type.String()),
  created_at: Timestamp,
  finished_at: orNull(Timestamp)
})
export const DeliveryList = Type.Object({ deliveries: Type.Array(Delivery), next_cursor: orNull(Type.String()) })
export const DeliveryQueued = Type.Object({ delivery: Delivery })

export const DeliveryListQuery = Type.Object({
  limit: Type.Optional(Type.String({ pattern: '^([1-9][0-9]?|100)$' })),
  cursor: Type.Optional(Type.String({ maxLength: 64 })),
  state: Type.Optional(Type.Union([Type.Literal('pending'), Type.Literal('delivering'), Type.Literal('delivered'), Type.Literal('failed'), Type.Literal('cancelled')]))
}, { additionalProperties: false })

export const ReplayBody = Type.Object({
  since: Type.String({ maxLength: 40 }),
  states: Type.Optional(Type.Array(Type.Union([Type.Literal('delivered'), Type.Literal('failed')]), { minItems: 1, maxItems: 2, uniqueItems: true }))
}, { additionalProperties: false })
export type Replay = Static<typeof ReplayBody>
export const ReplayQueued = Type.Object({ queued: Type.Integer(), next_since: orNull(Timestamp) })
