/**
 * Revocations on two server processes under load. Probes of the key that is revoked run on both all the while; what counts is a request that
 * began after the revoking call had returned and succeeded all the same.
 */
import { spawnServer } from '../../test/helper/process.ts'
import { call, newCaller, operate, real, start, type Caller } from '../../test/helper/service.ts'
import { NotHereError, type Figure, type Proof, type ProofOptions } from '../proof-definition.ts'
import { seededRandom } from '../seeded.ts'

const PROBES_PER_INSTANCE = 5
const LOAD_CLIENTS = 4
/** Requests of each probe that begin after the revocation. */
const AFTER = 6
const LIMITS = { rpm: 100_000, rph: 100_000 }

const proof: Proof = {
  summary: 'no request that begins after a revocation has returned succeeds, on two instances under load',
  count: 100,
  unit: 'revocations',
  run: revokeUnderLoad
}

export default proof

interface Seen { begunMs: number, status: number }

async function revokeUnderLoad ({ count, seed, progress }: ProofOptions): Promise<Figure[]> {
  const stores = await real()
  if (stores === null) throw new NotHereError('PostgreSQL and Redis do not answer; set TEST_DATABASE_URL and TEST_REDIS_URL')
  const random = seededRandom(seed)
  const { runtime } = await start(stores, { RUN_WORKER: 'false' })
  const servers = await Promise.all(['one', 'two'].map((id) => spawnServer({ ...stores.env, INSTANCE_ID: id, LOG_LEVEL: 'fatal', RUN_WORKER: 'false' })))
  const urls = servers.map(({ url }) => url)
  const load = new AbortController()
  const steady = await newCaller(runtime, LIMITS)
  const clients = Array.from({ length: LOAD_CLIENTS }, async (_, n) => {
    let answers = 0
    for (; !load.signal.aborted; answers++) await call(String(urls[n % 2]), steady, 'GET', '/scenarios')
    return answers
  })
  const before: Seen[] = []
  const after: Seen[] = []
  const lateMs: number[] = []
  try {
    for (let n = 0; n < count; n++) {
      const caller = await newCaller(runtime, LIMITS)
      const { seen, returnedMs } = await revokeOne(urls, caller, () => operate(runtime, 'key.revoke', { key: caller.keyId }), random)
      for (const one of seen) (one.begunMs > returnedMs ? after : before).push(one)
      for (const one of seen) if (one.status === 200 && one.begunMs > returnedMs) lateMs.push(one.begunMs - returnedMs)
      progress(n + 1)
    }
  } finally {
    load.abort()
  }
  const loaded = (await Promise.all(clients)).reduce((sum, answers) => sum + answers, 0)
  await Promise.all(servers.map((server) => server.stop()))
  await runtime.close()
  await stores.drop()
  const wrong = [...before, ...after].filter(({ status }) => status !== 200 && status !== 401).length
  return [
    { what: 'requests of these keys that succeeded before', value: before.filter(({ status }) => status === 200).length },
    { what: 'requests that began after the return', value: after.length },
    { what: 'of them succeeded', value: lateMs.length, bar: '0', ok: lateMs.length === 0 },
    { what: 'latest success after the return', value: lateMs.length === 0 ? 'none' : `${Math.round(Math.max(...lateMs))} ms`, bar: 'none', ok: lateMs.length === 0 },
    { what: 'answers other than 200 and 401', value: wrong, bar: '0', ok: wrong === 0 },
    { what: 'requests of the load beside them', value: loaded }
  ]
}

async function revokeOne (urls: readonly string[], caller: Caller, revoke: () => Promise<unknown>, random: () => number): Promise<{ seen: Seen[], returnedMs: number }> {
  let returnedMs = Number.POSITIVE_INFINITY
  const seen: Seen[] = []
  let warm = (): void => {}
  const isWarm = new Promise<void>((resolve) => { warm = resolve })
  const served = new Set<string>()
  const probe = async (url: string): Promise<void> => {
    for (let after = 0; after < AFTER;) {
      const begunMs = performance.now()
      const { status } = await call(url, caller, 'GET', '/scenarios')
      seen.push({ begunMs, status })
      if (begunMs > returnedMs) after++
      served.add(url)
      if (served.size === urls.length) warm()
    }
  }
  const probes = urls.flatMap((url) => Array.from({ length: PROBES_PER_INSTANCE }, () => probe(url)))
  await isWarm
  await new Promise((resolve) => setTimeout(resolve, random() * 100))
  await revoke()
  returnedMs = performance.now()
  await Promise.all(probes)
  return { seen, returnedMs }
}
