/** The kill switch in the database: its history, which is also its state, and the instances that were heard of. Crosses organizations. */
import { and, desc, eq, sql } from 'drizzle-orm'
import type { KillEvent } from '../../plugins/lib/kill-state.ts'
import { instanceKey, parseInstanceReport, type InstanceReport, type InstanceSeen, type KillStore } from '../../plugins/support/kill-store.ts'
import type { Database, Db } from '../client.ts'
import { instances, killSwitchEvents } from '../schema.ts'

const REMEMBERED = sql`interval '1 hour'`

/** The store that holds the history. Rejects when the database is away. */
export function databaseKillStore ({ db, kind, ping }: Pick<Database, 'db' | 'kind' | 'ping'>): KillStore {
  return {
    name: kind === 'postgres' ? 'PostgreSQL' : 'the embedded database',
    async read () {
      const rows = await db.selectDistinctOn([killSwitchEvents.target]).from(killSwitchEvents).where(sql`${killSwitchEvents.kind} <> 'drill'`)
        .orderBy(killSwitchEvents.target, desc(killSwitchEvents.version), desc(sql`${killSwitchEvents.kind} = 'on'`), killSwitchEvents.writesOnly, desc(killSwitchEvents.id))
      return { nowMs: Math.floor(await ping()), isComplete: true, events: rows.map(eventOf), deferred: [] }
    },
    adopt: (events) => insertEvents(db, events),
    async beat (report) {
      await db.insert(instances).values({ id: report.id, boot: report.boot, report, seenAt: sql`now()` })
        .onConflictDoUpdate({ target: [instances.id, instances.boot], set: { report, seenAt: sql`now()` } })
      // One beat in sixty tidies, so that no instance has to be chosen for it.
      if (Math.random() < 1 / 60) await db.delete(instances).where(sql`${instances.seenAt} < now() - ${REMEMBERED}`)
    },
    async leave ({ id, boot }) {
      await db.delete(instances).where(and(eq(instances.id, id), eq(instances.boot, boot)))
    },
    async instances () {
      const rows = await db.select({ report: instances.report, silentMs: sql<number>`extract(epoch from clock_timestamp() - ${instances.seenAt}) * 1000`.mapWith(Number) }).from(instances)
      return rows.map(({ report, silentMs }): InstanceSeen => ({ ...parseInstanceReport(report), silentMs: Math.max(0, Math.round(silentMs)) }))
    }
  }
}

/** The embedded database has one process, which need not write down that it is alive: who was heard of is kept in memory. */
export function embeddedKillStore (database: Pick<Database, 'db' | 'kind' | 'ping'>): KillStore {
  const heard = new Map<string, { report: InstanceReport, seenMs: number }>()
  return {
    ...databaseKillStore(database),
    async beat (report) {
      heard.set(instanceKey(report), { report, seenMs: performance.now() })
    },
    async leave (report) {
      heard.delete(instanceKey(report))
    },
    async instances () {
      return [...heard.values()].map(({ report, seenMs }) => ({ ...report, silentMs: Math.round(performance.now() - seenMs) }))
    }
  }
}

/** The latest events, drills included, newest first. */
export async function listKillEvents (db: Db, limit: number): Promise<KillEvent[]> {
  const rows = await db.select().from(killSwitchEvents).orderBy(desc(killSwitchEvents.version), desc(killSwitchEvents.id)).limit(limit)
  return rows.map(eventOf)
}

async function insertEvents (db: Db, events: readonly KillEvent[]): Promise<void> {
  if (events.length === 0) return
  await db.insert(killSwitchEvents).values(events.map(({ atMs, untilMs, ...event }) => ({
    ...event, at: new Date(atMs), until: untilMs === null ? null : new Date(untilMs)
  }))).onConflictDoNothing()
}

function eventOf ({ at, until, recordedAt: _recordedAt, ...row }: typeof killSwitchEvents.$inferSelect): KillEvent {
  return { ...row, atMs: at.getTime(), untilMs: until?.getTime() ?? null }
}
