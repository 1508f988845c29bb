/**
 * One event for one subscription, and at the same time its own queue entry: written in the transaction that makes the event true.
 * pending → delivering (a lease) → delivered; or pending again with a later `next_attempt_at`; or failed when its attempts are
 * spent; pending → cancelled when its subscription is deleted. The payload is not kept: it is made from the evaluation each time,
 * and with the delivery's own watermark it is the same bytes on every attempt.
 */
import { integer, jsonb, pgTable, text, timestamp } from 'drizzle-orm/pg-core'

/** One attempt, as its owner sees it. */
export interface DeliveryAttempt { at: string, status: number | null, error: string | null, duration_ms: number }

export const webhookDeliveries = pgTable('webhook_deliveries', {
  id: text().primaryKey(),
  orgId: text('org_id').notNull(),
  subscriptionId: text('subscription_id').notNull(),
  /** The `webhook-id`: the same for every attempt and resend. */
  messageId: text('message_id').notNull(),
  event: text().notNull(),
  evaluationId: text('evaluation_id'),
  /** What an event without an evaluation is about. */
  subject: jsonb().$type<Record<string, string>>(),
  watermark: text().notNull().unique(),
  replayOf: text('replay_of'),
  state: text({ enum: ['pending', 'delivering', 'delivered', 'failed', 'cancelled'] }).notNull().default('pending'),
  attempts: jsonb().$type<DeliveryAttempt[]>().notNull().default([]),
  attemptsMax: integer('attempts_max').notNull(),
  /** Leases taken, including those whose holder died: what makes a worker die is given up in the end. */
  claims: integer().notNull().default(0),
  nextAttemptAt: timestamp('next_attempt_at', { withTimezone: true }).notNull().defaultNow(),
  lease: text(),
  leaseUntil: timestamp('lease_until', { withTimezone: true }),
  createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow(),
  finishedAt: timestamp('finished_at', { withTimezone: true })
})
