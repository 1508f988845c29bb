/** The second wall of a result token's single use: one row a token, for ever. Deleted only when its answer could not be sent. */
import { pgTable, text, timestamp } from 'drizzle-orm/pg-core'

export const redemptions = pgTable('redemptions', {
  jti: text().primaryKey(),
  orgId: text('org_id').notNull(),
  evaluationId: text('evaluation_id').notNull(),
  watermark: text().notNull(),
  at: timestamp({ withTimezone: true }).notNull().defaultNow()
})
