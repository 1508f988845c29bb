import { setImmediate as endOfTurn } from 'node:timers/promises'
import t from 'tap'
import type { AuditRow } from '../../../plugins/context.ts'
import { networkOf } from '../../../plugins/lib/network.ts'
import { groupCommitSink, refusalCounter, type RefusalCount } from '../../../plugins/support/audit-log.ts'

const row = (watermark: string): AuditRow => ({
  watermark, at: new Date(), orgId: null, keyId: null, keyPrefix: null, method: 'GET', route: '*', pathHash: '0', status: 200, code: null, reason: null, ip: '192.0.2.1', userAgent: null, instance: 'i', degraded: false, jti: null
})

/** A database whose statements end when the test says so. */
function gate () {
  const batches: string[][] = []
  const waiting: Array<{ resolve: () => void, reject: (err: Error) => void }> = []
  return {
    batches,
    write: (rows: AuditRow[]) => {
      batches.push(rows.map(({ watermark }) => watermark))
      return new Promise<void>((resolve, reject) => { waiting.push({ resolve, reject }) })
    },
    /** Resolves once the next statement has begun, where rows wait for one. */
    async end (err?: Error) {
      const statement = waiting.shift()
      if (err === undefined) statement?.resolve()
      else statement?.reject(err)
      await endOfTurn()
      await endOfTurn()
    }
  }
}

t.test('rows of one turn share a statement, one is in flight, and what arrives meanwhile is the next batch', async (t) => {
  const database = gate()
  const sink = groupCommitSink({ write: database.write, batchMax: 3 })
  const record = (name: string) => sink.record(row(name))
  const early = ['a', 'b'].map(record)
  t.same(database.batches, [], 'begins when the turn ends')
  await endOfTurn()
  t.same(database.batches, [['a', 'b']])
  const late = ['c', 'd', 'e', 'f'].map(record)
  await endOfTurn()
  t.same(database.batches, [['a', 'b']])
  await database.end()
  t.same(database.batches, [['a', 'b'], ['c', 'd', 'e']])
  await database.end()
  await database.end()
  await Promise.all([...early, ...late])
  t.same(database.batches, [['a', 'b'], ['c', 'd', 'e'], ['f']])
})

t.test('a statement that fails makes its own rows unavailable and no others, and keeps the cause private', async (t) => {
  const database = gate()
  const sink = groupCommitSink({ write: database.write })
  const first = sink.record(row('a'))
  await endOfTurn()
  const second = sink.record(row('b'))
  const refused = t.rejects(first, { code: 'unavailable', message: 'Service temporarily unavailable', headers: { 'retry-after': '2' }, cause: { message: 'disk full' } })
  await database.end(new Error('disk full'))
  await database.end()
  await refused
  await second
})

t.test('a full queue refuses at once', async (t) => {
  const database = gate()
  const sink = groupCommitSink({ write: database.write, queueMax: 2 })
  const first = sink.record(row('a'))
  await endOfTurn()
  const records = [first, ...['b', 'c'].map((name) => sink.record(row(name)))]
  await t.rejects(sink.record(row('d')), { code: 'unavailable', reason: 'audit_queue_full' })
  await database.end()
  await database.end()
  await Promise.all(records)
  t.same(database.batches.flat(), ['a', 'b', 'c'])
})

t.test('a row that is not durable by its deadline is given up, in flight or waiting', async (t) => {
  const database = gate()
  const sink = groupCommitSink({ write: database.write, deadlineMs: 20 })
  const first = sink.record(row('a'))
  await endOfTurn()
  const answers = await Promise.allSettled([first, sink.record(row('b'))])
  for (const answer of answers) t.match(answer, { status: 'rejected', reason: { code: 'unavailable', reason: 'audit_deadline', headers: { 'retry-after': '2' } } })
  await database.end()
  t.same(database.batches, [['a']], 'what was given up while waiting is not written')
  const next = sink.record(row('c'))
  await endOfTurn()
  await database.end()
  await next
})

t.test('closing writes what waits and takes nothing more', async (t) => {
  const database = gate()
  const sink = groupCommitSink({ write: database.write })
  const first = sink.record(row('a'))
  await endOfTurn()
  const records = [first, sink.record(row('b'))]
  const closed = sink.close()
  await t.rejects(sink.record(row('c')), { code: 'unavailable', reason: 'audit_closed' })
  await database.end()
  await database.end()
  await closed
  await Promise.all(records)
  t.same(database.batches, [['a'], ['b']])
})

const at = new Date('2026-01-01T10:20:30Z')
const refuse = (counter: ReturnType<typeof refusalCounter>, ip: string) => { counter.count({ ip, code: 'invalid_api_key', status: 401, at }) }

t.test('counts refusals per network, code and minute, and writes each count once', async (t) => {
  const written: RefusalCount[][] = []
  const counter = refusalCounter({ write: async (counts) => { written.push(counts) } })
  for (const ip of ['192.0.2.1', '192.0.2.200', '::ffff:192.0.2.3', '2001:db8::1', '2001:db8::2']) refuse(counter, ip)
  await counter.flush()
  await counter.close()
  const minute = new Date('2026-01-01T10:20:00Z')
  t.same(written, [[
    { minute, network: '192.0.2.0/24', code: 'invalid_api_key', count: 3 },
    { minute, network: '2001:db8:0:0::/64', code: 'invalid_api_key', count: 2 }
  ]])
})

t.test('keeps its counts while the database is away, and what arrives during a write', async (t) => {
  const written: number[] = []
  const errors: unknown[] = []
  let isAway = true
  const counter = refusalCounter({
    onError: (err) => { errors.push(err) },
    write: async (counts) => {
      if (isAway) throw new Error('away')
      for (const { count } of counts) written.push(count)
      if (written.length === 1) refuse(counter, '192.0.2.1')
    }
  })
  refuse(counter, '192.0.2.1')
  refuse(counter, '192.0.2.1')
  await counter.flush()
  isAway = false
  await counter.flush()
  await counter.close()
  t.equal(errors.length, 1)
  t.same(written, [2, 1])
})

t.test('a flood of networks is counted in a bounded table', async (t) => {
  const written: RefusalCount[] = []
  const counter = refusalCounter({ bucketsMax: 10, write: async (counts) => { written.push(...counts) } })
  for (let n = 0; n < 200; n++) refuse(counter, `10.0.${n}.1`)
  await counter.close()
  t.equal(written.length, 11)
  t.match(written.at(-1), { network: '*', count: 190 })
})

t.test('names the network of an address', async (t) => {
  for (const [ip, network] of [
    ['203.0.113.77', '203.0.113.0/24'], ['::ffff:203.0.113.77', '203.0.113.0/24'], ['::1', '0:0:0:0::/64'], ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0db8::1', '2001:db8:0:0::/64'], ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'], ['fe80::1%eth0', 'fe80:0:0:0::/64'], ['nonsense', 'unknown']
  ] as const) t.equal(networkOf(ip), network)
})

t.test('a flood from ever new networks gets a bounded number of rows a minute, however often they are written', async (t) => {
  const rows = new Set<string>()
  let counted = 0
  const counter = refusalCounter({
    bucketsPerMinuteMax: 20,
    write: async (counts) => {
      for (const { minute, network, code, count } of counts) {
        rows.add(`${minute.toISOString()} ${network} ${code}`)
        counted += count
      }
    }
  })
  t.teardown(() => counter.close())
  for (let n = 0; n < 5000; n++) {
    refuse(counter, `10.${n >> 8}.${n & 255}.1`)
    if (n % 500 === 0) await counter.flush()
  }
  await counter.flush()
  t.equal(rows.size, 21, 'twenty networks and the rest')
  t.equal(counted, 5000, 'and none is lost')
})
