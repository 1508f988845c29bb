/** Puts the kill switch together: its stores, the keeper of an instance, and the control that operators use. */
import { randomBytes } from 'node:crypto'
import type { Config } from '../config.ts'
import { openDatabase, type Database } from '../db/client.ts'
import { databaseKillStore, embeddedKillStore, listKillEvents } from '../db/queries/kill-switch.ts'
import type { KillControl } from '../evaluation/kill-control.ts'
import { startKillKeeper, type KillKeeperOptions } from '../plugins/support/kill-keeper.ts'
import { ALL_KILLED, type KillState } from '../plugins/lib/kill-state.ts'
import type { RedisClient } from '../plugins/support/redis.ts'
import { redisKillStore } from '../plugins/support/redis-kill.ts'

const FIRST_LOOK_MS = 2000
const BOOT_BYTES = 4

/** Work that is left alone while it is refused: everything, or what belongs to some organizations. */
export interface PausedWork { readonly everything: boolean, readonly orgs: readonly string[] }

export interface KillSwitch {
  readonly control: KillControl
  /** From memory. The environment's flag is absolute. */
  state (): KillState
  paused (): PausedWork
  stop (): Promise<void>
}

export interface KillSwitchParts {
  config: Config
  database: Database
  /** Null on the embedded default. */
  redis: RedisClient | null
  role: 'server' | 'worker'
  logger: KillKeeperOptions['logger']
}

/** Starts to poll, and gives the stores a moment to answer. On PostgreSQL it has a connection of its own: the switch must not queue behind the traffic it is to stop. */
export async function openKillSwitch ({ config, database, redis, role, logger }: KillSwitchParts): Promise<KillSwitch> {
  const own = database.kind === 'postgres' ? await openDatabase({ url: config.databaseUrl, poolMax: 1 }) : null
  const history = own === null ? embeddedKillStore(database) : databaseKillStore(own)
  const fast = redis === null ? {} : { fast: redisKillStore(redis, { prefix: config.redisPrefix }) }
  const instance = { id: config.instanceId, boot: randomBytes(BOOT_BYTES).toString('hex'), role, isEnabled: config.enabled }
  const keeper = startKillKeeper({ history, ...fast, instance, logger })
  await firstLook(keeper.refresh())
  const state = (): KillState => config.enabled ? keeper.state() : ALL_KILLED
  return {
    control: { history, ...fast, isEnabled: config.enabled, listEvents: (limit) => listKillEvents((own ?? database).db, limit), onChanged: (event) => keeper.take(event) },
    state,
    paused () {
      const { isKnown, everything, orgs } = state()
      return { everything: !isKnown || everything === 'everything', orgs: [...orgs].filter(([, reach]) => reach === 'everything').map(([orgId]) => orgId) }
    },
    async stop () {
      await keeper.stop()
      await own?.close()
    }
  }
}

/** The control of a process that is no instance, such as `fb`. */
export function killControlOf (config: Config, database: Database, redis: RedisClient | null): KillControl {
  return {
    history: database.kind === 'postgres' ? databaseKillStore(database) : embeddedKillStore(database),
    ...(redis === null ? {} : { fast: redisKillStore(redis, { prefix: config.redisPrefix }) }),
    isEnabled: config.enabled,
    listEvents: (limit) => listKillEvents(database.db, limit)
  }
}

/** Stores that do not answer now are asked again each second; until one has, the state is unknown and the service refuses. */
async function firstLook (look: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<void>((resolve) => { timer = setTimeout(resolve, FIRST_LOOK_MS) })
  await Promise.race([look.catch(() => {}), deadline])
  clearTimeout(timer)
}
