import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { NO_REDIS_SERVER, startPrivateRedis } from '../helper/private-redis.ts'
import { startSentinelDeployment, until } from '../helper/redis-deployments.ts'
import { fetchResults, judgedToken, policies, recoveredMs, RECOVERY_MS, redemptionsOf, sendWebhook, signedWebhook, startAt, startOn, type Service } from '../helper/redis-faults.ts'
import { newCaller, operate, type Caller } from '../helper/service.ts'

// What a failover takes back, and what an older copy brings back: never a second redemption, never a revoked key, never a replay.
const deployment = await startSentinelDeployment()
t.teardown(() => deployment?.close())
const skip = deployment === null ? NO_REDIS_SERVER : false

async function admittedOf ({ url }: Pick<Service, 'url'>, caller: Caller, times: number): Promise<number> {
  return (await Promise.all(Array.from({ length: times }, () => policies(url, caller)))).filter(({ status }) => status === 200).length
}

/** A sentinel's late announcement may end the new connection once more; until it stands again a token waits, for no longer than a recovery may take. */
async function answeredFor (url: string, token: string): Promise<Awaited<ReturnType<typeof fetchResults>>> {
  const startedMs = performance.now()
  for (;;) {
    const answer = await fetchResults(url, token)
    if (answer.status !== 503 || performance.now() - startedMs > RECOVERY_MS) return answer
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

t.test('Redis failed over with its tail unreplicated: one fresh window per key at most, no second redemption, no revoked key, no replay', { skip, timeout: 60_000 }, async (t) => {
  if (deployment === null) return
  const { master, replica } = deployment
  const service = await startAt(t, deployment.url, { INSTANCE_COUNT: '1' })
  const { runtime, url } = service
  const [caller, busy, revoked, poster] = await Promise.all([newCaller(runtime, { rpm: 1000 }), newCaller(runtime, { rpm: 20 }), newCaller(runtime), newCaller(runtime, { permissions: ['admin'] })])
  const [spent, whole] = [await judgedToken(service, caller), await judgedToken(service, caller)]
  t.equal((await policies(url, revoked)).status, 200)
  await until(async () => /slave0:.*offset=(\d+),lag=[01]\b[\s\S]*master_repl_offset:\1\b/.test(String(await master.command('INFO', 'replication'))))

  await deployment.cutReplication()
  t.equal((await fetchResults(url, spent.token)).status, 200, 'redeemed where the replica cannot see it')
  const lost = await judgedToken(service, caller)
  t.equal(await admittedOf(service, busy, 30), 20)
  await operate(runtime, 'key.revoke', { key: revoked.keyId })
  const signed = signedWebhook(poster)
  t.equal((await sendWebhook(url, signed)).status, 200)

  const killedMs = performance.now()
  await master.kill9()
  let whileAway = 0
  const statuses = new Set<number>()
  while (await deployment.masterPort() !== replica.port) {
    whileAway += await admittedOf(service, busy, 5)
    for (const answer of [await policies(url, caller), await policies(url, revoked), await fetchResults(url, whole.token)]) statuses.add(answer.status)
  }
  const announcedMs = performance.now()
  const backMs = await recoveredMs(service, caller)
  t.comment(`failover announced ${Math.round(announcedMs - killedMs)} ms after the kill; shared windows again ${Math.round(backMs)} ms after that`)
  t.ok(backMs <= RECOVERY_MS)
  t.same([...statuses].filter((status) => ![200, 401, 503].includes(status)), [], 'nothing but answers, a refused key and tokens that wait')
  t.equal(whileAway, 0, 'the window in process had been spent')

  t.ok(await admittedOf(service, busy, 40) <= 20, 'one fresh window')
  t.equal(await admittedOf(service, busy, 20), 0, 'and no more')
  t.equal((await policies(url, revoked)).status, 401, 'although its epoch was taken back')
  t.match((await sendWebhook(url, signed)).body, { code: 'signature_replayed' })
  t.equal((await answeredFor(url, spent.token)).status, 410, 'unused for this Redis; the row in the database confirms its use')
  t.equal((await answeredFor(url, lost.token)).status, 401, 'a lost record is refused, not trusted')
  t.same([(await answeredFor(url, whole.token)).status, (await answeredFor(url, whole.token)).status], [200, 410])
  t.same(await Promise.all([spent, lost, whole].map(({ id }) => redemptionsOf(runtime, id))), [1, 0, 1])
})

t.test('Redis restored from an older copy: no second redemption, no revoked key, no replay', { skip, timeout: 60_000 }, async (t) => {
  const redis = await startPrivateRedis()
  if (redis === null) return
  const copy = mkdtempSync(join(tmpdir(), 'flowbeacon-copy-'))
  t.teardown(async () => {
    await redis.close()
    rmSync(copy, { recursive: true, force: true })
  })
  const service = await startOn(t, redis)
  const { runtime, url } = service
  const [caller, revoked, poster] = await Promise.all([newCaller(runtime, { rpm: 1000 }), newCaller(runtime), newCaller(runtime, { permissions: ['admin'] })])
  const [spent, open] = [await judgedToken(service, caller), await judgedToken(service, caller)]
  t.equal((await policies(url, revoked)).status, 200)
  await redis.command('SAVE')
  redis.copyFiles(copy)

  t.equal((await fetchResults(url, spent.token)).status, 200)
  await operate(runtime, 'key.revoke', { key: revoked.keyId })
  const signed = signedWebhook(poster)
  t.equal((await sendWebhook(url, signed)).status, 200)
  await redis.kill9()
  await redis.restart({ from: copy })
  t.ok(await recoveredMs(service, caller) <= RECOVERY_MS)

  t.equal((await fetchResults(url, spent.token)).status, 410)
  t.same([(await fetchResults(url, open.token)).status, (await fetchResults(url, open.token)).status], [200, 410])
  t.equal((await policies(url, revoked)).status, 401)
  t.match((await sendWebhook(url, signed)).body, { code: 'signature_replayed' })
  t.same(await Promise.all([spent, open].map(({ id }) => redemptionsOf(runtime, id))), [1, 1])
})
