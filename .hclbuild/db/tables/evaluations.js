/**
 * An evaluation, and at the same time its own queue entry. pending → processing (claimed: a lease and the next attempt) →
 * complete, or error when the attempts are spent. A lapsed lease makes it claimable again; only the holder of the lease writes.
 */
import { integer, pgTable, text, timestamp } from 'drizzle-orm/pg-core';
export const evaluations = pgTable('evaluations', {
    id: text().primaryKey(),
    orgId: text('org_id').notNull(),
    keyId: text('key_id').notNull(),
    state: text({ enum: ['pending', 'processing', 'complete', 'error'] }).notNull().default('pending'),
    total: integer().notNull(),
    idempotencyKey: text('idempotency_key'),
    requestDigest: text('request_digest'),
    attempt: integer().notNull().default(0),
    leaseWorker: text('lease_worker'),
    leaseUntil: timestamp('lease_until', { withTimezone: true }),
    error: text(),
    createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow(),
    completedAt: timestamp('completed_at', { withTimezone: true })
});
//# sourceMappingURL=evaluations.js.map