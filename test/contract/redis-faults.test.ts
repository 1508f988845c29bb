import t from 'tap'
import { NO_REDIS_SERVER, startPrivateRedis, type PrivateRedis } from '../helper/private-redis.ts'
import { judgeAsAway, startOn, type Fault } from '../helper/redis-faults.ts'

// docs/operations.md, "When a store is away": the rows of Redis, each on a server that really is in that state.
const ALL_RIGHTS = ['on', 'nopass', '~*', '&*', '+@all']

async function untilLoaded (redis: PrivateRedis): Promise<void> {
  while (!/^loading:0/m.test(String(await redis.command('INFO', 'persistence').catch(() => '')))) await new Promise((resolve) => setTimeout(resolve, 20))
}

const FAULTS: Fault[] = [
  { name: 'stopped', cut: (redis) => redis.stop(), mend: (redis) => redis.restart() },
  { name: 'hung', cut: (redis) => redis.hang(), mend: (redis) => redis.resume() },
  { name: 'READONLY', cut: (redis) => redis.command('REPLICAOF', '127.0.0.1', '1'), mend: (redis) => redis.command('REPLICAOF', 'NO', 'ONE') },
  { name: 'OOM', cut: (redis) => redis.command('CONFIG', 'SET', 'maxmemory', '1'), mend: (redis) => redis.command('CONFIG', 'SET', 'maxmemory', '0') },
  { name: 'NOPERM', cut: (redis) => redis.command('ACL', 'SETUSER', 'default', '-@write'), mend: (redis) => redis.command('ACL', 'SETUSER', 'default', ...ALL_RIGHTS) },
  { name: 'NOREPLICAS', cut: (redis) => redis.command('CONFIG', 'SET', 'min-replicas-to-write', '1'), mend: (redis) => redis.command('CONFIG', 'SET', 'min-replicas-to-write', '0') },
  {
    name: 'LOADING',
    async cut (redis) {
      await redis.command('DEBUG', 'POPULATE', 20_000, 'ballast', 200)
      await redis.command('BGREWRITEAOF')
      while (!/^aof_rewrite_in_progress:0/m.test(String(await redis.command('INFO', 'persistence')))) await new Promise((resolve) => setTimeout(resolve, 20))
      // Each of the 20 000 keys takes a millisecond to load, so that the server loads for as long as the test needs.
      await redis.restart({ wait: false, config: ['key-load-delay 1000', 'loading-process-events-interval-bytes 1024'] })
      while (!/LOADING/.test(String(await redis.command('GET', 'x').catch(String)))) await new Promise((resolve) => setTimeout(resolve, 5))
    },
    async mend (redis) {
      await redis.command('CONFIG', 'SET', 'key-load-delay', '0')
      await untilLoaded(redis)
    }
  }
]

const redis = await startPrivateRedis({ aof: true })
t.teardown(() => redis?.close())
const skip = redis === null ? NO_REDIS_SERVER : false

t.test('a Redis that cannot be used', { skip, timeout: 120_000 }, async (t) => {
  if (redis === null) return
  const service = await startOn(t, redis)
  for (const fault of FAULTS) {
    await t.test(`Redis ${fault.name}: keys are read from the database, each instance admits its share, tokens wait, nothing is accepted twice, and all is well again within 2 s`, async (t) => {
      const { firstMs, fortyMs, backMs } = await judgeAsAway(t, service, fault)
      t.comment(`${fault.name}: first answer ${Math.round(firstMs)} ms, forty answers ${Math.round(fortyMs)} ms, recovered ${Math.round(backMs)} ms after its return`)
    })
  }
})
