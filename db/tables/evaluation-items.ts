/** One scenario of an evaluation: open, then a result or an error. An ephemeral blueprint's graph lives here until it is judged. */
import { integer, jsonb, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core'
import type { FactGraph, ScenarioResult } from '../../evaluation/graph/types.ts'
import type { StoredStanding } from '../../evaluation/rollup.ts'

export const evaluationItems = pgTable('evaluation_items', {
  evaluationId: text('evaluation_id').notNull(),
  orgId: text('org_id').notNull(),
  position: integer().notNull(),
  scenarioId: text('scenario_id').notNull(),
  name: text().notNull(),
  graph: jsonb().$type<FactGraph>(),
  result: jsonb().$type<ScenarioResult>(),
  /** What a rollup needs of the result, written with it. */
  standing: jsonb().$type<StoredStanding>(),
  error: text(),
  finishedAt: timestamp('finished_at', { withTimezone: true })
}, (table) => [primaryKey({ columns: [table.evaluationId, table.position] })])
