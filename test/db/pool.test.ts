import t from 'tap'
import postgres from 'postgres'
import { connect, readArray, type Connection } from '../../db/connection.ts'
import { createPool, type Lane, type Pool } from '../../db/pool.ts'
import { real } from '../helper/service.ts'
import { startProxy } from '../helper/proxy.ts'

const stores = await real()
const skip = stores === null ? 'no PostgreSQL answered (TEST_DATABASE_URL)' : false
const url = stores?.env['DATABASE_URL'] ?? ''
const admin = postgres(url === '' ? 'postgres://127.0.0.1:1/none' : url, { max: 1, onnotice: () => {} })
t.teardown(async () => {
  await admin.end({ timeout: 2 })
  await stores?.drop()
})

interface Opened { pool: Pool, lane: Lane, changes: boolean[], opened: () => number }

function open (databaseUrl: string, { max = 2, deadlineMs = 3500, waitingMax = 1000 } = {}): Opened {
  const types = { parsers: {}, serializers: {} }
  const changes: boolean[] = []
  let count = 0
  const pool = createPool({
    connect (onLost) {
      count++
      return connect(databaseUrl, { settings: { application_name: 'pool-test' }, types, connectTimeoutSeconds: 2, onLost })
    },
    types,
    deadlineMs,
    waitingMax,
    onChange: ({ isAway }) => changes.push(isAway)
  })
  return { pool, lane: pool.lane(max), changes, opened: () => count }
}

const pidOf = async (lane: Pick<Lane, 'unsafe'>): Promise<number> => (await lane.unsafe('select pg_backend_pid() as pid') as Array<{ pid: number }>)[0]?.pid ?? 0
const endSession = async (pid: number): Promise<void> => { await admin`select pg_terminate_backend(${pid}::int)` }
const later = async (ms: number): Promise<void> => { await new Promise((resolve) => setTimeout(resolve, ms)) }

t.test('a transaction whose connection was lost goes on nowhere: not outside itself, and not inside another', { skip }, async (t) => {
  const { pool, lane } = open(url, { max: 1 })
  t.teardown(() => pool.close())
  await lane.unsafe('create table lost (who text)')
  for (let round = 0; round < 20; round++) {
    let goOn = (): void => {}
    const paused = new Promise<void>((resolve) => { goOn = resolve })
    let started: (pid: number) => void = () => {}
    const pid = new Promise<number>((resolve) => { started = resolve })
    const first = lane.begin(async (tx) => {
      await tx.unsafe("insert into lost values ('first')")
      started(await pidOf(tx as unknown as Lane))
      await paused
      await tx.unsafe("insert into lost values ('first, late')")
    })
    await Promise.all([t.rejects(first, { code: 'CONNECTION_LOST' }), pid.then(endSession)])
    // Its place is taken by another transaction, which is open while the first one tries to go on, and to roll back.
    await lane.begin(async (tx) => {
      await tx.unsafe("insert into lost values ('second')")
      goOn()
      await later(5)
      await tx.unsafe("insert into lost values ('second')")
    })
  }
  t.same(await lane.unsafe('select who, count(*)::int as count from lost group by who'), [{ who: 'second', count: 40 }])
})

t.test('sessions that end under load, again and again, hold up nobody for long', { skip, timeout: 60_000 }, async (t) => {
  const { pool, lane } = open(url, { max: 5 })
  t.teardown(() => pool.close())
  let answered = 0
  let failed = 0
  const ending = new AbortController()
  const clients = Array.from({ length: 20 }, async (_, n) => {
    while (!ending.signal.aborted) {
      const work = n % 2 === 0 ? lane.unsafe('select $1::int as n', [n]) : lane.begin(async (tx) => { await tx.unsafe('select 1'); await tx.unsafe('select 2') })
      await Promise.resolve(work).then(() => { answered++ }, async () => {
        failed++
        await later(1)
      })
    }
  })
  let roundsServed = 0
  for (let round = 0; round < 20; round++) {
    // As many answers as there are clients, however fast this machine is.
    const [before, patienceEndsMs] = [answered, performance.now() + 5000]
    while (answered < before + clients.length && performance.now() < patienceEndsMs) await later(20)
    if (answered >= before + clients.length) roundsServed++
    await admin`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pool-test' and datname = current_database()`
  }
  ending.abort()
  await Promise.all(clients)
  t.comment(`${answered} answered, ${failed} failed`)
  t.equal(roundsServed, 20)
})

t.test('a statement that is silent is given up at its deadline with its connection, and whoever waits for one too', { skip }, async (t) => {
  const { pool, lane } = open(url, { max: 1, deadlineMs: 300 })
  t.teardown(() => pool.close())
  const pid = await pidOf(lane)
  await t.rejects(Promise.all([lane.unsafe('select pg_sleep(5)'), lane.unsafe('select 1')]), { code: 'STATEMENT_DEADLINE' })
  t.not(await pidOf(lane), pid)
})

t.test('no more statements wait than may, and one lane does not wait for another', { skip }, async (t) => {
  const { pool, lane } = open(url, { max: 1, waitingMax: 2 })
  t.teardown(() => pool.close())
  const own = pool.lane(1)
  const sleep = Promise.resolve(lane.unsafe('select pg_sleep(0.3)'))
  await later(50)
  const waiting = [lane.unsafe('select 1'), lane.unsafe('select 1')].map(async (one) => await one)
  await t.rejects(Promise.resolve(lane.unsafe('select 1')), { code: 'POOL_FULL' })
  t.same(await own.unsafe('select 1 as one'), [{ one: 1 }])
  await Promise.all([sleep, ...waiting])
})

t.test('a server that cannot be reached is refused at once, found again by itself, and told of once each', { skip }, async (t) => {
  const proxy = await startProxy(url, 5432)
  const { pool, lane, changes, opened } = open(proxy.through(url))
  t.teardown(async () => {
    await pool.close()
    await proxy.close()
  })
  await lane.unsafe('select 1')
  await proxy.refuse()
  await t.rejects(Promise.resolve(lane.unsafe('select 1')), { name: 'DatabaseAwayError' })
  const before = opened()
  for (let n = 0; n < 1000; n++) await lane.unsafe('select 1').then(() => t.fail('answered'), () => {})
  t.ok(opened() - before < 20, 'nobody asks in vain')
  proxy.resume()
  const startedMs = performance.now()
  while (await lane.unsafe('select 1').then(() => false, () => true)) await later(10)
  t.ok(performance.now() - startedMs < 1000)
  t.same(changes, [true, false])
})

t.test('a server that is silent is found out before the deadline of whoever waits for it', { skip }, async (t) => {
  const proxy = await startProxy(url, 5432)
  const { pool, lane, changes } = open(proxy.through(url))
  t.teardown(async () => {
    await pool.close()
    await proxy.close()
  })
  await lane.unsafe('select 1')
  proxy.silence()
  await t.rejects(Promise.resolve(lane.unsafe('select 1')), { code: 'STATEMENT_DEADLINE' })
  t.same(changes, [true])
  await t.rejects(Promise.resolve(lane.unsafe('select 1')), { name: 'DatabaseAwayError' })
  proxy.resume()
  while (await lane.unsafe('select 1').then(() => false, () => true)) await later(10)
})

t.test('one that is held refuses everybody as if the database were away', { skip }, async (t) => {
  const { pool, lane } = open(url)
  t.teardown(() => pool.close())
  pool.hold(true)
  await t.rejects(Promise.resolve(lane.unsafe('select 1')), { name: 'DatabaseAwayError' })
  await t.rejects(lane.begin(async () => {}), { name: 'DatabaseAwayError' })
  pool.hold(false)
  await lane.unsafe('select 1')
})

t.test('what its work refuses is rolled back, and told to its caller as it is', { skip }, async (t) => {
  const { pool, lane } = open(url, { max: 1 })
  t.teardown(() => pool.close())
  await lane.unsafe('create table kept (n int)')
  const refusal = new Error('no')
  await t.rejects(lane.begin(async (tx) => {
    await tx.unsafe('insert into kept values (1)')
    throw refusal
  }), refusal)
  await t.rejects(lane.begin(async (tx) => { await tx.unsafe('select 1 / 0') }), { code: '22012' })
  await lane.begin(async (tx) => {
    await tx.unsafe('insert into kept values (2)')
    await t.rejects(tx.savepoint(async (inner) => { await inner.unsafe('insert into kept values (3)'); throw refusal }), refusal)
  })
  t.same(await lane.unsafe('select n from kept'), [{ n: 2 }])
  const connection: Connection = await connect(url, { settings: {}, types: { parsers: {}, serializers: {} }, connectTimeoutSeconds: 2, onLost: () => t.fail('it was ended, not lost') })
  await connection.end()
  await t.rejects(connection.run('select 1', [], { asArrays: false, deadlineMs: 100 }), { code: 'CONNECTION_LOST' })
})

t.test('arrays are read as PostgreSQL writes them', { skip }, async (t) => {
  const { pool, lane } = open(url)
  t.teardown(() => pool.close())
  const texts = ['', 'a', 'NULL', 'with "quotes" and \\', 'with, comma', '{braces}', ' blank ', 'line\nbreak', 'ünïcode']
  const literal = texts.map((text) => `'${text}'`).join()
  t.same(await lane.unsafe(`select array[${literal}, null]::text[] as texts, array[1, -2, null] as numbers, array[0.5]::float8[] as shares, array[9007199254740993] as large, '{}'::text[] as none`), [
    { texts: [...texts, null], numbers: [1, -2, null], shares: [0.5], large: ['9007199254740993'], none: [] }
  ])
  t.throws(() => readArray('{{1},{2}}'), RangeError)
})
