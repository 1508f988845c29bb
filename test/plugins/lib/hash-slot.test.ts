import t from 'tap'
import { hashSlotOf, hashTagOf } from '../../../plugins/lib/hash-slot.ts'
import { testRedis } from '../../helper/redis.ts'

t.test('hashes as the cluster specification says: the check value, and the tag alone', async (t) => {
  t.equal(hashSlotOf('123456789'), 0x31c3)
  t.equal(hashSlotOf('{user1000}.following'), hashSlotOf('{user1000}.followers'))
  for (const [key, tag] of [['foo{}{bar}', 'foo{}{bar}'], ['foo{{bar}}zap', '{bar'], ['foo{bar}{zap}', 'bar'], ['{open', '{open'], ['', '']] as const) t.equal(hashTagOf(key), tag)
})

t.test('all keys of one API key are in one slot, and API keys spread', async (t) => {
  const slots = new Set<number>()
  for (let n = 0; n < 1000; n++) {
    const parts = ['e', 'w', 'r:0123'].map((part) => hashSlotOf(`fb:{key_${n}}:${part}`))
    t.equal(new Set(parts).size, 1)
    slots.add(parts[0] ?? -1)
  }
  t.ok(slots.size > 900, `${slots.size} slots`)
})

const server = await testRedis(t)
t.test('agrees with the server', { skip: server === null ? 'no Redis answers' : false }, async (t) => {
  for (const key of ['foo', 'fb:{key_1}:e', 'fb:t:0123', '{}x', 'ü{ä}', 'a'.repeat(300)]) {
    const slot = await server?.redis.call('CLUSTER', 'KEYSLOT', key).catch(() => null)
    if (slot !== null) t.equal(hashSlotOf(key), slot)
  }
})
