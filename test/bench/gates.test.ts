import { cpus, loadavg } from 'node:os'
import { Redis } from 'ioredis'
import t from 'tap'
import { measureGates, type Gates } from '../../bench/gates.ts'
import { SMALL_LIMIT } from '../../bench/load/stores.ts'
import { bytesPerFullKey } from '../../bench/window/cost.ts'
import { hasRedisServer, NO_REDIS_SERVER, startPrivateRedis } from '../helper/private-redis.ts'
import { real } from '../helper/service.ts'

/** Of what bare Fastify needs, the share that the whole chain may not fall below: wide, because the machine does other things. */
const CPU_RATIO_MIN = 0.12
const BYTES_MAX = 4500

const stores = await real()
await stores?.drop()
const skip = stores === null ? 'no PostgreSQL and Redis answer' : hasRedisServer() ? false : NO_REDIS_SERVER
const gates: Gates | null = skip === false ? await measureGates() : null
const loaded = loadavg()[0] ?? 0
const skipTimed = skip !== false ? skip : loaded > cpus().length ? `load average ${loaded.toFixed(1)} on ${cpus().length} processors` : false

t.test('an admitted request is exactly one round trip to Redis, and nothing else is sent', { skip }, async (t) => {
  t.same(gates?.answers, { 200: gates?.requests })
  t.same(gates?.commands, { evalsha: gates?.requests })
})

t.test('every answer has its audit row, and no row is without an answer', { skip }, async (t) => {
  t.equal(gates?.auditRows, gates?.requests)
})

t.test('a key asked for more than its limit at once, over two instances, is admitted exactly to its limit', { skip }, async (t) => {
  t.equal(gates?.overAnswers[200], SMALL_LIMIT)
  t.same(Object.keys(gates?.overAnswers ?? {}), ['200', '429'])
})

t.test('a key whose hour is full keeps to its bytes in Redis', { skip: hasRedisServer() ? false : NO_REDIS_SERVER }, async (t) => {
  const server = await startPrivateRedis()
  if (server === null) throw new Error(NO_REDIS_SERVER)
  const redis = new Redis(server.url)
  t.teardown(() => server.close())
  t.teardown(() => { redis.disconnect() })
  const [ring] = await bytesPerFullKey(redis, 'gates')
  t.ok((ring?.bytes ?? Infinity) <= BYTES_MAX, `${ring?.bytes} bytes`)
})

t.test('the whole chain costs no more processor time than the floor allows', { skip: skipTimed }, async (t) => {
  t.ok((gates?.cpuRatio ?? 0) >= CPU_RATIO_MIN, `${gates?.cpuRatio.toFixed(2)} of bare Fastify`)
})
