/**
 * An API key: its SHA-256, never the key. States: active → suspended → active; active or suspended → revoked (final); inactive.
 * Rows are never deleted, so that an audit row can always name its key.
 */
import { customType, integer, pgTable, text, timestamp } from 'drizzle-orm/pg-core'

const bytea = customType<{ data: Buffer }>({
  dataType: () => 'bytea',
  fromDriver: (value) => Buffer.from(value as Uint8Array)
})

export const apiKeys = pgTable('api_keys', {
  id: text().primaryKey(),
  orgId: text('org_id').notNull(),
  name: text().notNull(),
  prefix: text().notNull(),
  digest: bytea().notNull(),
  permissions: text().array().notNull(),
  ipAllowlist: text('ip_allowlist').array().notNull(),
  perMinute: integer('per_minute').notNull(),
  perHour: integer('per_hour').notNull(),
  state: text({ enum: ['active', 'inactive', 'suspended', 'revoked'] }).notNull().default('active'),
  expiresAt: timestamp('expires_at', { withTimezone: true }),
  createdBy: text('created_by').notNull(),
  createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow(),
  /** Set on a canary key: where it was planted. Such a key never works. */
  canaryLabel: text('canary_label'),
  suspendedAt: timestamp('suspended_at', { withTimezone: true }),
  suspendedReason: text('suspended_reason'),
  revokedAt: timestamp('revoked_at', { withTimezone: true }),
  revokedBy: text('revoked_by'),
  revokedReason: text('revoked_reason'),
  signingProfile: text('signing_profile', { enum: ['published', 'hardened'] }).notNull().default('published'),
  /** The signing secret of a hardened key (plugins/lib/hardened-signature.ts), and until a time the one before its rotation. */
  sealedSigningSecret: text('sealed_signing_secret'),
  sealedPreviousSigningSecret: text('sealed_previous_signing_secret'),
  previousSigningSecretUntil: timestamp('previous_signing_secret_until', { withTimezone: true }),
  /** Until then a refused signature's audit row says what differed. */
  debugUntil: timestamp('debug_until', { withTimezone: true }),
  /** The keys on either side of a rotation. A replaced key works until `graceUntil`, which is then its expiry too. */
  replaces: text(),
  replacedBy: text('replaced_by'),
  replacedAt: timestamp('replaced_at', { withTimezone: true }),
  graceUntil: timestamp('grace_until', { withTimezone: true })
})
