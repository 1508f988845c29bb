/** What an organization's scenarios do with its connections, and the options that it judges them by. */
import { and, eq, inArray, sql } from 'drizzle-orm'
import type { Platform } from '../../evaluation/graph/types.ts'
import { OPTIONS_DEFAULT, parseOptions, type ConnectionReach, type GovernanceOptions, type Organization } from '../../evaluation/organization.ts'
import type { GraphConnections } from '../../evaluation/evaluate-thread.ts'
import type { StoredGraph } from '../../evaluation/stored-graph.ts'
import type { Db } from '../client.ts'
import { organizations, scenarioConnections } from '../schema.ts'

/** Rows of one insert; a row binds seven values, and a statement may bind 65 535. */
const ROWS_MAX = 1000

export interface SavedScenario { id: string, name: string, stored: StoredGraph }
export interface WideConnection { connection: string, platform: Platform, scenarios: number }

/** Call it in the transaction that saves the scenario. */
export async function saveConnections (db: Db, orgId: string, { id, name, stored: { platform, connections } }: SavedScenario): Promise<void> {
  const rows = connections.map((use) => ({ orgId, scenarioId: id, scenarioName: name, platform, ...use }))
  for (let from = 0; from < rows.length; from += ROWS_MAX) await db.insert(scenarioConnections).values(rows.slice(from, from + ROWS_MAX))
}

/** What the judgement of a graph with these connections may know of its organization. */
export async function organizationFor (db: Db, orgId: string, { platform, connections: keys }: GraphConnections): Promise<Organization> {
  const reach: Record<string, ConnectionReach> = {}
  for (let from = 0; from < keys.length; from += ROWS_MAX) {
    const rows = await db.select({
      connection: scenarioConnections.connection,
      scenarios: sql<number>`count(distinct ${scenarioConnections.scenarioName})::int`,
      writes: sql<boolean>`bool_or(${scenarioConnections.writes})`,
      consequential: sql<boolean>`bool_or(${scenarioConnections.consequential})`
    }).from(scenarioConnections)
      .where(and(eq(scenarioConnections.orgId, orgId), eq(scenarioConnections.platform, platform), inArray(scenarioConnections.connection, keys.slice(from, from + ROWS_MAX))))
      .groupBy(scenarioConnections.connection)
    for (const { connection, ...use } of rows) reach[connection] = use
  }
  return { reach, options: await readOptions(db, orgId) }
}

/** The connections that most scenarios of the organization use: those of at least two, widest first. */
export async function widestConnections (db: Db, orgId: string, limit: number): Promise<WideConnection[]> {
  const scenarios = sql<number>`count(distinct ${scenarioConnections.scenarioName})::int`
  return await db.select({ connection: scenarioConnections.connection, platform: scenarioConnections.platform, scenarios })
    .from(scenarioConnections).where(eq(scenarioConnections.orgId, orgId))
    .groupBy(scenarioConnections.platform, scenarioConnections.connection)
    .having(sql`count(distinct ${scenarioConnections.scenarioName}) > 1`)
    .orderBy(sql`3 desc`, scenarioConnections.platform, scenarioConnections.connection).limit(limit)
}

/** The organization's own options over the defaults. Throws when what is stored is not understood: a judgement must not guess. */
export async function readOptions (db: Db, orgId: string): Promise<GovernanceOptions> {
  const [row] = await db.select({ options: organizations.governanceOptions }).from(organizations).where(eq(organizations.id, orgId))
  if (row === undefined || row.options === null) return OPTIONS_DEFAULT
  const parsed = parseOptions(row.options)
  if (!parsed.ok) throw new Error(`the governance options of an organization are damaged: ${parsed.reason}`)
  return parsed.options
}

/** As the owner or the system role. False: there is no such organization. */
export async function writeOptions (db: Db, orgId: string, options: GovernanceOptions): Promise<boolean> {
  const rows = await db.update(organizations).set({ governanceOptions: options }).where(eq(organizations.id, orgId)).returning({ id: organizations.id })
  return rows.length === 1
}
