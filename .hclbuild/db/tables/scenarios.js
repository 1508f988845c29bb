/** An imported scenario: its fact graph, never the strings of its blueprint. Immutable; a new import is a new row. */
import { integer, jsonb, pgTable, text, timestamp } from 'drizzle-orm/pg-core';
export const scenarios = pgTable('scenarios', {
    id: text().primaryKey(),
    orgId: text('org_id').notNull(),
    name: text().notNull(),
    platform: text({ enum: ['make', 'n8n'] }).notNull(),
    modules: integer().notNull(),
    graph: jsonb().$type().notNull(),
    sourceDigest: text('source_digest').notNull(),
    createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow()
});
//# sourceMappingURL=scenarios.js.map