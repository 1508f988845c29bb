/** Imported scenarios and what was last found in them. */
import { and, desc, eq, inArray, isNotNull, lt, sql } from 'drizzle-orm'
import type { Platform, ScenarioResult } from '../../evaluation/graph/types.ts'
import type { StoredGraph } from '../../evaluation/stored-graph.ts'
import type { Db } from '../client.ts'
import { evaluationItems, evaluations, scenarios } from '../schema.ts'
import { saveConnections } from './connections.ts'

export interface NewScenario { id: string, name: string, stored: StoredGraph, sourceDigest: string }
export interface ScenarioRow { id: string, name: string, platform: Platform, modules: number, createdAt: Date }
export interface LatestResult {
  evaluationId: string
  evaluationStatus: 'pending' | 'processing' | 'complete' | 'error'
  evaluatedAt: Date
  name: string
  result: ScenarioResult
}

const LISTED = { id: scenarios.id, name: scenarios.name, platform: scenarios.platform, modules: scenarios.modules, createdAt: scenarios.createdAt }

export async function saveScenario (db: Db, orgId: string, scenario: NewScenario): Promise<void> {
  const { id, name, sourceDigest, stored: { platform, modules, text } } = scenario
  await db.insert(scenarios).values({ id, orgId, name, platform, modules, sourceDigest, graph: sql`${text}::jsonb` })
  await saveConnections(db, orgId, scenario)
}

export async function findScenarios (db: Db, orgId: string, ids: readonly string[]): Promise<ScenarioRow[]> {
  if (ids.length === 0) return []
  return await db.select(LISTED).from(scenarios).where(and(eq(scenarios.orgId, orgId), inArray(scenarios.id, [...ids])))
}

/** Newest first; ids are time-ordered, so the id is the cursor. */
export async function listScenarios (db: Db, orgId: string, page: { limit: number, afterId: string | null }): Promise<ScenarioRow[]> {
  const after = page.afterId === null ? undefined : lt(scenarios.id, page.afterId)
  return await db.select(LISTED).from(scenarios).where(and(eq(scenarios.orgId, orgId), after)).orderBy(desc(scenarios.id)).limit(page.limit)
}

/** The newest finished judgement of a scenario, or null when it has none. */
export async function latestResult (db: Db, orgId: string, scenarioId: string): Promise<LatestResult | null> {
  const [row] = await db.select({
    evaluationId: evaluationItems.evaluationId,
    evaluationStatus: evaluations.state,
    evaluatedAt: sql<Date>`${evaluationItems.finishedAt}`.mapWith(evaluationItems.finishedAt),
    name: evaluationItems.name,
    result: evaluationItems.result
  }).from(evaluationItems).innerJoin(evaluations, eq(evaluations.id, evaluationItems.evaluationId))
    .where(and(eq(evaluationItems.orgId, orgId), eq(evaluationItems.scenarioId, scenarioId), isNotNull(evaluationItems.result)))
    .orderBy(desc(evaluationItems.finishedAt)).limit(1)
  return row === undefined || row.result === null ? null : { ...row, result: row.result }
}
