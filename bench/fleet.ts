/** Instances of the service as processes of their own, over the stores of the tests, for proofs that need more than one. */
import { fileURLToPath } from 'node:url'
import type { Runtime } from '../bin/runtime.ts'
import { instanceOf, type Instance } from '../test/helper/instance.ts'
import { freePort } from '../test/helper/private-redis.ts'
import { real, start } from '../test/helper/service.ts'
import { NotHereError } from './proof-definition.ts'

const SERVER = fileURLToPath(new URL('../bin/server.js', import.meta.url))

export interface FleetMember { readonly host: '127.0.0.1', readonly port: number, readonly url: string, readonly instance: Instance }

export interface Fleet {
  /** A way in to the stores that serves nothing. */
  readonly operator: Runtime
  readonly members: readonly [FleetMember, FleetMember]
  close (): Promise<void>
}

/** Two running instances, each on a port that it keeps over restarts. Rejects with `NotHereError` without PostgreSQL and Redis. */
export async function openFleet (env: Readonly<Record<string, string>> = {}): Promise<Fleet> {
  const stores = await real()
  if (stores === null) throw new NotHereError('no PostgreSQL and Redis answered (TEST_DATABASE_URL, TEST_REDIS_URL)')
  const { runtime } = await start(stores, { RUN_WORKER: 'false' })
  const common = { ...stores.env, LOG_LEVEL: 'silent', OPS_PORT: '0', INSTANCE_COUNT: '2', AUTH_FAILURE_LIMIT_RPM: '100000000', ...env }
  const members = await Promise.all([1, 2].map(async (number): Promise<FleetMember> => {
    const port = await freePort()
    const instance = instanceOf({ program: SERVER, ready: /Public API on/, env: { ...common, PORT: String(port), INSTANCE_ID: `fleet-${number}` } })
    await instance.start()
    return { host: '127.0.0.1', port, url: `http://127.0.0.1:${port}`, instance }
  }))
  const [first, second] = members
  if (first === undefined || second === undefined) throw new Error('an instance is missing')
  return {
    operator: runtime,
    members: [first, second],
    async close () {
      await Promise.all(members.map(({ instance }) => instance.kill9()))
      await runtime.close()
      await stores.drop()
    }
  }
}
