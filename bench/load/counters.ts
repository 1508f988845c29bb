/** What a slot of load cost, counted where it is spent: processor time from /proc, commands from Redis, commits from PostgreSQL. */
import { readdirSync, readFileSync } from 'node:fs'
import type { Redis } from 'ioredis'
import type { Sql } from 'postgres'

/** Linux counts processor time in ticks of 10 ms (USER_HZ, proc(5)). */
const TICK_MICROS = 10_000

export interface Counters {
  /** Processor time, microseconds, user and system. */
  serverMicros: number
  redisMicros: number
  postgresMicros: number
  /** Calls by command, as clients sent them and as scripts made them. */
  commands: Record<string, number>
  commits: number
  auditRows: number
}

export interface Stores { redis: Redis, redisPid: number, sql: Sql, postmasterPid: number }

/** Everything at this moment. Two of them tell what happened in between. */
export async function readCounters (serverPid: number, stores: Stores): Promise<Counters> {
  const [stats, commits] = await Promise.all([stores.redis.info('commandstats'), commitsOf(stores.sql)])
  return {
    serverMicros: familyMicros(serverPid),
    redisMicros: familyMicros(stores.redisPid),
    postgresMicros: familyMicros(stores.postmasterPid),
    commands: Object.fromEntries([...stats.matchAll(/^cmdstat_([\w|]+):calls=(\d+)/gm)].map(([, name = '', calls]) => [name, Number(calls)])),
    ...commits
  }
}

async function commitsOf (sql: Sql): Promise<{ commits: number, auditRows: number }> {
  const [row] = await sql<Array<{ commits: number, rows: number }>>`select
    (select xact_commit::float8 from pg_stat_database where datname = current_database()) as commits,
    (select coalesce(sum(n_tup_ins), 0)::float8 from pg_stat_user_tables where relname like 'audit_rows%') as rows`
  return { commits: row?.commits ?? 0, auditRows: row?.rows ?? 0 }
}

/** A process and everything below it; what has ended is not counted. */
function familyMicros (pid: number): number {
  const stats = new Map<number, { parent: number, ticks: number }>()
  for (const name of readdirSync('/proc')) if (/^\d+$/.test(name)) readStat(Number(name), stats)
  let ticks = 0
  for (const [candidate, stat] of stats) if (isBelow(candidate, pid, stats)) ticks += stat.ticks
  return ticks * TICK_MICROS
}

function readStat (pid: number, into: Map<number, { parent: number, ticks: number }>): void {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name in parentheses may hold anything; the fields after it are numbers, the state first.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    into.set(pid, { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) })
  } catch {
    // It ended while the list was read.
  }
}

function isBelow (pid: number, ancestor: number, stats: ReadonlyMap<number, { parent: number }>): boolean {
  for (let at: number | undefined = pid; at !== undefined && at > 1; at = stats.get(at)?.parent) if (at === ancestor) return true
  return false
}
