/**
 * The running service against requests that are nearly requests: a grammar of good and strange ones, changed in their bytes, pipelined over
 * raw sockets, with reconnects. No answer may be 5xx; none may be 2xx unless what was sent holds, unbroken, a signed request that it can
 * be owed to; each carries a watermark of this service; the process must not grow. A conversation that breaks one of these is printed.
 */
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { loadConfig } from '../../config.ts'
import { verifyWatermark } from '../../plugins/lib/watermark-id.ts'
import { spawnServer, type ServerProcess } from '../../test/helper/process.ts'
import { embedded, newCaller, real, start, type Stores } from '../../test/helper/service.ts'
import { NotHereError, type Figure, type Proof, type ProofOptions } from '../proof-definition.ts'
import { converse, type Conversation } from '../raw-requests.ts'
import { seededRandom } from '../seeded.ts'

const CONNECTIONS = 32
const KEYS = 8
/** A conversation that says nothing for so long waits for bytes that will not come. */
const SILENCE_MS = 1500
const WARM_UP_SHARE = 0.1
const WARM_UP_MIN = 5000
const GROWTH_MB_MAX = 50
const REPORTS_MAX = 20
/** As in a small container: without a bound the collector lets garbage lie, and resident memory tells of the machine's leisure. What leaks, ends the process. */
const HEAP = '--max-old-space-size=96'
const DEADLINES = { HEADERS_TIMEOUT_MS: '400', BODY_DEADLINE_MS: '400', REQUEST_TIMEOUT_MS: '800' }

const proof: Proof = {
  summary: 'mutated requests over raw sockets: no 5xx, no unexpected 2xx, no growth',
  count: 1_000_000,
  unit: 'requests',
  run: async (options) => await fuzz(options)
}

export default proof

interface Tally { requests: number, conversations: number, statuses: Map<number, number>, serverErrors: number, unexpected: number, unmarked: number, cutOff: number }

async function fuzz ({ count, seed, progress }: ProofOptions): Promise<Figure[]> {
  const stores = await real() ?? embedded()
  try {
    const keys = await makeKeys(stores)
    const server = await spawnServer({ ...stores.env, ...DEADLINES, NODE_OPTIONS: HEAP, AUTH_FAILURE_LIMIT_RPM: '100000000', RUN_WORKER: 'false', LOG_LEVEL: 'error' })
    try {
      return await run(server, loadConfig(stores.env).secrets.watermark, keys, { count, seed, progress })
    } finally {
      await server.stop()
    }
  } finally {
    await stores.drop()
  }
}

async function makeKeys (stores: Stores): Promise<string[]> {
  const { runtime } = await start(stores, { RUN_WORKER: 'false' })
  const keys: string[] = []
  for (let n = 0; n < KEYS; n++) keys.push((await newCaller(runtime, { permissions: ['admin'], rpm: 100_000, rph: 100_000 })).key)
  await runtime.close()
  return keys
}

async function run (server: ServerProcess, secret: Buffer, keys: readonly string[], { count, seed, progress }: ProofOptions): Promise<Figure[]> {
  const tally: Tally = { requests: 0, conversations: 0, statuses: new Map(), serverErrors: 0, unexpected: 0, unmarked: 0, cutOff: 0 }
  const warmUp = Math.min(count / 2, Math.max(WARM_UP_MIN, count * WARM_UP_SHARE))
  let warmMb = Number.NaN
  let mostMb = 0
  const look = (): void => {
    progress(tally.requests, `${mostMb.toFixed(0)} MB`)
    if (tally.requests < warmUp) return
    if (server.ended() !== null) return
    const mb = residentMb(server.pid)
    if (Number.isNaN(warmMb)) warmMb = mb
    mostMb = Math.max(mostMb, mb)
  }
  let next = 0
  const talker = async (): Promise<void> => {
    while (tally.requests < count) {
      const number = next++
      const conversation = converse(seededRandom(seed + number * 7919), keys, Math.floor(Date.now() / 1000))
      tally.requests += conversation.requests
      tally.conversations++
      judge(conversation, await talk(server.url, conversation.bytes), secret, tally, `seed ${seed}, conversation ${number}`)
      if (number % 50 === 0) look()
      if (server.ended() !== null) throw new Error(`the server ended: ${server.output().slice(-2000)}`)
    }
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, talker))
  if (server.ended() !== null) throw new Error(`the server ended: ${server.output().slice(-2000)}`)
  look()
  return figuresOf(tally, warmMb, mostMb)
}

function figuresOf (tally: Tally, warmMb: number, mostMb: number): Figure[] {
  const answers = [...tally.statuses].sort(([a], [b]) => a - b)
  const grownMb = Math.round((mostMb - warmMb) * 10) / 10
  return [
    { what: 'answers 5xx', value: tally.serverErrors, bar: '0', ok: tally.serverErrors === 0 },
    { what: 'unexpected 2xx', value: tally.unexpected, bar: '0', ok: tally.unexpected === 0 },
    { what: 'answers without a valid watermark', value: tally.unmarked, bar: '0', ok: tally.unmarked === 0 },
    { what: 'resident memory grown after warm-up, MB', value: grownMb, bar: `< ${GROWTH_MB_MAX}`, ok: grownMb < GROWTH_MB_MAX },
    { what: 'resident memory after warm-up, MB', value: Math.round(warmMb) },
    { what: 'answers', value: answers.reduce((sum, [, times]) => sum + times, 0) },
    { what: 'connections', value: tally.conversations },
    { what: 'connections that had to be given up', value: tally.cutOff },
    ...answers.map(([status, times]) => ({ what: `answers ${status}`, value: times }))
  ]
}

interface Heard { text: string, wasCut: boolean }

async function talk (url: string, bytes: Buffer): Promise<Heard> {
  const { hostname, port } = new URL(url)
  return await new Promise((resolve) => {
    let text = ''
    let wasCut = false
    const socket = connect({ host: hostname, port: Number(port), noDelay: true }, () => socket.write(bytes))
    socket.setTimeout(SILENCE_MS, () => {
      wasCut = true
      socket.destroy()
    })
    socket.on('data', (chunk: Buffer) => { text += chunk.toString('latin1') })
    socket.on('end', () => socket.end())
    socket.on('error', () => {})
    socket.on('close', () => resolve({ text, wasCut }))
  })
}

function judge (conversation: Conversation, { text, wasCut }: Heard, secret: Buffer, tally: Tally, name: string): void {
  if (wasCut) tally.cutOff++
  let good = 0
  const complain = (what: string): void => {
    if (tally.serverErrors + tally.unexpected + tally.unmarked > REPORTS_MAX) return
    process.stderr.write(`raw-fuzz: ${what} (${name})\n  sent ${JSON.stringify(conversation.bytes.toString('latin1').slice(0, 6000))}\n  heard ${JSON.stringify(text.slice(0, 3000))}\n`)
  }
  for (const answer of text.split(/(?=HTTP\/1\.1 \d{3} )/)) {
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1] ?? Number.NaN)
    if (Number.isNaN(status) || status === 100) continue
    // A connection that was given up may have been so in the middle of a head.
    if (!answer.includes('\r\n\r\n')) continue
    tally.statuses.set(status, (tally.statuses.get(status) ?? 0) + 1)
    if (status >= 200 && status < 300) good++
    if (!verifyWatermark(/\r\nx-fb-watermark: (\S+)\r\n/i.exec(answer)?.[1] ?? '', secret)) {
      tally.unmarked++
      complain(`an answer ${status} without a valid watermark`)
    }
    if (status >= 500) {
      tally.serverErrors++
      complain(`an answer ${status}`)
    }
  }
  const most = owed(conversation)
  if (good <= most) return
  tally.unexpected += good - most
  complain(`${good} answers 2xx where ${most} can be owed to what was sent`)
}

/** How many 2xx can be owed to the bytes: whole request lines of open routes, and of signed requests whose signature is there as well. */
function owed ({ bytes, made }: Conversation): number {
  const text = bytes.toString('latin1')
  const times = (part: string): number => text.split(part).length - 1
  const counted = new Set<string>()
  let most = 0
  for (const { method, path, proof } of made) {
    const line = `${method} ${path}`
    const identity = `${line} ${proof ?? ''}`
    if (counted.has(identity)) continue
    counted.add(identity)
    if (path.endsWith('/governance/health') && path.startsWith('/') && method === 'GET') most += times(line)
    else if (proof !== null) most += Math.min(times(line), times(proof))
  }
  return most
}

function residentMb (pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? Number.NaN) / 1024
  } catch {
    throw new NotHereError('the memory of a process is read from /proc, which is not here')
  }
}
