/** Evaluations of one organization: submitting, following, redeeming. */
import { and, eq, lt, sql } from 'drizzle-orm'
import type { ScenarioResult } from '../../evaluation/graph/types.ts'
import type { Db } from '../client.ts'
import { evaluationItems, evaluations, redemptions } from '../schema.ts'

export const EVALUATION_CHANNEL = 'evaluation_ready'
const IDEMPOTENCY_HOURS = 24

export interface NewItem {
  position: number
  scenarioId: string
  name: string
  /** JSON text of an ephemeral blueprint's graph; null when the scenario is stored. */
  graph: string | null
}

export interface NewEvaluation { id: string, keyId: string, items: readonly NewItem[], idempotencyKey: string | null, requestDigest: string | null }

export interface EvaluationRow {
  id: string
  state: 'pending' | 'processing' | 'complete' | 'error'
  total: number
  completed: number
  error: string | null
  createdAt: Date
  completedAt: Date | null
}

export interface ItemRow { position: number, scenarioId: string, name: string, result: ScenarioResult | null, error: string | null, finishedAt: Date | null }

/** Inside the caller's transaction: the evaluation, its items and the wake-up commit together, or nothing does. */
export async function createEvaluation (db: Db, orgId: string, evaluation: NewEvaluation): Promise<'created' | { existing: string, requestDigest: string | null }> {
  const { items, ...row } = evaluation
  if (row.idempotencyKey !== null) await freeLapsedKey(db, orgId, row.idempotencyKey)
  const [created] = await db.insert(evaluations).values({ ...row, orgId, total: items.length }).onConflictDoNothing().returning({ id: evaluations.id })
  if (created === undefined) return await existing(db, orgId, evaluation.idempotencyKey)
  await db.insert(evaluationItems).values(items.map(({ graph, ...item }) => ({ ...item, orgId, evaluationId: evaluation.id, graph: graph === null ? null : sql`${graph}::jsonb` })))
  await db.execute(sql`select pg_notify(${EVALUATION_CHANNEL}, '')`)
  return 'created'
}

/** An idempotency key speaks for 24 hours; after that the same text may name another request. */
async function freeLapsedKey (db: Db, orgId: string, idempotencyKey: string): Promise<void> {
  await db.update(evaluations).set({ idempotencyKey: null })
    .where(and(eq(evaluations.orgId, orgId), eq(evaluations.idempotencyKey, idempotencyKey), lt(evaluations.createdAt, sql`now() - ${IDEMPOTENCY_HOURS} * interval '1 hour'`)))
}

async function existing (db: Db, orgId: string, idempotencyKey: string | null): Promise<{ existing: string, requestDigest: string | null }> {
  if (idempotencyKey === null) throw new Error('an evaluation id was minted twice')
  const [row] = await db.select({ existing: evaluations.id, requestDigest: evaluations.requestDigest }).from(evaluations)
    .where(and(eq(evaluations.orgId, orgId), eq(evaluations.idempotencyKey, idempotencyKey)))
  if (row === undefined) throw new Error('the evaluation of an idempotency key is not visible')
  return row
}

export async function findEvaluation (db: Db, orgId: string, id: string): Promise<EvaluationRow | null> {
  const [row] = await db.select({
    id: evaluations.id,
    state: evaluations.state,
    total: evaluations.total,
    completed: sql<number>`(select count(*) from evaluation_items item where item.evaluation_id = ${evaluations.id} and item.finished_at is not null)`.mapWith(Number),
    error: evaluations.error,
    createdAt: evaluations.createdAt,
    completedAt: evaluations.completedAt
  }).from(evaluations).where(and(eq(evaluations.orgId, orgId), eq(evaluations.id, id)))
  return row ?? null
}

export async function findItems (db: Db, orgId: string, evaluationId: string): Promise<ItemRow[]> {
  return await db.select({
    position: evaluationItems.position,
    scenarioId: evaluationItems.scenarioId,
    name: evaluationItems.name,
    result: evaluationItems.result,
    error: evaluationItems.error,
    finishedAt: evaluationItems.finishedAt
  }).from(evaluationItems).where(and(eq(evaluationItems.orgId, orgId), eq(evaluationItems.evaluationId, evaluationId))).orderBy(evaluationItems.position)
}

/** False when the token was redeemed before, whatever the windows' store remembers. */
export async function insertRedemption (db: Db, orgId: string, redemption: { jti: string, evaluationId: string, watermark: string }): Promise<boolean> {
  const rows = await db.insert(redemptions).values({ ...redemption, orgId }).onConflictDoNothing().returning({ jti: redemptions.jti })
  return rows.length === 1
}

/** Gives a use back whose answer could not be sent; only the same response may. */
export async function deleteRedemption (db: Db, orgId: string, redemption: { jti: string, watermark: string }): Promise<boolean> {
  const rows = await db.delete(redemptions)
    .where(and(eq(redemptions.orgId, orgId), eq(redemptions.jti, redemption.jti), eq(redemptions.watermark, redemption.watermark)))
    .returning({ jti: redemptions.jti })
  return rows.length === 1
}
