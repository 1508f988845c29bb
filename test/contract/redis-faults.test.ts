import { readFileSync } from 'node:fs'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { NO_REDIS_SERVER, startPrivateRedis, type PrivateRedis } from '../helper/private-redis.ts'
import { assertOnce, assertUnavailable, fetchResults, isDegraded, judgeAsAway, judgedToken, policies, readiness, recoveredMs, RECOVERY_MS, redemptionsOf, sendWebhook, signedWebhook, startAt, startOn, type Fault } from '../helper/redis-faults.ts'
import { newCaller } from '../helper/service.ts'

// docs/operations.md, "When a store is away": the rows of Redis, each on a server that really is in that state.
const ALL_RIGHTS = ['on', 'nopass', '~*', '&*', '+@all']

async function untilLoaded (redis: PrivateRedis): Promise<void> {
  while (!/^loading:0/m.test(String(await redis.command('INFO', 'persistence').catch(() => '')))) await new Promise((resolve) => setTimeout(resolve, 20))
}

const FAULTS: Fault[] = [
  { name: 'Redis stopped', cut: (redis) => redis.stop(), mend: (redis) => redis.restart() },
  { name: 'Redis hung', cut: (redis) => redis.hang(), mend: (redis) => redis.resume() },
  { name: 'Redis READONLY', cut: (redis) => redis.command('REPLICAOF', '127.0.0.1', '1'), mend: (redis) => redis.command('REPLICAOF', 'NO', 'ONE') },
  { name: 'Redis OOM', cut: (redis) => redis.command('CONFIG', 'SET', 'maxmemory', '1'), mend: (redis) => redis.command('CONFIG', 'SET', 'maxmemory', '0') },
  { name: 'Redis NOPERM', cut: (redis) => redis.command('ACL', 'SETUSER', 'default', '-@write'), mend: (redis) => redis.command('ACL', 'SETUSER', 'default', ...ALL_RIGHTS) },
  { name: 'Redis NOREPLICAS', cut: (redis) => redis.command('CONFIG', 'SET', 'min-replicas-to-write', '1'), mend: (redis) => redis.command('CONFIG', 'SET', 'min-replicas-to-write', '0') },
  {
    name: 'Redis LOADING',
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
    await t.test(`${fault.name}: keys are read from the database, each instance admits its share, tokens wait, nothing is accepted twice, and all is well again within 2 s`, async (t) => {
      const { firstMs, fortyMs, backMs, open } = await judgeAsAway(t, service, fault)
      await assertOnce(t, service, open)
      t.comment(`${fault.name}: first answer ${Math.round(firstMs)} ms, forty answers ${Math.round(fortyMs)} ms, recovered ${Math.round(backMs)} ms after its return`)
    })
  }

  await t.test('Redis hung in the middle of a redemption: 503, and what the server does late is undone before anybody asks again', async (t) => {
    const { runtime, url } = service
    const open = await judgedToken(service, await newCaller(runtime))
    redis.hang()
    assertUnavailable(t, await fetchResults(url, open.token), runtime.config.secrets.watermark)
    redis.resume()
    const statuses: number[] = []
    while (statuses.at(-1) === undefined || statuses.at(-1) === 503) statuses.push((await fetchResults(url, open.token)).status)
    t.equal(statuses.at(-1), 200)
    t.equal((await fetchResults(url, open.token)).status, 410)
    t.equal(await redemptionsOf(runtime, open.id), 1)
  })

  await t.test('Redis NOSCRIPT: the script is sent again and nobody notices', async (t) => {
    const { runtime, url } = service
    const caller = await newCaller(runtime, { rpm: 5 })
    const open = await judgedToken(service, await newCaller(runtime))
    const statuses: number[] = []
    for (let n = 0; n < 10; n++) {
      await redis.command('SCRIPT', 'FLUSH')
      const answer = await policies(url, caller)
      statuses.push(answer.status)
      t.equal(await isDegraded(runtime, answer), false)
    }
    t.same(statuses, [200, 200, 200, 200, 200, 429, 429, 429, 429, 429], 'each was counted once')
    await redis.command('SCRIPT', 'FLUSH')
    await assertOnce(t, service, open)
  })

  await t.test('Redis restarted empty: one fresh window per key, open tokens are refused, a used token and an accepted request stay what they are', async (t) => {
    const { runtime, url } = service
    const caller = await newCaller(runtime, { rpm: 6, rph: 1000 })
    const revoked = await newCaller(runtime)
    const poster = await newCaller(runtime, { permissions: ['admin'] })
    const [used, open] = [await judgedToken(service, await newCaller(runtime)), await judgedToken(service, await newCaller(runtime))]
    t.equal((await fetchResults(url, used.token)).status, 200)
    const signed = signedWebhook(poster)
    t.equal((await sendWebhook(url, signed)).status, 200)
    t.equal((await policies(url, revoked)).status, 200)
    const ask = async (times: number): Promise<number> => (await Promise.all(Array.from({ length: times }, () => policies(url, caller)))).filter(({ status }) => status === 200).length
    t.equal(await ask(20), 6)

    await redis.kill9()
    const whileAway = await ask(20)
    t.equal(whileAway, 0, 'the share of 3 was spent before')
    await runtime.database.db.execute(sql`update api_keys set state = 'revoked', revoked_at = now() where id = ${revoked.keyId}`)
    await redis.restart({ empty: true })
    t.ok(await recoveredMs(service, await newCaller(runtime)) <= RECOVERY_MS)

    t.ok(await ask(20) <= 6, 'one fresh window and no more')
    t.equal(await ask(20), 0)
    t.equal((await policies(url, revoked)).status, 401, 'no record that was read before is relied on')
    t.match((await sendWebhook(url, signed)).body, { code: 'signature_replayed' })
    t.same([(await fetchResults(url, used.token)).status, (await fetchResults(url, open.token)).status], [401, 401], 'a lost record is refused, not trusted')
    t.same([await redemptionsOf(runtime, used.id), await redemptionsOf(runtime, open.id)], [1, 0])
  })
})

t.test('one instance whose Redis keeps its data admits no request more than the limit, however often Redis goes and comes', { skip, timeout: 60_000 }, async (t) => {
  if (redis === null) return
  const service = await startOn(t, redis, { INSTANCE_COUNT: '1' })
  const caller = await newCaller(service.runtime, { rpm: 60 })
  const probe = await newCaller(service.runtime, { rpm: 1000 })
  let admitted = 0
  const ask = async (): Promise<void> => {
    for (const { status } of await Promise.all(Array.from({ length: 12 }, () => policies(service.url, caller)))) if (status === 200) admitted++
  }
  for (const name of ['READONLY', 'OOM', 'NOREPLICAS']) {
    const fault = FAULTS.find((one) => one.name === `Redis ${name}`)
    await ask()
    await fault?.cut(redis)
    await ask()
    await fault?.mend(redis)
    await recoveredMs(service, probe)
  }
  for (let n = 0; n < 3; n++) await ask()
  t.equal(admitted, 60)
})

t.test('the rights that docs/operations.md names are enough, also for a password that needs encoding', { skip, timeout: 60_000 }, async (t) => {
  if (redis === null) return
  const [, rights = ''] = /^- \*\*Rights\.\*\* `([^`]+)`/m.exec(readFileSync('docs/operations.md', 'utf8')) ?? []
  t.ok(rights.includes('+@scripting'))
  await redis.command('ACL', 'SETUSER', 'service', 'on', '>p@ss:/%', '~fbfault:*', ...rights.split(' '))
  const { runtime, url } = await startAt(t, `redis://service:${encodeURIComponent('p@ss:/%')}@127.0.0.1:${redis.port}`)
  const caller = await newCaller(runtime)
  t.equal(await isDegraded(runtime, await policies(url, caller)), false)
  t.match(await readiness({ runtime }), { status: 200, detail: /"redis":"there"/ })
  await assertOnce(t, { runtime, url }, await judgedToken({ runtime, url }, caller))
  await redis.command('ACL', 'DELUSER', 'service')
})

t.test('Redis down at start: the service starts, judges in process, and finds Redis by itself', { skip, timeout: 60_000 }, async (t) => {
  if (redis === null) return
  await redis.stop()
  const service = await startOn(t, redis)
  const { runtime, url } = service
  const caller = await newCaller(runtime, { rpm: 10 })
  const answers = await Promise.all(Array.from({ length: 20 }, () => policies(url, caller)))
  t.same([200, 429].map((wanted) => answers.filter(({ status }) => status === wanted).length), [5, 15])
  t.equal((await readiness(service)).status, 200)
  await redis.restart()
  const backMs = await recoveredMs(service, await newCaller(runtime, { rpm: 1000 }))
  t.comment(`down at start: found ${Math.round(backMs)} ms after its start`)
  t.ok(backMs <= RECOVERY_MS)
  await assertOnce(t, service, await judgedToken(service, await newCaller(runtime)))
})
