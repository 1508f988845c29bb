/** One answered request. Append-only by trigger and by grant; partitioned by month. Written before the answer's bytes leave. */
import { boolean, inet, integer, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core'

export const auditRows = pgTable('audit_rows', {
  watermark: text().notNull(),
  at: timestamp({ withTimezone: true }).notNull(),
  orgId: text('org_id'),
  keyId: text('key_id'),
  keyPrefix: text('key_prefix'),
  method: text().notNull(),
  route: text().notNull(),
  pathHash: text('path_hash').notNull(),
  status: integer().notNull(),
  code: text(),
  reason: text(),
  ip: inet().notNull(),
  userAgent: text('user_agent'),
  instance: text().notNull(),
  degraded: boolean().notNull(),
  jti: text(),
  /** Who asked, where it was no key: `session:<sub>`. */
  actor: text()
}, (table) => [primaryKey({ columns: [table.watermark, table.at] })])
