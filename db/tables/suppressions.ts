/**
 * A finding that somebody decided to live with: for a whole policy, a policy in one scenario, or one finding by its fingerprint. In force
 * from its making until it expires or is withdrawn; critical findings need an approval by a second actor besides. Nothing is ever
 * deleted or prolonged, so that what held at any moment can be told.
 */
import { pgTable, text, timestamp } from 'drizzle-orm/pg-core'

export const suppressions = pgTable('suppressions', {
  id: text().primaryKey(),
  orgId: text('org_id').notNull(),
  code: text().notNull(),
  /** With neither this nor a fingerprint it holds for every finding of the code. */
  scenarioId: text('scenario_id'),
  fingerprint: text(),
  reason: text().notNull(),
  createdBy: text('created_by').notNull(),
  createdAt: timestamp('created_at', { withTimezone: true }).notNull(),
  expiresAt: timestamp('expires_at', { withTimezone: true }).notNull(),
  approvedBy: text('approved_by'),
  approvedAt: timestamp('approved_at', { withTimezone: true }),
  withdrawnBy: text('withdrawn_by'),
  withdrawnAt: timestamp('withdrawn_at', { withTimezone: true })
})
