/** The organization's own requests, as its auditors see them. */
import { Type } from '@sinclair/typebox'
import { Timestamp } from './primitives.ts'

const textOrNull = Type.Union([Type.String(), Type.Null()])

export const AuditedRequest = Type.Object({
  watermark: Type.String(),
  at: Timestamp,
  key_prefix: textOrNull,
  actor: textOrNull,
  method: Type.String(),
  route: Type.String(),
  status: Type.Integer(),
  code: textOrNull,
  ip: Type.String(),
  user_agent: textOrNull,
  degraded: Type.Boolean()
})

export const RequestList = Type.Object({ requests: Type.Array(AuditedRequest), next_cursor: textOrNull })

export const RequestListQuery = Type.Object({
  limit: Type.Optional(Type.String({ pattern: '^([1-9][0-9]?|100)$' })),
  cursor: Type.Optional(Type.String({ maxLength: 128 })),
  key_prefix: Type.Optional(Type.String({ pattern: '^fb_live_[0-9a-f]{4}$' })),
  status: Type.Optional(Type.String({ pattern: '^[1-5][0-9]{2}$' })),
  since: Type.Optional(Type.String({ maxLength: 40 })),
  until: Type.Optional(Type.String({ maxLength: 40 })),
  watermark: Type.Optional(Type.String({ pattern: '^wm_[0-9a-z]{36}$' }))
}, { additionalProperties: false })

export const ResolvedMark = Type.Object({
  watermark: Type.String(),
  source: Type.Union([Type.Literal('request'), Type.Literal('webhook')]),
  at: Timestamp,
  request: Type.Union([AuditedRequest, Type.Null()]),
  webhook: Type.Union([Type.Object({ id: Type.String(), delivery_id: Type.String(), event: Type.String(), evaluation_id: textOrNull, state: Type.String() }), Type.Null()])
})
