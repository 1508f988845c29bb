/** The console's wire: keys as an organization's people see them. A key's value and its signing secret leave in the answer that makes them, once. */
import { Type, type Static } from '@sinclair/typebox'
import { LIMIT_MAX } from '../plugins/lib/sliding-window.ts'
import { Platform, Timestamp } from './primitives.ts'

const LINE = '^[^\\u0000-\\u001f\\u007f-\\u009f]*[^\\s\\u0000-\\u001f\\u007f-\\u009f][^\\u0000-\\u001f\\u007f-\\u009f]*$'
const Name = Type.String({ description: 'What people call it.', minLength: 1, maxLength: 200, pattern: LINE })
const Reason = Type.String({ description: 'Why; stands in the history of the key.', minLength: 1, maxLength: 500, pattern: LINE })
const Permission = Type.Union([Type.Literal('governance:read'), Type.Literal('governance:evaluate'), Type.Literal('admin')])
const Ranges = Type.Array(Type.String({ minLength: 1, maxLength: 64 }), { maxItems: 100, uniqueItems: true })
const Limit = Type.Integer({ minimum: 1, maximum: LIMIT_MAX })
const SigningProfile = Type.Union([Type.Literal('published'), Type.Literal('hardened')])
const textOrNull = Type.Union([Type.String(), Type.Null()])
const timeOrNull = Type.Union([Timestamp, Type.Null()])

export const KeyCreateBody = Type.Object({
  name: Name,
  permissions: Type.Array(Permission, { minItems: 1, maxItems: 3, uniqueItems: true }),
  ip_allowlist: Type.Optional(Ranges),
  expires_at: Type.Optional(Type.String({ description: 'When it ends, RFC 3339. Default never.', maxLength: 40 })),
  rpm: Type.Optional(Limit),
  rph: Type.Optional(Limit),
  signing_profile: Type.Optional(SigningProfile),
  reason: Type.Optional(Reason)
}, { additionalProperties: false })
export type KeyCreate = Static<typeof KeyCreateBody>

export const KeyPatchBody = Type.Object({
  name: Type.Optional(Name),
  ip_allowlist: Type.Optional(Ranges),
  rpm: Type.Optional(Limit),
  rph: Type.Optional(Limit),
  confirm: Type.Optional(Type.Boolean()),
  reason: Type.Optional(Reason)
}, { additionalProperties: false, minProperties: 1 })
export type KeyPatch = Static<typeof KeyPatchBody>

export const KeyRotateBody = Type.Object({
  grace_period_hours: Type.Optional(Type.Integer({ minimum: 1, maximum: 168 })),
  force: Type.Optional(Type.Boolean()),
  reason: Type.Optional(Reason)
}, { additionalProperties: false })
export type KeyRotate = Static<typeof KeyRotateBody>

export const KeyDeleteQuery = Type.Object({ reason: Type.Optional(Reason) }, { additionalProperties: false })

export const PageQuery = Type.Object({
  limit: Type.Optional(Type.String({ pattern: '^([1-9][0-9]?|100)$' })),
  cursor: Type.Optional(Type.String({ maxLength: 64 }))
}, { additionalProperties: false })

const key = {
  id: Type.String({ description: 'Id of the key: `key_` and a ULID.' }),
  name: Type.String({ description: 'What people call it.' }),
  prefix: Type.String(),
  permissions: Type.Array(Type.String()),
  state: Type.Union([Type.Literal('active'), Type.Literal('suspended'), Type.Literal('revoked'), Type.Literal('inactive'), Type.Literal('expired')]),
  ip_allowlist: Type.Array(Type.String()),
  rpm: Type.Integer(),
  rph: Type.Integer(),
  signing_profile: SigningProfile,
  created_by: Type.String({ description: 'Who made it: `session:<sub>`, or the operator.' }),
  created_at: Timestamp,
  expires_at: timeOrNull,
  revoked_at: timeOrNull,
  replaces: textOrNull,
  replaced_by: textOrNull,
  grace_until: timeOrNull
}

export const ConsoleKey = Type.Object(key)
/** `last_used_at`: within the last week, as far as the organization's newest requests show it. */
export const ConsoleKeyList = Type.Object({ keys: Type.Array(Type.Object({ ...key, last_used_at: timeOrNull })), next_cursor: textOrNull })

const secrets = { key: Type.String(), signing_secret: Type.Optional(Type.String({ description: 'Of a hardened key: signs its requests. Shown in this answer only.' })), warning: Type.String() }
export const KeyCreated = Type.Object({ ...key, ...secrets })
export const KeyRotated = Type.Object({ ...key, ...secrets, replaced: Type.Object(key) })

const Snapshot = Type.Union([Type.Object({
  name: Type.String(),
  permissions: Type.Array(Type.String()),
  state: Type.String(),
  ip_allowlist: Type.Array(Type.String()),
  rpm: Type.Integer(),
  rph: Type.Integer(),
  expires_at: timeOrNull,
  signing_profile: Type.String(),
  replaces: textOrNull,
  replaced_by: textOrNull,
  grace_until: timeOrNull,
  previous_signing_secret_until: Type.Optional(timeOrNull),
  debug_until: Type.Optional(timeOrNull)
}), Type.Null()])

export const KeyEventList = Type.Object({
  events: Type.Array(Type.Object({
    id: Type.String(),
    key_id: Type.String(),
    at: Timestamp,
    actor: Type.String(),
    action: Type.String(),
    reason: textOrNull,
    before: Snapshot,
    after: Snapshot,
    watermark: textOrNull,
    notice_days: Type.Union([Type.Integer(), Type.Null()])
  })),
  next_cursor: textOrNull
})

export const ScenarioImportBody = Type.Object({
  blueprints: Type.Array(Type.Object({ name: Type.Optional(Name), blueprint: Type.Object({}, { additionalProperties: true }) }, { additionalProperties: false }), { minItems: 1, maxItems: 10 })
}, { additionalProperties: false })
export type ScenarioImport = Static<typeof ScenarioImportBody>

/** `dropped`: JSON pointers of what was refused entry, without its values. `problems`: parts that were not understood. */
export const ScenariosImported = Type.Object({
  scenarios: Type.Array(Type.Object({
    id: Type.String(), name: Type.String(), platform: Platform, modules: Type.Integer(), problems: Type.Integer(), dropped: Type.Array(Type.String())
  }))
})
