/** What the newest result of each scenario said, now and at earlier moments: what a rollup is made of. */
import { sql } from 'drizzle-orm'
import type { Standing, StoredStanding } from '../../evaluation/rollup.ts'
import type { Db } from '../client.ts'
import { rowsOf } from '../rows.ts'

export interface StandingsPage {
  /** Moments to look back to, besides now. */
  moments: readonly Date[]
  afterId: string | null
  limit: number
}

export interface ScenarioStanding extends Standing {
  catalogueVersion: string
  /** Indices into `moments` at which this result was the newest; `moments.length` stands for now. */
  heldAt: number[]
}

/** A scenario with the results that were its newest at some of the moments; none when it was never judged. */
export interface ScenarioHistory { scenarioId: string, results: ScenarioStanding[] }

/**
 * One page of scenarios by id. Each moment is one look-up in the index of results by scenario and time, and a result that was the newest
 * at several moments is read once. Results that were written before standings were kept are reduced here.
 */
export async function readStandings (db: Db, orgId: string, { moments, afterId, limit }: StandingsPage): Promise<ScenarioHistory[]> {
  const points = [...moments.map((at) => sql`${at.toISOString()}::timestamptz`), sql`'infinity'::timestamptz`]
  const result = await db.execute(sql`
    with page as (
      select id, modules, graph -> 'settings' ->> 'active' as active from scenarios
      where org_id = ${orgId} and id > ${afterId ?? ''} order by id limit ${limit}
    ), held as (
      select page.id as scenario_id, newest.evaluation_id, newest.position, array_agg((moment.n - 1)::integer order by moment.n) as held_at
      from page
      cross join unnest(array[${sql.join(points, sql`, `)}]) with ordinality as moment (at, n)
      cross join lateral (
        select item.evaluation_id, item.position from evaluation_items item
        where item.org_id = ${orgId} and item.scenario_id = page.id and item.result is not null and item.finished_at <= moment.at
        order by item.finished_at desc limit 1
      ) newest
      group by page.id, newest.evaluation_id, newest.position
    )
    select page.id, page.modules, page.active, held.held_at, coalesce(item.standing, jsonb_build_object(
      'catalogueVersion', item.result -> 'catalogueVersion', 'evaluatedCodes', item.result -> 'evaluatedCodes',
      'findings', (select coalesce(jsonb_agg(jsonb_build_array(violation -> 'code', violation -> 'severity', violation -> 'fingerprint') order by n), '[]')
        from jsonb_array_elements(item.result -> 'violations') with ordinality as found (violation, n)))) as standing
    from page
    left join held on held.scenario_id = page.id
    left join evaluation_items item on item.evaluation_id = held.evaluation_id and item.position = held.position and item.org_id = ${orgId}
    order by page.id`)
  return byScenario(rowsOf(result))
}

function byScenario (rows: ReadonlyArray<Record<string, unknown>>): ScenarioHistory[] {
  const histories: ScenarioHistory[] = []
  for (const row of rows) {
    const scenarioId = String(row['id'])
    let history = histories.at(-1)
    if (history?.scenarioId !== scenarioId) histories.push(history = { scenarioId, results: [] })
    if (row['held_at'] !== null) history.results.push(standingOf(scenarioId, row))
  }
  return histories
}

function standingOf (scenarioId: string, row: Record<string, unknown>): ScenarioStanding {
  // Written by this service only, with the type that it is read with.
  const stored = row['standing'] as StoredStanding
  return {
    scenarioId,
    modules: Number(row['modules']),
    isActive: row['active'] === null ? null : row['active'] === 'true',
    findings: stored.findings.map(([code, severity, fingerprint]) => ({ code, severity, fingerprint })),
    evaluatedCodes: stored.evaluatedCodes,
    catalogueVersion: stored.catalogueVersion,
    heldAt: Array.isArray(row['held_at']) ? row['held_at'].map(Number) : []
  }
}
