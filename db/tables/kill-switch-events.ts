/**
 * Every change of the kill switch, and every drill; for operators only, so partners' role has no right to it. The newest `on` or `off` of a
 * target is its state: there is no other record of it. Written once, never changed or deleted, by grant and by trigger.
 */
import { bigint, boolean, jsonb, pgTable, text, timestamp } from 'drizzle-orm/pg-core'

export const killSwitchEvents = pgTable('kill_switch_events', {
  id: text().primaryKey(),
  /** `all`, `org:<organization>` or `key:<key>`. */
  target: text().notNull(),
  /** Orders the events of a target: above every version known when the event was made, and not below the store's clock in milliseconds. */
  version: bigint({ mode: 'number' }).notNull(),
  kind: text({ enum: ['on', 'off', 'drill'] }).notNull(),
  writesOnly: boolean('writes_only').notNull(),
  reason: text().notNull(),
  actor: text().notNull(),
  at: timestamp({ withTimezone: true }).notNull(),
  /** When the switch lifts itself; null when it does not. */
  until: timestamp({ withTimezone: true }),
  /** What a drill measured. */
  detail: jsonb().$type<object>(),
  /** Later than `at` when this database was away at the time. */
  recordedAt: timestamp('recorded_at', { withTimezone: true }).notNull().defaultNow()
})
