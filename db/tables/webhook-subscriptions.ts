/**
 * A receiver of events. active → disabled by its owner, or by failing for long (then probed) → active; any → deleted (final: the
 * secret is gone, the row stays for its deliveries). The signing secret is sealed (plugins/lib/sealed-secret.ts).
 */
import { boolean, integer, pgTable, text, timestamp } from 'drizzle-orm/pg-core'

export const webhookSubscriptions = pgTable('webhook_subscriptions', {
  id: text().primaryKey(),
  orgId: text('org_id').notNull(),
  url: text().notNull(),
  events: text().array().notNull(),
  description: text(),
  isActive: boolean('is_active').notNull().default(true),
  sealedSecret: text('sealed_secret'),
  createdBy: text('created_by').notNull(),
  createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow(),
  updatedAt: timestamp('updated_at', { withTimezone: true }).notNull().defaultNow(),
  disabledAt: timestamp('disabled_at', { withTimezone: true }),
  disabledReason: text('disabled_reason', { enum: ['owner', 'failing'] }),
  /** When the oldest delivery that was given up since the last success was written. */
  failingSince: timestamp('failing_since', { withTimezone: true }),
  /** Deliveries given up since the last success. */
  exhaustedCount: integer('exhausted_count').notNull().default(0),
  lastSuccessAt: timestamp('last_success_at', { withTimezone: true }),
  lastProbeAt: timestamp('last_probe_at', { withTimezone: true }),
  deletedAt: timestamp('deleted_at', { withTimezone: true })
})
