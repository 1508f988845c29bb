import { setTimeout as wait } from 'node:timers/promises'
import postgres from 'postgres'
import type { Member, World } from './world.ts'

const BOTH = ['a', 'b'] as const
const LOCKED_TABLES = ['audit_rows', 'api_keys', 'evaluations', 'redemptions'] as const

export interface Fault {
  readonly name: string
  /** Cuts it in, holds it and heals it. Resolves with what it did once whatever was away answers again. */
  readonly run: (world: World, draw: Draw) => Promise<Done>
}

export interface Draw {
  readonly random: () => number
  /** Between one and four seconds. */
  readonly holdMs: number
  readonly ended: (process: string, end: { exit: number | string, ms: number }) => void
}

/** `cutOff`: instances from which a store was away. */
export interface Done { readonly target: string, readonly cutOff?: readonly string[], readonly emptied?: boolean }

const oneServer = (world: World, { random }: Draw): Member => world.servers[random() < 0.5 ? 0 : 1]

async function killed (member: Member): Promise<Done> {
  await member.instance.kill9()
  await member.startLife()
  return { target: member.name }
}

async function drained (member: Member, draw: Draw): Promise<Done> {
  draw.ended(member.name, await member.instance.stop())
  await member.startLife()
  return { target: member.name }
}

async function hung (member: Member, draw: Draw): Promise<Done> {
  member.instance.hang()
  await wait(draw.holdMs)
  member.instance.resume()
  return { target: member.name }
}

async function locked (world: World, draw: Draw): Promise<Done> {
  const table = LOCKED_TABLES[Math.floor(draw.random() * LOCKED_TABLES.length)] ?? 'audit_rows'
  const sql = postgres(world.postgres.url, { max: 1, onnotice: () => {} })
  try {
    await sql.begin(async (tx) => {
      await tx.unsafe(`lock table ${table} in access exclusive mode`)
      await wait(draw.holdMs)
    })
  } finally {
    await sql.end({ timeout: 1 })
  }
  return { target: table, cutOff: BOTH }
}

async function partitioned (world: World, draw: Draw, store: 'toPostgres' | 'toRedis', how: 'refuse' | 'silence'): Promise<Done> {
  const member = oneServer(world, draw)
  await member[store][how]()
  await wait(draw.holdMs)
  member[store].resume()
  return { target: `${member.name} ${store === 'toPostgres' ? 'to PostgreSQL' : 'to Redis'}`, cutOff: [member.name] }
}

async function cut (world: World, draw: Draw): Promise<Done> {
  const member = oneServer(world, draw)
  await Promise.all([member.toPostgres.cut(), member.toRedis.cut()])
  return { target: member.name, cutOff: [member.name] }
}

async function redisAway (world: World, draw: Draw, how: 'stop' | 'kill9', empty: boolean): Promise<Done> {
  await world.redis[how]()
  await wait(draw.holdMs)
  await world.redis.restart({ empty })
  return { target: 'Redis', cutOff: BOTH, emptied: empty }
}

async function postgresAway (world: World, draw: Draw, how: 'immediate' | 'kill9'): Promise<Done> {
  if (how === 'immediate') await world.postgres.stop('immediate')
  else await world.postgres.kill9()
  await wait(draw.holdMs)
  await world.postgres.start()
  return { target: 'PostgreSQL', cutOff: BOTH }
}

async function storeHung (store: { hang: () => void, resume: () => void }, target: string, draw: Draw): Promise<Done> {
  store.hang()
  await wait(draw.holdMs)
  store.resume()
  return { target, cutOff: BOTH }
}

async function bothAway (world: World, draw: Draw): Promise<Done> {
  await Promise.all([world.redis.kill9(), world.postgres.kill9()])
  await wait(draw.holdMs / 2)
  // A process that starts while both are away must not need them.
  await Promise.all([world.redis.restart(), world.postgres.start()])
  return { target: 'PostgreSQL and Redis', cutOff: BOTH }
}

async function terminated (world: World): Promise<Done> {
  await world.postgres.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'flowbeacon'")
  return { target: 'PostgreSQL', cutOff: BOTH }
}

export const FAULTS: readonly Fault[] = [
  { name: 'kill -9 of an instance', run: (world, draw) => killed(oneServer(world, draw)) },
  { name: 'kill -9 of the worker', run: (world) => killed(world.worker) },
  { name: 'SIGTERM to an instance', run: (world, draw) => drained(oneServer(world, draw), draw) },
  { name: 'SIGTERM to the worker', run: (world, draw) => drained(world.worker, draw) },
  { name: 'SIGSTOP of an instance', run: (world, draw) => hung(oneServer(world, draw), draw) },
  { name: 'SIGSTOP of Redis', run: (world, draw) => storeHung(world.redis, 'Redis', draw) },
  { name: 'SIGSTOP of PostgreSQL', run: (world, draw) => storeHung(world.postgres, 'PostgreSQL', draw) },
  { name: 'Redis stopped, started with its file', run: (world, draw) => redisAway(world, draw, 'stop', false) },
  { name: 'Redis killed, started with its file', run: (world, draw) => redisAway(world, draw, 'kill9', false) },
  { name: 'Redis started empty', run: (world, draw) => redisAway(world, draw, 'kill9', true) },
  { name: 'PostgreSQL stopped immediately', run: (world, draw) => postgresAway(world, draw, 'immediate') },
  { name: 'PostgreSQL killed', run: (world, draw) => postgresAway(world, draw, 'kill9') },
  { name: 'both stores killed', run: bothAway },
  { name: 'sessions terminated', run: terminated },
  { name: 'hot table locked', run: locked },
  { name: 'connections of an instance cut', run: cut },
  { name: 'instance parted from Redis', run: (world, draw) => partitioned(world, draw, 'toRedis', 'silence') },
  { name: 'instance refused by Redis', run: (world, draw) => partitioned(world, draw, 'toRedis', 'refuse') },
  { name: 'instance parted from PostgreSQL', run: (world, draw) => partitioned(world, draw, 'toPostgres', 'silence') },
  { name: 'instance refused by PostgreSQL', run: (world, draw) => partitioned(world, draw, 'toPostgres', 'refuse') }
]
