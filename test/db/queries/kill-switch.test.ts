import t, { type Test } from 'tap'
import { sql } from 'drizzle-orm'
import { safeDatabaseError, type Database } from '../../../db/client.ts'
import { databaseKillStore, embeddedKillStore, listKillEvents } from '../../../db/queries/kill-switch.ts'
import type { InstanceReport, KillStore } from '../../../plugins/support/kill-store.ts'
import { redisKillStore } from '../../../plugins/support/redis-kill.ts'
import { killEvent } from '../../helper/kill-store.ts'
import { testRedis } from '../../helper/redis.ts'
import { embedded, openStores, real } from '../../helper/service.ts'

const REPORT: InstanceReport = { id: 'one', boot: 'b1', role: 'server', isEnabled: true, isKnown: true, version: 5, fingerprint: 'f'.repeat(16) }
const server = await testRedis(t)
const stores = await real()

async function codeOf (work: Promise<unknown>): Promise<string | undefined> {
  return await work.then(() => 'done', (err: unknown) => safeDatabaseError(err).code)
}

// The contract of a store of the kill switch, the same for every one.
async function keepsContract (t: Test, store: KillStore): Promise<void> {
  await t.test('it keeps the newest event of each target, in whatever order and however often they come', async (t) => {
    const old = killEvent({ target: 'org:org_a', version: 2_000_000_000_001, reason: 'a "quoted" \\ reason\nü' })
    const lifted = killEvent({ target: 'org:org_a', version: 2_000_000_000_002, kind: 'off' })
    const writes = killEvent({ target: 'key:key_a', version: 2_000_000_000_003, writesOnly: true, untilMs: 2_000_000_600_000, atMs: 1_999_999_999_999 })
    for (const events of [[lifted], [old, writes], [old], [lifted, writes], []]) await store.adopt(events)
    const { events } = await store.read()
    t.same([...events].sort((a, b) => a.version - b.version), [lifted, writes])
  })

  await t.test('of two events with one version the one that is on stays', async (t) => {
    const on = killEvent({ target: 'org:org_tie', version: 9 })
    const off = killEvent({ target: 'org:org_tie', version: 9, kind: 'off' })
    await store.adopt([off])
    await store.adopt([on])
    await store.adopt([off])
    t.match((await store.read()).events.find(({ target }) => target === 'org:org_tie'), { kind: 'on' })
  })

  await t.test('fifty changes of one target at once leave the newest', async (t) => {
    const events = Array.from({ length: 50 }, (_, index) => killEvent({ target: 'org:org_race', version: 100 + index }))
    await Promise.all([...events].sort(() => Math.random() - 0.5).map((event) => store.adopt([event])))
    t.match((await store.read()).events.find(({ target }) => target === 'org:org_race'), { version: 149 })
  })

  await t.test('its clock is the time of day in whole milliseconds', async (t) => {
    const { nowMs } = await store.read()
    t.ok(Number.isSafeInteger(nowMs))
    t.ok(Math.abs(nowMs - Date.now()) < 60_000)
  })

  await t.test('an instance is heard of with its latest report until it takes leave, and two processes of one name are two', async (t) => {
    const second = { ...REPORT, boot: 'b2', role: 'worker' as const }
    await store.beat(REPORT)
    await store.beat({ ...REPORT, version: 6 })
    await store.beat(second)
    const heard = (await store.instances()).sort((a, b) => a.boot.localeCompare(b.boot))
    t.match(heard, [{ ...REPORT, version: 6 }, second])
    for (const { silentMs } of heard) t.ok(silentMs >= 0 && silentMs < 10_000, `${silentMs} ms`)
    await store.leave(REPORT)
    await store.leave(second)
    t.same(await store.instances(), [])
  })
}

async function keepsHistory (t: Test, database: Database, store: KillStore): Promise<void> {
  await t.test('the history is every event, drills included, newest first, and drills change no state', async (t) => {
    const drill = killEvent({ kind: 'drill', target: 'org:org_drill', version: 3_000_000_000_000, detail: { passed: true } })
    await store.adopt([drill])
    const [newest, ...older] = await listKillEvents(database.db, 100)
    t.same(newest, drill)
    t.ok(older.length > 50)
    t.notOk((await store.read()).events.some(({ target }) => target === 'org:org_drill'))
    t.equal((await listKillEvents(database.db, 3)).length, 3)
  })

  await t.test('the history is append-only, and partners\' role sees none of it', async (t) => {
    for (const statement of ["update kill_switch_events set kind = 'off'", 'delete from kill_switch_events']) t.equal(await codeOf(database.db.execute(sql.raw(statement))), '42501', statement)
    for (const statement of ['select 1 from kill_switch_events', 'select 1 from instances', "insert into instances values ('a', 'b', '{}', now())"]) {
      t.equal(await codeOf(database.asOrganization('org_a', (tx) => tx.execute(sql.raw(statement)))), '42501', statement)
    }
  })

  await t.test('what is no event is refused by the database itself', async (t) => {
    for (const change of [{ target: 'everything' }, { version: 0 }, { reason: ' ' }, { kind: 'off' as const, untilMs: 2_000_000 }, { atMs: 2_000_000, untilMs: 1_999_999 }]) {
      t.equal(await codeOf(store.adopt([killEvent(change)])), '23514', JSON.stringify(change))
    }
  })
}

for (const [name, own] of [['PGlite', embedded()], ['PostgreSQL', stores]] as const) {
  t.test(`the kill switch on ${name}`, { skip: own === null ? 'no PostgreSQL answered' : false }, async (t) => {
    if (own === null) return
    t.comment(`stores: ${name}`)
    const { database, close } = await openStores(own)
    t.teardown(close)
    const store = database.kind === 'postgres' ? databaseKillStore(database) : embeddedKillStore(database)
    t.equal((await store.read()).isComplete, true, 'an empty history says that nothing is thrown')
    await keepsContract(t, store)
    await keepsHistory(t, database, store)
  })
}

t.test('the kill switch on Redis', { skip: server === null ? 'no Redis answers' : false }, async (t) => {
  if (server === null) return
  const { redis, prefix } = server
  const store = redisKillStore(redis, { prefix })
  t.equal((await store.read()).isComplete, false, 'an empty server says nothing')
  await keepsContract(t, store)

  await t.test('it says that it is complete once it was given what the history has', async (t) => {
    await store.adopt([], { isComplete: true })
    t.equal((await store.read()).isComplete, true)
    await redis.del(`${prefix}:{kill}:state`)
    t.equal((await store.read()).isComplete, false)
  })

  await t.test('events wait for the history until they are settled', async (t) => {
    const [first, second] = [killEvent(), killEvent({ kind: 'drill', detail: { passed: false } })]
    await store.defer([first, second])
    t.same((await store.read()).deferred.map(({ id }) => id).sort(), [first.id, second.id].sort())
    await store.settle([first.id])
    t.same((await store.read()).deferred, [second])
  })

  await t.test('an instance that was not heard of for an hour is forgotten by the next beat', async (t) => {
    await redis.hset(`${prefix}:{kill}:instances`, 'gone b0', JSON.stringify({ seenMs: Date.now() - 3_700_000, report: { ...REPORT, id: 'gone' } }))
    await store.beat(REPORT)
    t.same((await store.instances()).map(({ id }) => id), ['one'])
  })

  await t.test('what is not understood makes the store unreadable, never empty', async (t) => {
    for (const value of ['{}', 'no JSON']) {
      await redis.hset(`${prefix}:{kill}:state`, 'all', value)
      await t.rejects(store.read(), value)
    }
    await redis.del(`${prefix}:{kill}:state`)
  })
})
