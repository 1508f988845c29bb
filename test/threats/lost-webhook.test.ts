import t from 'tap'
import deliveries from '../../bench/proof/deliveries.ts'
import { NO_SERVERS } from '../helper/fronts.ts'
import { real } from '../helper/service.ts'

const stores = await real()
await stores?.drop()

t.test('no webhook is lost to failing receivers and ten killed workers, and each is signed', { skip: stores === null ? NO_SERVERS : false, timeout: 170_000 }, async (t) => {
  t.comment('stores: PostgreSQL and Redis')
  const figures = await deliveries.run({ count: 1200, seed: 7, progress: () => {} })
  for (const { what, value, ok } of figures) {
    if (ok === undefined) t.comment(`${what}: ${value}`)
    else t.ok(ok, `${what}: ${value}`)
  }
})
