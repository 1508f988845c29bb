import { freePort, startPrivateRedis, type PrivateRedis } from './private-redis.ts'

const POLL_MS = 20
const READY_MS_MAX = 20_000
const SLOTS = 16_384
const MASTER_NAME = 'mymaster'

export interface SentinelDeployment {
  readonly url: string
  readonly master: PrivateRedis
  readonly replica: PrivateRedis
  /** The port that the first sentinel names. */
  readonly masterPort: () => Promise<number>
  /** Keeps the replica at what it has: from now on nothing that the master does reaches it. */
  readonly cutReplication: () => Promise<void>
  readonly close: () => Promise<void>
}

// One master, one replica and three sentinels on loopback; null without redis-server.
export async function startSentinelDeployment (): Promise<SentinelDeployment | null> {
  const master = await startPrivateRedis()
  if (master === null) return null
  const started: PrivateRedis[] = [master]
  const start = async (options: Parameters<typeof startPrivateRedis>[0]): Promise<PrivateRedis> => {
    const one = await startPrivateRedis(options)
    if (one === null) throw new Error('redis-server is gone')
    started.push(one)
    return one
  }
  const replica = await start({ config: [`replicaof 127.0.0.1 ${master.port}`] })
  await until(async () => /master_link_status:up/.test(String(await replica.command('INFO', 'replication'))))
  const watch = [`sentinel monitor ${MASTER_NAME} 127.0.0.1 ${master.port} 2`, `sentinel down-after-milliseconds ${MASTER_NAME} 500`, `sentinel failover-timeout ${MASTER_NAME} 3000`]
  const sentinels = [await start({ args: ['--sentinel'], config: watch }), await start({ args: ['--sentinel'], config: watch }), await start({ args: ['--sentinel'], config: watch })]
  const [first] = sentinels
  if (first === undefined) throw new Error('no sentinel')
  // They must know each other and the replica before they can agree on a failover.
  await until(async () => {
    const known = await Promise.all(sentinels.map(async (one) => pairsOf(await one.command('SENTINEL', 'MASTER', MASTER_NAME))))
    return known.every((fields) => fields.get('num-other-sentinels') === '2' && fields.get('num-slaves') === '1')
  })
  return {
    url: `redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/${MASTER_NAME}`,
    master,
    replica,
    async masterPort () {
      const address = await first.command('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER_NAME)
      return Number(Array.isArray(address) ? address[1] : Number.NaN)
    },
    async cutReplication () {
      await master.command('ACL', 'SETUSER', 'default', '-psync', '-sync', '-replconf')
      await master.command('CLIENT', 'KILL', 'TYPE', 'replica')
      await until(async () => /master_link_status:down/.test(String(await replica.command('INFO', 'replication'))))
    },
    async close () { for (const one of started.reverse()) await one.close() }
  }
}

export interface ClusterDeployment { readonly url: string, readonly nodes: readonly PrivateRedis[], readonly close: () => Promise<void> }

// Three masters on loopback that share the slots between them; null without redis-server.
export async function startCluster (): Promise<ClusterDeployment | null> {
  const nodes: PrivateRedis[] = []
  for (let n = 0; n < 3; n++) {
    const node = await startPrivateRedis({ aof: true, config: ['cluster-enabled yes', 'cluster-node-timeout 1000', 'cluster-require-full-coverage no', `cluster-port ${await freePort()}`] })
    if (node === null) return null
    nodes.push(node)
  }
  const close = async (): Promise<void> => { for (const node of nodes) await node.close() }
  const [first] = nodes
  try {
    for (const [at, node] of nodes.entries()) {
      await node.command('CLUSTER', 'SET-CONFIG-EPOCH', at + 1)
      await node.command('CLUSTER', 'ADDSLOTSRANGE', Math.ceil(at * SLOTS / 3), Math.ceil((at + 1) * SLOTS / 3) - 1)
      const [, busPort] = await node.command('CONFIG', 'GET', 'cluster-port') as string[]
      if (node !== first) await first?.command('CLUSTER', 'MEET', '127.0.0.1', node.port, busPort ?? '')
    }
    await until(async () => (await Promise.all(nodes.map((node) => node.command('CLUSTER', 'INFO')))).every((text) => /cluster_state:ok/.test(String(text)) && /cluster_slots_ok:16384/.test(String(text)) && /cluster_known_nodes:3/.test(String(text))))
  } catch (err) {
    await close()
    throw err
  }
  return { url: `redis+cluster://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`, nodes, close }
}

export async function until (holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + READY_MS_MAX; !await holds().catch(() => false);) {
    if (Date.now() > deadline) throw new Error('it did not come to hold')
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

function pairsOf (reply: unknown): Map<string, string> {
  const list = Array.isArray(reply) ? reply.map(String) : []
  return new Map(list.flatMap((name, at) => at % 2 === 0 ? [[name, list[at + 1] ?? ''] as const] : []))
}
