import { setImmediate as endOfTurn } from 'node:timers/promises'
import t from 'tap'
import { acceptRequests } from '../../../db/queries/accepted-requests.ts'
import { groupCommit } from '../../../plugins/support/group-commit.ts'
import { embedded, real, start } from '../../helper/service.ts'

t.test('each item gets the outcome of its own place, and what comes meanwhile is the next batch', async (t) => {
  const batches: number[][] = []
  const doubles = groupCommit<number, number>({
    name: 'doubles',
    batchMax: 3,
    async write (batch) {
      batches.push(batch)
      await new Promise((resolve) => setTimeout(resolve, 5))
      return (at) => 2 * (batch[at] ?? 0)
    }
  })
  const first = doubles.submit(1)
  await endOfTurn()
  t.same(await Promise.all([first, ...[2, 3, 4, 5, 6].map((n) => doubles.submit(n))]), [2, 4, 6, 8, 10, 12])
  t.same(batches, [[1], [2, 3, 4], [5, 6]])
  await doubles.close()
  await t.rejects(doubles.submit(7), { code: 'unavailable', reason: 'doubles_closed' })
})

t.test('a batch that fails refuses its items only', async (t) => {
  let calls = 0
  const once = groupCommit<string, string>({
    name: 'once',
    async write (batch) {
      if (++calls === 1) throw new Error('away')
      return (at) => batch[at] ?? ''
    }
  })
  const settled = Promise.allSettled([once.submit('a')])
  await endOfTurn()
  const [[first], [second]] = await Promise.all([settled, Promise.allSettled([once.submit('b')])])
  t.match(first, { status: 'rejected', reason: { code: 'unavailable', reason: 'once_write_failed' } })
  t.match(second, { status: 'fulfilled', value: 'b' })
})

for (const stores of [embedded(), await real()]) {
  t.test(`a request is accepted once, within a batch and across batches (${stores?.name ?? 'PostgreSQL and Redis'})`, { skip: stores === null ? 'no PostgreSQL and Redis answered' : false }, async (t) => {
    if (stores === null) return
    const { runtime } = await start(stores, { RUN_WORKER: 'false' })
    t.teardown(async () => {
      await runtime.close()
      await stores.drop()
    })
    const { db } = runtime.database
    const one = { keyId: 'key_a', replayId: 'a'.repeat(32), ttlSeconds: 601 }
    const other = { ...one, keyId: 'key_b' }
    t.same(await acceptRequests(db, [one, one, other]), [true, false, true])
    t.same(await acceptRequests(db, [other, one]), [false, false])
    const many = await Promise.all(Array.from({ length: 20 }, (_, n) => acceptRequests(db, [{ ...one, replayId: 'b' }, { ...one, replayId: `c${n}` }])))
    t.equal(many.filter(([isFirst]) => isFirst === true).length, 1, 'one of twenty batches at once was first')
    t.ok(many.every(([, isFirst]) => isFirst === true))
    t.same(await acceptRequests(db, [{ ...one, replayId: 'lapsed', ttlSeconds: -1 }]), [true])
    t.same(await acceptRequests(db, [{ ...one, replayId: 'd' }, { ...one, replayId: 'lapsed' }]), [true, false], 'a lapsed row is cleared by a statement that still sees it')
    t.same(await acceptRequests(db, [{ ...one, replayId: 'lapsed' }]), [true])
  })
}
