/**
 * SIGTERM to a running service under clients that keep connections, clients that open one for each request, and writers, all behind a
 * balancer that asks for readiness: a connection that is refused or ends without a whole answer is one too many. Beside them a few dial on
 * until nobody listens any more. What they see is told and not held against anything: a connection that the kernel took in the very moment
 * at which the socket was closed is reset, whatever a process does.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { instanceOf } from '../../test/helper/instance.ts'
import { countKept, startLoad, type Seen } from '../../test/helper/load.ts'
import { freePort } from '../../test/helper/private-redis.ts'
import { newCaller, real, start, type Caller, type Stores } from '../../test/helper/service.ts'
import { NotHereError, type Figure, type Proof, type ProofOptions } from '../proof-definition.ts'

const SERVER = fileURLToPath(new URL('../../bin/server.js', import.meta.url))
const LOAD_MS = 400
const READINESS_MS = 100
/** Shorter than in production: every client here asks many times a second. */
const SHUTDOWN_DELAY_MS = 500
const END_MS_MAX = 30_000

const proof: Proof = {
  summary: 'SIGTERM under load resets no client and ends with 0',
  count: 50,
  unit: 'drains',
  async run (options) {
    const stores = await real()
    if (stores === null) throw new NotHereError('no PostgreSQL and Redis answered (TEST_DATABASE_URL, TEST_REDIS_URL)')
    try {
      return await drain(stores, options)
    } finally {
      await stores.drop()
    }
  }
}

export default proof

async function drain (stores: Stores, { count, progress }: ProofOptions): Promise<Figure[]> {
  const { runtime } = await start(stores, { RUN_WORKER: 'false' })
  try {
    const caller = await newCaller(runtime, { rpm: 100_000, rph: 100_000 })
    const drained: Drained[] = []
    for (let n = 0; n < count; n++) {
      drained.push(await oneDrain(stores, caller))
      progress(n + 1)
    }
    let withoutRow = 0
    let lost = 0
    for (const seen of drained.flatMap(({ behind, insistent }) => [...behind, insistent])) {
      const { rows, stored } = await countKept(runtime.database, seen)
      withoutRow += seen.watermarks.size - rows
      lost += seen.accepted.size - stored
    }
    return figures(drained, withoutRow, lost)
  } finally {
    await runtime.close()
  }
}

interface Drained { end: { exit: number | string, ms: number }, behind: Seen[], insistent: Seen }

async function oneDrain (stores: Stores, caller: Caller): Promise<Drained> {
  const port = await freePort()
  const instance = instanceOf({ program: SERVER, ready: /Public API on/, env: { ...stores.env, PORT: String(port), OPS_PORT: '0', LOG_LEVEL: 'fatal', SHUTDOWN_DELAY_MS: String(SHUTDOWN_DELAY_MS) } })
  await instance.start()
  const opsUrl = /operations on (\S+)\)/.exec(instance.output())?.[1] ?? ''
  const balancer = await balance(opsUrl)
  const url = (): string => `http://127.0.0.1:${port}`
  const { isOffered } = balancer
  const behind = [startLoad(url, caller, { readers: 4, writers: 2, isOffered }), startLoad(url, caller, { readers: 2, writers: 1, keepAlive: false, isOffered })]
  const insistent = startLoad(url, caller, { readers: 2, writers: 0, endsWhenRefused: true })
  await wait(LOAD_MS)
  const end = await instance.stop()
  await Promise.all([...behind, insistent].map(({ isOver }) => isOver))
  balancer.stop()
  return { end, behind: behind.map(({ seen }) => seen), insistent: insistent.seen }
}

/** Asks for readiness as a balancer does, and offers the instance until it says no. */
async function balance (opsUrl: string): Promise<{ isOffered: () => boolean, stop: () => void }> {
  let isReady = true
  const timer = setInterval(() => {
    fetch(`${opsUrl}/readyz`).then(({ status }) => { isReady = status === 200 }, () => { isReady = false })
  }, READINESS_MS)
  return { isOffered: () => isReady, stop: () => clearInterval(timer) }
}

function figures (drained: readonly Drained[], withoutRow: number, lost: number): Figure[] {
  const all = drained.flatMap(({ behind }) => behind)
  const resets = all.flatMap(({ cut }) => [...cut])
  const reset = sumOf(resets.map(([, count]) => count))
  const refused = sumOf(all.map((seen) => seen.refused))
  const others = [...new Set(all.flatMap(({ statuses }) => [...statuses.keys()]).filter((status) => status !== '200'))]
  const unclean = drained.filter(({ end }) => end.exit !== 0).length
  const slowest = Math.max(...drained.map(({ end }) => end.ms))
  return [
    { what: 'requests reset', value: reset === 0 ? 0 : `${reset} (${[...new Set(resets.map(([code]) => code))].join()})`, bar: '0', ok: reset === 0 },
    { what: 'connections refused', value: refused, bar: '0', ok: refused === 0 },
    { what: 'answers but 200', value: others.length === 0 ? 0 : others.join(), bar: '0', ok: others.length === 0 },
    { what: 'ends with another code than 0', value: unclean, bar: '0', ok: unclean === 0 },
    { what: 'slowest end, ms', value: Math.round(slowest), bar: `<= ${END_MS_MAX}`, ok: slowest <= END_MS_MAX },
    { what: 'watermarks without a row', value: withoutRow, bar: '0', ok: withoutRow === 0 },
    { what: 'accepted evaluations lost', value: lost, bar: '0', ok: lost === 0 },
    { what: 'answers', value: sumOf(all.flatMap(({ statuses }) => [...statuses.values()])) },
    { what: 'resets of who dials to the end', value: sumOf(drained.flatMap(({ insistent }) => [...insistent.cut.values()])) }
  ]
}

function sumOf (numbers: readonly number[]): number {
  return numbers.reduce((sum, one) => sum + one, 0)
}
