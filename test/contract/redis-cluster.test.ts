import t from 'tap'
import { hashSlotOf } from '../../plugins/lib/hash-slot.ts'
import { NO_REDIS_SERVER, type PrivateRedis } from '../helper/private-redis.ts'
import { startCluster, until } from '../helper/redis-deployments.ts'
import { assertOnce, isDegraded, judgedToken, policies, readiness, recoveredMs, RECOVERY_MS, startAt } from '../helper/redis-faults.ts'
import { newCaller, type Caller } from '../helper/service.ts'

const KEYS = 12
const cluster = await startCluster()
t.teardown(() => cluster?.close())
const skip = cluster === null ? NO_REDIS_SERVER : false

// The master that serves a caller's keys.
function nodeOf (nodes: readonly PrivateRedis[], caller: Caller): PrivateRedis {
  const node = nodes[Math.floor(hashSlotOf(`fbfault:{${caller.keyId}}:w`) / (16_384 / nodes.length))]
  if (node === undefined) throw new Error('no node')
  return node
}

// A master that rejoins takes no writes for two seconds, by its own rule.
async function comeBack (node: PrivateRedis): Promise<void> {
  await node.restart()
  await until(async () => /cluster_state:ok/.test(String(await node.command('CLUSTER', 'INFO'))))
}

async function scriptsRun (nodes: readonly PrivateRedis[]): Promise<number> {
  const reports = await Promise.all(nodes.map((node) => node.command('INFO', 'commandstats')))
  return reports.flatMap((text) => [...String(text).matchAll(/^cmdstat_(?:eval|evalsha):calls=(\d+)/gm)]).reduce((sum, [, calls]) => sum + Number(calls), 0)
}

t.test('a cluster of three masters', { skip, timeout: 90_000 }, async (t) => {
  if (cluster === null) return
  const { nodes } = cluster
  const service = await startAt(t, cluster.url, { INSTANCE_COUNT: '2' })
  const { runtime, url } = service
  const callers = await Promise.all(Array.from({ length: KEYS }, () => newCaller(runtime, { rpm: 10 })))

  await t.test('holds each key\'s windows, replay records and epoch on one master, and spreads the keys', async (t) => {
    const admitted = await Promise.all(callers.map(async (caller) => (await Promise.all(Array.from({ length: 20 }, () => policies(url, caller)))).filter(({ status }) => status === 200).length))
    t.same(admitted, Array.from({ length: KEYS }, () => 10))
    t.ok(new Set(callers.map((caller) => nodeOf(nodes, caller).port)).size > 1)
    for (const caller of callers) {
      const held = await Promise.all(nodes.map(async (node) => (await node.command('KEYS', `fbfault:{${caller.keyId}}:*`) as string[]).length))
      t.same(held.filter((count) => count > 0).length, 1)
    }
  })

  await t.test('one round trip per admitted request', async (t) => {
    const caller = await newCaller(runtime, { rpm: 1000 })
    t.equal((await policies(url, caller)).status, 200)
    // The kill switch polls with scripts of its own, so what is counted is what stands out of them.
    const before = await scriptsRun(nodes)
    for (let n = 0; n < 200; n++) await policies(url, caller)
    const ran = await scriptsRun(nodes) - before
    t.ok(ran >= 200 && ran < 300, `${ran} scripts for 200 requests`)
  })

  await t.test('tokens are used once on whichever master they are', async (t) => {
    const caller = await newCaller(runtime, { rpm: 1000 })
    for (let n = 0; n < 6; n++) await assertOnce(t, service, await judgedToken(service, caller))
  })

  for (const [fault, cut, mend] of [
    ['is hung', (node: PrivateRedis) => node.hang(), (node: PrivateRedis) => node.resume()],
    ['is stopped', (node: PrivateRedis) => node.kill9(), comeBack]
  ] as const) {
    await t.test(`a master of a Redis Cluster away: one that ${fault} takes only its own keys with it, and is found again`, async (t) => {
      const fresh = await Promise.all(Array.from({ length: KEYS }, () => newCaller(runtime, { rpm: 1000 })))
      const [first] = fresh
      if (first === undefined) return
      const node = nodeOf(nodes, first)
      for (const caller of fresh) t.equal(await isDegraded(runtime, await policies(url, caller)), false)
      await cut(node)
      for (const caller of fresh) {
        const answer = await policies(url, caller)
        t.equal(answer.status, 200)
        t.equal(await isDegraded(runtime, answer), nodeOf(nodes, caller) === node, caller.keyId)
      }
      for (let n = 0; n < 5; n++) await policies(url, first)
      t.match((await readiness(service)).metrics, new RegExp(`^flowbeacon_circuit_open\\{store="redis",shard="127.0.0.1:${node.port}"\\} 1$`, 'm'))
      await mend(node)
      const backMs = await recoveredMs(service, first)
      t.comment(`${fault}: recovered ${Math.round(backMs)} ms after its return`)
      t.ok(backMs <= RECOVERY_MS)
    })
  }
})
