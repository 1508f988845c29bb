/**
 * `GET /governance/summary`: the rollup of the caller's organization, made from the newest result of each scenario under the current
 * catalogue, and the same at the last twelve Mondays with the suppressions of then. Read in pages; only sums are held.
 */
import type { FastifyInstance } from 'fastify'
import { widestConnections } from '../../db/queries/connections.ts'
import { readStandings, type ScenarioStanding } from '../../db/queries/standings.ts'
import { suppressionsSince, thoseInForce, type SuppressionRow } from '../../db/queries/suppressions.ts'
import type { Db } from '../../db/client.ts'
import { createRollup, openStanding, type OpenStanding, type Rollup, type RollupBuilder } from '../../evaluation/rollup.ts'
import { CATALOGUE_VERSION } from '../../evaluation/rules/index.ts'
import { suppressorOf, type Suppressor } from '../../evaluation/suppressions.ts'
import { getPrincipal } from '../../plugins/context.ts'
import { success } from '../../schemas/envelope.ts'
import { GovernanceSummary } from '../../schemas/governance.ts'
import { fromStore, isUnchanged, notModified, type RouteDeps } from './deps.ts'

const WEEK_MS = 604_800_000
/** The first Monday after the epoch, 00:00 UTC. */
const MONDAY_MS = 345_600_000
const TREND_WEEKS = 12
const PAGE = 200
const WIDEST_MAX = 10

interface Rolled { now: Rollup, past: Rollup[], scenarios: number, outdated: number }

export default async function summary (app: FastifyInstance, deps: RouteDeps): Promise<void> {
  app.get('/governance/summary', {
    config: { access: 'key', scope: 'governance:read' },
    schema: { response: { 200: success(GovernanceSummary) } }
  }, async (request, reply) => {
    const { orgId } = getPrincipal(request)
    const nowMs = deps.now()
    const mondays = lastMondays(nowMs)
    const [rolled, widest] = await fromStore(() => deps.database.asOrganization(orgId, async (tx) => [await rollUp(tx, orgId, mondays, new Date(nowMs)), await widestConnections(tx, orgId, WIDEST_MAX)] as const))
    const data = { ...onWire(rolled, mondays), widest_connections: widest }
    return isUnchanged(request, reply, data) ? notModified(reply) : { ok: true, data }
  })
}

/** Oldest first; the last is this week's. */
export function lastMondays (nowMs: number): Date[] {
  const newest = Math.floor((nowMs - MONDAY_MS) / WEEK_MS) * WEEK_MS + MONDAY_MS
  return Array.from({ length: TREND_WEEKS }, (_, index) => new Date(newest - (TREND_WEEKS - 1 - index) * WEEK_MS))
}

async function rollUp (tx: Db, orgId: string, mondays: readonly Date[], now: Date): Promise<Rolled> {
  const suppressors = suppressorsAt([...mondays, now], await suppressionsSince(tx, orgId, mondays[0] ?? now))
  const builders = suppressors.map(() => createRollup())
  let scenarios = 0
  let outdated = 0
  let afterId: string | null = null
  for (;;) {
    const page = await readStandings(tx, orgId, { moments: mondays, afterId, limit: PAGE })
    for (const result of page.flatMap(({ results }) => results)) {
      if (result.catalogueVersion === CATALOGUE_VERSION) addAll(result, suppressors, builders)
      else if (result.heldAt.includes(mondays.length)) outdated++
    }
    scenarios += page.length
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) break
    afterId = last.scenarioId
  }
  const past = builders.map((builder) => builder.finish())
  const latest = past.pop()
  if (latest === undefined) throw new Error('a rollup without the present')
  return { now: latest, past, scenarios, outdated }
}

/** One suppressor for each moment; moments at which the same held share one. */
function suppressorsAt (moments: readonly Date[], rows: readonly SuppressionRow[]): Suppressor[] {
  const shared = new Map<string, Suppressor>()
  return moments.map((at) => {
    const held = thoseInForce(rows, at)
    const key = JSON.stringify(held.map(({ id, isApproved }) => [id, isApproved]))
    const suppressor = shared.get(key) ?? suppressorOf(held)
    shared.set(key, suppressor)
    return suppressor
  })
}

function addAll (result: ScenarioStanding, suppressors: readonly Suppressor[], builders: readonly RollupBuilder[]): void {
  const made = new Map<Suppressor, OpenStanding>()
  for (const moment of result.heldAt) {
    const suppressor = suppressors[moment]
    if (suppressor === undefined) continue
    const standing = made.get(suppressor) ?? openStanding(result, suppressor)
    made.set(suppressor, standing)
    builders[moment]?.add(standing)
  }
}

function onWire ({ now, past, scenarios, outdated }: Rolled, mondays: readonly Date[]): object {
  const trend = past.flatMap(({ score, scenarios_evaluated: evaluated, open_violations: open }, index) =>
    score === null ? [] : [{ at: mondays[index]?.toISOString() ?? '', score, scenarios_evaluated: evaluated, open_violations: open }])
  const before = trend.at(-1)
  return {
    catalogue_version: CATALOGUE_VERSION,
    ...now,
    score_change: now.score === null || before === undefined ? null : now.score - before.score,
    scenarios,
    scenarios_outdated: outdated,
    trend
  }
}
