import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { Redis } from 'ioredis'
import t from 'tap'
import { connectRedis, closeRedis, redisAdmissionStore, redisHealth, redisSingleUseStore } from '../../../plugins/support/redis.ts'
import { keysOf, testRedis } from '../../helper/redis.ts'

const LIMITS = { perMinute: 60, perHour: 1000 }
const server = await testRedis(t)
const skip = server === null ? 'no Redis answers' : false

/** Puts times into a key's ring, oldest first, as if they had been admitted; the ring's clock is the server's. */
async function seed (keyId: string, agesMs: number[], capacity = 1000) {
  if (server === null) throw new Error('no Redis')
  const [seconds, micros] = await server.redis.time()
  const nowMs = Number(seconds) * 1000 + Math.floor(Number(micros) / 1000)
  const bytes = Buffer.alloc(16 + 4 * agesMs.length)
  bytes.writeUInt32BE(capacity, 0)
  bytes.writeUInt32BE(agesMs.length % capacity, 4)
  bytes.writeUInt32BE(agesMs.length, 8)
  bytes.writeUInt32BE(Number(seconds), 12)
  agesMs.forEach((age, index) => bytes.writeUInt32BE((nowMs - age) % 2 ** 32, 16 + 4 * index))
  await server.redis.set(`${server.prefix}:{${keyId}}:w`, bytes, 'EX', 7200)
}

function storeOf (keyId: string) {
  if (server === null) throw new Error('no Redis')
  const store = redisAdmissionStore(server.redis, { prefix: server.prefix })
  return async (limits = LIMITS, replayId: string | null = null) => await store.admit({ keyId, epoch: await store.readEpoch(keyId), ...limits, replayId, replayTtlSeconds: 300 })
}

t.test('admits the 60th request of a minute and refuses the 61st, by the seeded past', { skip }, async (t) => {
  const admit = storeOf('minute')
  await seed('minute', Array.from({ length: 59 }, (_, n) => 30_000 - n))
  t.match(await admit(), { outcome: 'admitted', window: { remaining: 0 } })
  const refused = await admit()
  t.match(refused, { outcome: 'refused', blocked: 'minute' })
  t.ok(refused.outcome === 'refused' && refused.retryAfterMs > 25_000 && refused.retryAfterMs <= 30_000)
  await seed('minute', Array.from({ length: 60 }, (_, n) => 60_000 - n))
  t.equal((await admit()).outcome, 'admitted', 'the oldest is 60 000 ms old')
})

t.test('admits the 1000th request of an hour and refuses the 1001st, by the seeded past', { skip }, async (t) => {
  const admit = storeOf('hour')
  await seed('hour', Array.from({ length: 999 }, (_, n) => 3_500_000 - n * 3000))
  t.match(await admit(), { outcome: 'admitted', window: { remaining: 0 } })
  const refused = await admit()
  t.match(refused, { outcome: 'refused', blocked: 'hour', window: { limit: 60, remaining: 0 } })
  t.ok(refused.outcome === 'refused' && refused.retryAfterMs > 95_000 && refused.retryAfterMs <= 100_000)
  await seed('hour', Array.from({ length: 1000 }, (_, n) => 3_600_000 - n * 3000))
  t.equal((await admit()).outcome, 'admitted', 'the oldest is 3 600 000 ms old')
})

t.test('neither window is short: what is a little younger than a minute or an hour still counts', { skip }, async (t) => {
  await seed('young minute', Array.from({ length: 60 }, () => 59_200))
  const minute = await storeOf('young minute')()
  t.match(minute, { outcome: 'refused', blocked: 'minute' })
  t.ok(minute.outcome === 'refused' && minute.retryAfterMs <= 800)
  await seed('young hour', Array.from({ length: 1000 }, () => 3_599_200))
  t.match(await storeOf('young hour')(), { outcome: 'refused', blocked: 'hour' })
})

t.test('counts a full ring exactly, and one slot by slot when it is large', { skip }, async (t) => {
  for (const [keyId, perHour] of [['small', 1000], ['large', 5000]] as const) {
    const admit = storeOf(keyId)
    await seed(keyId, Array.from({ length: perHour }, (_, n) => n < 40 ? 3_700_000 - n : 3_000_000 - n * 10), perHour)
    t.match(await admit({ perMinute: 60, perHour }), { outcome: 'admitted', window: { remaining: 39 } }, keyId)
    t.match(await admit({ perMinute: 60, perHour: perHour + 7 }), { outcome: 'admitted', window: { remaining: 45 } }, `${keyId}, after a raise`)
  }
})

t.test('a server clock that stepped back keeps a full window closed', { skip }, async (t) => {
  const admit = storeOf('back')
  await seed('back', Array.from({ length: 60 }, () => -600_000))
  const refused = await admit()
  t.match(refused, { outcome: 'refused', blocked: 'minute', window: { remaining: 0 } })
  t.ok(refused.outcome === 'refused' && refused.retryAfterMs > 655_000 && refused.retryAfterMs <= 660_000)
})

t.test('every key has a life, and a full ring holds 4 bytes per request', { skip }, async (t) => {
  if (server === null) return
  await storeOf('ttl')(LIMITS, 'signature')
  const tokens = redisSingleUseStore(server.redis, { prefix: server.prefix })
  await tokens.issue('ttl', 900)
  await tokens.take('ttl')
  await tokens.giveBack('ttl')
  const lives = new Map<string, number>()
  for (const key of await keysOf(server.redis, server.prefix)) lives.set(key.slice(server.prefix.length + 1), await server.redis.ttl(key))
  for (const [key, seconds] of lives) t.ok(seconds > 0, `${key} lives ${seconds} s`)
  t.ok((lives.get('{ttl}:e') ?? 0) > 29 * 86_400)
  t.ok((lives.get('{ttl}:w') ?? 0) > 3600)
  t.ok((lives.get('{ttl}:r:signature') ?? 999) <= 300)
  t.ok((lives.get('{ttl}:r:signature') ?? 0) > 290, 'a request is remembered as long as it was asked to be')
  t.ok((lives.get('t:ttl') ?? 0) > 890)
  t.equal(await server.redis.strlen(`${server.prefix}:{hour}:w`), 4016)
})

t.test('a ring is renewed when half of its life is spent, and not on every call', { skip }, async (t) => {
  if (server === null) return
  const admit = storeOf('renew')
  await admit()
  await server.redis.expire(`${server.prefix}:{renew}:w`, 3700)
  await admit()
  t.ok(await server.redis.ttl(`${server.prefix}:{renew}:w`) <= 3700, 'not renewed on every call')
  const past = Buffer.alloc(4)
  past.writeUInt32BE(Math.floor(Date.now() / 1000) - 3700)
  await server.redis.setrange(`${server.prefix}:{renew}:w`, 12, past)
  await admit()
  t.ok(await server.redis.ttl(`${server.prefix}:{renew}:w`) > 7000)
})

t.test('reports the memory policy of the server', { skip }, async (t) => {
  if (server === null) return
  const health = await redisHealth(server.redis)
  t.ok(health.pingMs >= 0)
  t.type(health.memoryPolicy, 'string')
  t.equal(health.isSafe, ['noeviction', 'unknown'].includes(health.memoryPolicy))
})

t.test('a server that is away rejects at once and is logged once', async (t) => {
  const warnings: object[] = []
  const redis = connectRedis('redis://user:secret@127.0.0.1:1', { logger: { warn: (fields) => { warnings.push(fields) } } })
  t.teardown(async () => { await closeRedis(redis) })
  await t.rejects(redisAdmissionStore(redis).admit({ keyId: 'k', epoch: '', ...LIMITS, replayId: null, replayTtlSeconds: 1 }))
  await t.rejects(redisSingleUseStore(redis).take('x'))
  await t.rejects(redisHealth(redis))
  for (let errors = 0; errors < 3; errors++) await new Promise((resolve) => { redis.once('error', resolve) })
  t.equal(warnings.length, 1)
  t.notMatch(JSON.stringify(warnings), /secret/)
})

t.test('a client that sentinels lead to its server goes on after an end that nobody asked for, and stays ended when somebody did', async (t) => {
  const answers: Record<string, string> = { info: '$9\r\nloading:0\r\n', ping: '+PONG\r\n' }
  const speak = async (answer: (words: string[]) => string): Promise<{ port: number }> => {
    const sockets = new Set<Socket>()
    const listener = createServer((socket) => {
      sockets.add(socket)
      socket.on('error', () => {}).on('data', (chunk: Buffer) => {
        // Whole commands come in one chunk here; each is an array of bulk strings.
        for (const command of chunk.toString().split(/(?=\*\d+\r\n)/)) socket.write(answer([...command.matchAll(/\$\d+\r\n([^\r]*)\r\n/g)].map(([, word = '']) => word.toLowerCase())))
      })
    })
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
    t.teardown(() => {
      for (const socket of sockets) socket.destroy()
      listener.close()
    })
    return { port: (listener.address() as AddressInfo).port }
  }
  const master = await speak(([word = '']) => answers[word] ?? '+OK\r\n')
  const sentinel = await speak(([word, subcommand]) => {
    if (word === 'sentinel' && subcommand === 'get-master-addr-by-name') return `*2\r\n$9\r\n127.0.0.1\r\n$${String(master.port).length}\r\n${master.port}\r\n`
    return word === 'sentinel' ? '*0\r\n' : word === 'subscribe' ? '*3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:1\r\n' : answers[word ?? ''] ?? '+OK\r\n'
  })
  const redis = connectRedis(`redis+sentinel://127.0.0.1:${sentinel.port}/mymaster`)
  t.teardown(() => { redis.disconnect() })
  await once(redis, 'ready')
  // What the failover detector does in the middle of an attempt: an end without a reconnection, which is not asked for through the client.
  Redis.prototype.disconnect.call(redis, false)
  await once(redis, 'end')
  await once(redis, 'ready')
  redis.disconnect()
  await once(redis, 'end')
  let isReady = false
  redis.once('ready', () => { isReady = true })
  await new Promise((resolve) => setTimeout(resolve, 600))
  t.equal(isReady, false, 'an end that was asked for is one')
})

t.test('the commands of one turn go in one write, in the order in which they were sent, whatever is between them', { skip }, async (t) => {
  if (server === null) return
  const redis = connectRedis(server.url)
  t.teardown(async () => { await closeRedis(redis) })
  await once(redis, 'ready')
  if (!(redis instanceof Redis)) throw new Error('the tests have one server')
  let writes = 0
  const { _write: write, _writev: writev } = redis.stream
  redis.stream._write = (...args) => { writes++; write.apply(redis.stream, args) }
  redis.stream._writev = (...args) => { writes++; writev?.apply(redis.stream, args) }
  const key = `${server.prefix}:order`
  const texts = ['one', 'fünf €', '', 'x'.repeat(100_000)]

  t.same(await Promise.all(texts.map((text) => redis.echo(text))), texts)
  t.equal(writes, 1, 'one write')
  // Each answer tells how long the list is by then.
  const lengths = await Promise.all([redis.rpush(key, 'a'), redis.rpush(key, Buffer.from([0, 255])), redis.pipeline().rpush(key, 'b').rpush(key, 'c').exec(), redis.rpush(key, 'd'), redis.multi().rpush(key, 'e').exec(), redis.rpush(key, 'f')])
  t.same(lengths, [1, 2, [[null, 3], [null, 4]], 5, [[null, 6]], 7])
  t.same(await redis.lrangeBuffer(key, 0, -1), [Buffer.from('a'), Buffer.from([0, 255]), ...['b', 'c', 'd', 'e', 'f'].map((text) => Buffer.from(text))])
  await redis.expire(key, 60)

  const lost = redis.echo('lost')
  redis.disconnect(true)
  await t.rejects(lost, 'a command whose connection ends in its turn is rejected')
  await once(redis, 'ready')
  t.equal(await redis.echo('again'), 'again', 'and nothing of it is sent on the next connection')
})
