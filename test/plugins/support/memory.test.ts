import t from 'tap'
import { memoryAdmissionStore, memorySingleUseStore } from '../../../plugins/support/memory.ts'

t.test('a replay record lapses with its life', async (t) => {
  let nowMs = 1_800_000_000_000
  const store = memoryAdmissionStore({ now: () => nowMs })
  const request = { keyId: 'k', epoch: await store.readEpoch('k'), perMinute: 60, perHour: 1000, replayId: 'sig', replayTtlSeconds: 300 }
  t.equal((await store.admit(request)).outcome, 'admitted')
  nowMs += 299_999
  t.equal((await store.admit(request)).outcome, 'replayed')
  nowMs += 1
  t.equal((await store.admit(request)).outcome, 'admitted')
})

t.test('a token lapses with its life, used or not', async (t) => {
  let nowMs = 1_800_000_000_000
  const store = memorySingleUseStore({ now: () => nowMs })
  await store.issue('a', 900)
  await store.issue('b', 900)
  t.equal(await store.take('a'), 'taken')
  nowMs += 900_000
  t.equal(await store.take('a'), 'unknown')
  t.equal(await store.take('b'), 'unknown')
  await store.issue('c', 900)
  t.equal(await store.take('c'), 'taken')
})
