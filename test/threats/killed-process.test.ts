import t from 'tap'
import { killService } from '../../bench/kill-cycles.ts'
import { NO_SERVERS } from '../helper/fronts.ts'
import { real } from '../helper/service.ts'

const CYCLES = 10
const stores = await real()
t.teardown(async () => { await stores?.drop() })

// The short form of `npm run proof -- kills`.
t.test('kill -9 under load loses no accepted evaluation and no audit row', { skip: stores === null ? NO_SERVERS : false, timeout: 170_000 }, async (t) => {
  if (stores === null) return
  const { accepted, complete, marks, rows, others } = await killService(stores, CYCLES)
  t.comment(`${CYCLES} kills, ${accepted} evaluations accepted, ${marks} watermarks seen`)
  t.ok(accepted > CYCLES)
  t.equal(complete, accepted)
  t.equal(rows, marks)
  t.same(others, [], 'nothing but 200 and 503')
})
