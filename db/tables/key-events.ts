/** What was done to a key: who, why, and what it was before and after, without its secrets. Append-only by trigger and by grant. */
import { integer, jsonb, pgTable, text, timestamp } from 'drizzle-orm/pg-core'

/** The fields of a key that its history shows. */
export interface KeySnapshot {
  name: string
  permissions: readonly string[]
  state: string
  ip_allowlist: readonly string[]
  rpm: number
  rph: number
  expires_at: string | null
  signing_profile: string
  replaces: string | null
  replaced_by: string | null
  grace_until: string | null
  /** Not in events from before these were kept. */
  previous_signing_secret_until?: string | null
  debug_until?: string | null
}

export const keyEvents = pgTable('key_events', {
  id: text().primaryKey(),
  orgId: text('org_id').notNull(),
  keyId: text('key_id').notNull(),
  at: timestamp({ withTimezone: true }).notNull(),
  actor: text().notNull(),
  action: text({ enum: ['created', 'rotated', 'changed', 'suspended', 'resumed', 'revoked', 'expires_soon', 'signing_secret_rotated', 'debug_changed'] }).notNull(),
  reason: text(),
  before: jsonb().$type<KeySnapshot>(),
  after: jsonb().$type<KeySnapshot>(),
  /** The answer that told the actor, where there was one. */
  watermark: text(),
  /** With `expires_soon`: days before the expiry. */
  noticeDays: integer('notice_days'),
  recordedAt: timestamp('recorded_at', { withTimezone: true }).notNull().defaultNow()
})
