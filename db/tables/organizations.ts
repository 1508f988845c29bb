/** An organization. Made by an operator, never deleted: keys and audit rows point to it. */
import { jsonb, pgTable, text, timestamp } from 'drizzle-orm/pg-core'

export const organizations = pgTable('organizations', {
  id: text().primaryKey(),
  name: text().notNull(),
  /** By evaluation/organization.ts; null: the defaults. */
  governanceOptions: jsonb('governance_options').$type<object>(),
  createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow()
})
