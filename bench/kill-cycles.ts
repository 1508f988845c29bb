/**
 * Kills under load, again and again, and counts what is left of what clients were told. The service is killed with SIGKILL; PostgreSQL in
 * turn with SIGKILL to all of it and by an immediate stop. Requests that were cut off count for nothing: what became of them is unknown.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { openDatabase, type Database } from '../db/client.ts'
import { instanceOf, type Instance } from '../test/helper/instance.ts'
import { allJudged, countKept, startLoad, type Seen } from '../test/helper/load.ts'
import type { PrivatePostgres } from '../test/helper/private-postgres.ts'
import { freePort } from '../test/helper/private-redis.ts'
import { newCaller, start, type Caller, type Stores } from '../test/helper/service.ts'

const SERVER = fileURLToPath(new URL('../bin/server.js', import.meta.url))
const LOAD_MS = 400
const UNLIMITED = { rpm: 100_000, rph: 100_000 }
/** What was under way when a process was killed waits for its lease of thirty seconds. */
const JUDGED_MS_MAX = 90_000

export interface KillOutcome {
  readonly kills: number
  readonly answers: number
  readonly cut: number
  readonly marks: number
  readonly rows: number
  readonly accepted: number
  readonly stored: number
  readonly complete: number
  /** Answers other than 200 and 503. */
  readonly others: string[]
  /** For each kill, milliseconds from the return of what was killed to the first accepted evaluation. */
  readonly recoveriesMs: number[]
}

type Told = (done: number) => void

/** Kills the service so many times, over stores that stay. */
export async function killService (stores: Stores, cycles: number, told: Told = () => {}): Promise<KillOutcome> {
  return await underLoad(stores, async ({ instance, load, answered }) => {
    const recoveriesMs: number[] = []
    for (let cycle = 0; cycle < cycles; cycle++) {
      await wait(LOAD_MS * (0.5 + Math.random()))
      await instance.kill9()
      await instance.start({ INSTANCE_ID: `life-${cycle}` })
      recoveriesMs.push(await answered(load.seen))
      told(cycle + 1)
    }
    return recoveriesMs
  })
}

/** Kills PostgreSQL so many times, under one service that stays. */
export async function killPostgres (stores: Stores, server: PrivatePostgres, cycles: number, told: Told = () => {}): Promise<KillOutcome> {
  return await underLoad(stores, async ({ load, answered }) => {
    const recoveriesMs: number[] = []
    for (let cycle = 0; cycle < cycles; cycle++) {
      await wait(LOAD_MS * (0.5 + Math.random()))
      if (cycle % 2 === 0) await server.kill9()
      else await server.stop('immediate')
      await wait(LOAD_MS * Math.random())
      await server.start()
      recoveriesMs.push(await answered(load.seen))
      told(cycle + 1)
    }
    return recoveriesMs
  })
}

interface Underway { instance: Instance, load: { seen: Seen }, answered: (seen: Seen) => Promise<number> }

async function underLoad (stores: Stores, work: (underway: Underway) => Promise<number[]>): Promise<KillOutcome> {
  const caller = await callerOf(stores)
  const port = await freePort()
  const instance = instanceOf({ program: SERVER, ready: /Public API on/, env: { ...stores.env, PORT: String(port), OPS_PORT: '0', LOG_LEVEL: 'fatal' } })
  await instance.start()
  try {
    const load = startLoad(() => `http://127.0.0.1:${port}`, caller)
    const recoveriesMs = await work({ instance, load, answered: untilAccepted })
    const seen = await load.stop()
    const database = await openDatabase({ url: stores.env['DATABASE_URL'] ?? '' })
    try {
      return await outcomeOf(database, seen, recoveriesMs)
    } finally {
      await database.close()
    }
  } finally {
    await instance.kill9()
  }
}

async function outcomeOf (database: Database, seen: Seen, recoveriesMs: number[]): Promise<KillOutcome> {
  await allJudged(database, JUDGED_MS_MAX)
  return {
    kills: recoveriesMs.length,
    answers: [...seen.statuses.values()].reduce((sum, count) => sum + count, 0),
    cut: [...seen.cut.values()].reduce((sum, count) => sum + count, 0),
    marks: seen.watermarks.size,
    accepted: seen.accepted.size,
    others: [...seen.statuses.keys()].filter((status) => status !== '200' && status !== '503 unavailable'),
    recoveriesMs,
    ...await countKept(database, seen)
  }
}

async function callerOf (stores: Stores): Promise<Caller> {
  const { runtime } = await start(stores, { RUN_WORKER: 'false' })
  try {
    return await newCaller(runtime, UNLIMITED)
  } finally {
    await runtime.close()
  }
}

async function untilAccepted (seen: Seen): Promise<number> {
  const startedMs = performance.now()
  const before = seen.accepted.size
  while (seen.accepted.size === before && performance.now() - startedMs < 20_000) await wait(5)
  return performance.now() - startedMs
}
