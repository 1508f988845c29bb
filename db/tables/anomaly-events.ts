/**
 * What anomaly detection noticed, with the numbers and thresholds that caused it; for operators only, so partners' role has no right
 * to it. Written once; only `action` is set afterwards, when it is known what followed.
 */
import { bigint, boolean, inet, jsonb, pgTable, text, timestamp } from 'drizzle-orm/pg-core'

export const anomalyEvents = pgTable('anomaly_events', {
  id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
  /** When it happened, by the clock of the instance that saw it. */
  at: timestamp({ withTimezone: true }).notNull(),
  signal: text().notNull(),
  /** The key or organization that the signal is about. */
  subject: text().notNull(),
  severity: text({ enum: ['critical', 'high', 'medium', 'low'] }).notNull(),
  isCertain: boolean('is_certain').notNull(),
  orgId: text('org_id'),
  keyId: text('key_id'),
  numbers: jsonb().$type<Record<string, number | string>>().notNull(),
  threshold: jsonb().$type<object>().notNull(),
  watermarks: jsonb().$type<string[]>().notNull(),
  ip: inet(),
  userAgent: text('user_agent'),
  /** Where a canary key was planted. */
  label: text(),
  action: text({ enum: ['none', 'suspended', 'declined_last_key', 'not_active', 'would_suspend', 'would_decline_last_key'] }).notNull().default('none'),
  recordedAt: timestamp('recorded_at', { withTimezone: true }).notNull().defaultNow()
})
