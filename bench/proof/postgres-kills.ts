/** SIGKILL and immediate stops of PostgreSQL under one running service: what a client was told is there afterwards, and it recovers in 2 s. */
import { storesOn } from '../../test/helper/postgres-faults.ts'
import { startPrivatePostgres, whyNoPostgres } from '../../test/helper/private-postgres.ts'
import { killPostgres } from '../kill-cycles.ts'
import { NotHereError, type Proof } from '../proof-definition.ts'
import { killFigures } from './kills.ts'

const RECOVERY_MS_MAX = 2000

const proof: Proof = {
  summary: 'a PostgreSQL that is killed loses no accepted evaluation and no audit row, and is found again within 2 s',
  count: 20,
  unit: 'kills',
  async run ({ count, progress }) {
    const server = await startPrivatePostgres()
    if (server === null) throw new NotHereError(whyNoPostgres() ?? 'no PostgreSQL')
    const stores = await storesOn(server)
    try {
      const outcome = await killPostgres(stores, server, count, progress)
      const slowest = Math.max(...outcome.recoveriesMs)
      return [...killFigures(outcome), { what: 'found again within', value: `${Math.round(slowest)} ms`, bar: `<= ${RECOVERY_MS_MAX} ms`, ok: slowest <= RECOVERY_MS_MAX }]
    } finally {
      await server.close()
      await stores.drop()
    }
  }
}

export default proof
