/** Processes that were heard of lately, each with the state of the kill switch that it holds. Written once a second by each; forgotten after an hour of silence. */
import { jsonb, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core'

export const instances = pgTable('instances', {
  id: text().notNull(),
  /** New with each process. */
  boot: text().notNull(),
  report: jsonb().$type<object>().notNull(),
  seenAt: timestamp('seen_at', { withTimezone: true }).notNull()
}, (table) => [primaryKey({ columns: [table.id, table.boot] })])
