/** What a stored scenario does with one connection. Written with the scenario and as immutable as it; connections are known by id only. */
import { boolean, pgTable, primaryKey, text } from 'drizzle-orm/pg-core'

export const scenarioConnections = pgTable('scenario_connections', {
  orgId: text('org_id').notNull(),
  scenarioId: text('scenario_id').notNull(),
  /** Scenarios of one name are imports of one scenario. */
  scenarioName: text('scenario_name').notNull(),
  platform: text({ enum: ['make', 'n8n'] }).notNull(),
  /** By evaluation/organization.ts, `connectionKey`. */
  connection: text().notNull(),
  writes: boolean().notNull(),
  /** Used for money or identities. */
  consequential: boolean().notNull()
}, (table) => [primaryKey({ columns: [table.scenarioId, table.connection] })])
