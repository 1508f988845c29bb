/**
 * What good callers feel of a flood of bad keys: their throughput and latencies alone, beside it, and beside the same flood aimed at a
 * bystander that answers 429 and does nothing else, in alternating rounds. The flooder shares the processors of this machine with the
 * service, which attackers do not; the bystander's rounds tell how much of the slowness is that. The floods come from one address, from many
 * addresses of 127.0.0.0/8, and through a trusted proxy for many IPv4 addresses and for one /64 of IPv6. What it leaves behind is counted:
 * rows, quota of the victim, memory of the server. Flooder, bystander and good callers are processes of their own.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { Agent, createServer, request as httpRequest } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { constants, setPriority } from 'node:os'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { spawnServer } from '../../test/helper/process.ts'
import { call, headersFor, newCaller, real, start, type Caller } from '../../test/helper/service.ts'
import { NotHereError, type Figure, type Proof, type ProofOptions } from '../proof-definition.ts'
import { seededRandom } from '../seeded.ts'

const PATH = '/api/public/v1/governance/policies'
const CALLERS = 4
/** Enough for a tail that can be compared: a round has 750 answers, and its p99 is the eighth slowest of them. */
const CALLS_PER_SECOND = 300
/** Rounds and their length at full size; a small count is measured in one short round, which says little of speed. */
const FULL = { count: 10_000, rounds: 12, roundMs: 2500 }
const SMALL = { rounds: 1, roundMs: 500 }
const FLOODERS = 16
const SLOWER_MAX = 1.2
const GROWTH_MB_MAX = 50
const KINDS = ['one address', 'many addresses', 'many addresses behind a proxy', 'one IPv6 network behind a proxy'] as const
type Kind = typeof KINDS[number]

interface Task { role: 'callers' | 'flood', url: string, callers: Caller[], kind: Kind, perSecond: number, ms: number, seed: number }
interface Heard { times: number[], statuses: Record<number, number>, sent: number, lost: number }

const proof: Proof = {
  summary: 'a flood of bad keys slows good callers by less than a fifth and leaves nothing behind',
  count: 180_000,
  unit: 'bad requests',
  run: async (options) => await measure(options)
}

export default proof

async function measure ({ count, seed, progress }: ProofOptions): Promise<Figure[]> {
  const { rounds, roundMs } = count < FULL.count ? SMALL : FULL
  const stores = await real()
  if (stores === null) throw new NotHereError('no PostgreSQL and Redis answered (TEST_DATABASE_URL, TEST_REDIS_URL)')
  const { runtime } = await start(stores, { RUN_WORKER: 'false' })
  const callers = await Promise.all(Array.from({ length: CALLERS }, () => newCaller(runtime, { rpm: 100_000, rph: 100_000 })))
  await runtime.close()
  const sql = postgres(stores.env['DATABASE_URL'] ?? '', { max: 1, onnotice: () => {} })
  const server = await spawnServer({ ...stores.env, RUN_WORKER: 'false', LOG_LEVEL: 'error', AUTH_FAILURE_LIMIT_RPM: '120', TRUSTED_PROXIES: '127.0.0.1/32' })
  const children = [helper(), helper()] as const
  const bystander = fork(fileURLToPath(import.meta.url), ['bystander'])
  try {
    const perSecond = Math.ceil(count / KINDS.length / rounds / (roundMs / 1000))
    const figures: Figure[] = []
    const bystanderUrl = await new Promise<string>((resolve) => bystander.once('message', resolve))
    const tell = (role: Task['role'], kind: Kind, url = server.url): Promise<Heard> => ask(children[role === 'flood' ? 0 : 1], { role, url, callers, kind, perSecond, ms: roundMs, seed })
    // Until compiled code and the young generation have their size, which is not growth.
    for (const kind of rounds === SMALL.rounds ? KINDS.slice(0, 1) : KINDS) await Promise.all([tell('callers', kind), tell('flood', kind)])
    const rowsBefore = await rowsOf(sql)
    const warmMb = residentMb(server.pid)
    let asked = 0
    for (const [n, kind] of KINDS.entries()) {
      const alone: Heard[] = []
      const elsewhere: Heard[] = []
      const beside: Heard[] = []
      const floods: Heard[] = []
      for (let round = 0; round < rounds; round++) {
        alone.push(await tell('callers', kind))
        const [unconcerned] = await Promise.all([tell('callers', kind), tell('flood', kind, bystanderUrl)])
        elsewhere.push(unconcerned)
        const [heard, flood] = await Promise.all([tell('callers', kind), tell('flood', kind)])
        beside.push(heard)
        floods.push(flood)
        progress(Math.round((n + (round + 1) / rounds) * count / KINDS.length), kind)
      }
      asked += [...alone, ...elsewhere, ...beside].reduce((sum, { sent }) => sum + sent, 0)
      figures.push(...compare(kind, { alone, elsewhere, beside, floods }))
    }
    await new Promise((resolve) => setTimeout(resolve, 1500))
    const grownMb = residentMb(server.pid) - warmMb
    const rows = await rowsOf(sql)
    const [victim] = callers
    const left = victim === undefined ? Number.NaN : Number((await call(server.url, victim, 'GET', '/governance/policies')).headers.get('x-ratelimit-remaining'))
    const minutes = 2 + Math.ceil(KINDS.length * (rounds * 3 + 1) * roundMs / 60_000)
    const refusalRows = rows.refusals - rowsBefore.refusals
    return [
      ...figures,
      { what: 'audit rows beyond those of good callers', value: rows.audit - rowsBefore.audit - asked, bar: '0', ok: rows.audit - rowsBefore.audit === asked },
      { what: 'rows that count the refused', value: refusalRows, bar: `<= ${minutes * 1010}`, ok: refusalRows <= minutes * 1010 },
      { what: 'memory of the server grown, MB', value: Math.round(grownMb), bar: `< ${GROWTH_MB_MAX}`, ok: grownMb < GROWTH_MB_MAX },
      { what: 'quota left of a caller, of 100000', value: left, bar: '> 0', ok: left > 0 }
    ]
  } finally {
    for (const child of [...children, bystander]) child.kill()
    await server.stop()
    await sql.end({ timeout: 2 })
    await stores.drop()
  }
}

interface Rounds { alone: Heard[], elsewhere: Heard[], beside: Heard[], floods: Heard[] }

function compare (kind: Kind, { alone, elsewhere, beside, floods }: Rounds): Figure[] {
  const good = (heard: Heard[]): number => heard.reduce((sum, { statuses }) => sum + (statuses[200] ?? 0), 0)
  const times = (heard: Heard[]): number[] => heard.flatMap((one) => one.times).sort((a, b) => a - b)
  const quantile = (heard: Heard[], share: number): number => { const all = times(heard); return all[Math.floor(all.length * share)] ?? Number.NaN }
  // A round that another process of the machine disturbs spoils a tail; the median of the rounds' own tails does not care.
  const typical = (heard: Heard[], share: number): number => heard.map((one) => quantile([one], share)).sort((a, b) => a - b)[Math.floor((heard.length - 1) / 2)] ?? Number.NaN
  const statuses = floods.reduce<Record<string, number>>((sum, one) => { for (const [status, n] of Object.entries(one.statuses)) sum[status] = (sum[status] ?? 0) + n; return sum }, {})
  const ratio = (name: string, value: number, detail: string): Figure => ({ what: `${kind}: ${name} ${detail}`, value: value.toFixed(2), bar: `<= ${SLOWER_MAX}`, ok: value <= SLOWER_MAX })
  const slower = (name: string, measure: (heard: Heard[]) => number): Figure[] => {
    const [quiet, other, own] = [measure(alone), measure(elsewhere), measure(beside)]
    return [
      ratio(`${name}, at the service / at a bystander`, own / other, `(${own.toFixed(1)} / ${other.toFixed(1)} ms)`),
      { what: `${kind}: ${name}, at the service / none (${own.toFixed(1)} / ${quiet.toFixed(1)} ms)`, value: (own / quiet).toFixed(2) }
    ]
  }
  return [
    ratio('throughput, alone / beside', good(alone) / good(beside), `(${good(alone)} / ${good(beside)})`),
    ...slower('median', (heard) => quantile(heard, 0.5)),
    ...slower('p99', (heard) => typical(heard, 0.99)),
    { what: `${kind}: flood sent ${floods.reduce((sum, { sent }) => sum + sent, 0)}, lost ${floods.reduce((sum, { lost }) => sum + lost, 0)}`, value: Object.entries(statuses).map(([status, n]) => `${status} x ${n}`).join(', ') }
  ]
}

async function rowsOf (sql: postgres.Sql): Promise<{ audit: number, refusals: number }> {
  const [row] = await sql`select (select count(*) from audit_rows)::int as audit, (select count(*) from refusal_counts)::int as refusals`
  return { audit: Number(row?.['audit']), refusals: Number(row?.['refusals']) }
}

function residentMb (pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? Number.NaN) / 1024
  } catch {
    throw new NotHereError('the memory of a process is read from /proc, which is not here')
  }
}

function helper (): ChildProcess {
  return fork(fileURLToPath(import.meta.url), ['helper'])
}

async function ask (child: ChildProcess, task: Task): Promise<Heard> {
  return await new Promise<Heard>((resolve, reject) => {
    const fail = (code: number | null): void => reject(new Error(`a helper ended with ${code ?? 'a signal'}`))
    child.once('exit', fail)
    child.once('message', (message: Heard) => {
      child.off('exit', fail)
      resolve(message)
    })
    child.send(task)
  })
}

/** Good callers at a steady pace that does not wait for answers. */
async function goodCallers ({ url, callers, ms }: Task): Promise<Heard> {
  const heard: Heard = { times: [], statuses: {}, sent: 0, lost: 0 }
  const agent = new Agent({ keepAlive: true, maxSockets: 32 })
  const { hostname, port } = new URL(url)
  const one = async (caller: Caller): Promise<void> => await new Promise((resolve) => {
    const startedMs = performance.now()
    // An address of their own, so that the flood does not block theirs.
    const outgoing = httpRequest({ hostname, port, path: PATH, agent, localAddress: '127.0.0.9', headers: headersFor(caller, 'GET', PATH) }, (incoming) => {
      incoming.resume().on('end', () => {
        heard.times.push(performance.now() - startedMs)
        const status = incoming.statusCode ?? 0
        heard.statuses[status] = (heard.statuses[status] ?? 0) + 1
        resolve()
      })
    })
    outgoing.on('error', () => {
      heard.lost++
      resolve()
    }).end()
  })
  const pending: Array<Promise<void>> = []
  await pace(ms, CALLS_PER_SECOND, (n) => {
    const caller = callers[n % callers.length]
    if (caller !== undefined) pending.push(one(caller))
    heard.sent++
  })
  await Promise.all(pending)
  agent.destroy()
  return heard
}

/** Bad keys at a steady pace over sockets that are kept alive, and opened again when they are cut. */
async function flood ({ url, kind, perSecond, ms, seed }: Task): Promise<Heard> {
  const heard: Heard = { times: [], statuses: {}, sent: 0, lost: 0 }
  const random = seededRandom(seed)
  const { hostname, port } = new URL(url)
  const sockets: Array<Socket | undefined> = []
  const open = (slot: number): Socket => {
    const localAddress = kind === 'one address' ? '127.0.0.2' : kind === 'many addresses' ? `127.${1 + Math.floor(random() * 250)}.${Math.floor(random() * 256)}.${1 + Math.floor(random() * 250)}` : '127.0.0.1'
    const socket = connect({ host: hostname, port: Number(port), localAddress, noDelay: true })
    socket.on('data', (chunk: Buffer) => {
      for (const [, status = ''] of chunk.toString('latin1').matchAll(/HTTP\/1\.1 (\d{3}) /g)) heard.statuses[Number(status)] = (heard.statuses[Number(status)] ?? 0) + 1
    })
    socket.on('error', () => {})
    socket.on('close', () => { if (sockets[slot] === socket) sockets[slot] = undefined })
    sockets[slot] = socket
    return socket
  }
  await pace(ms, perSecond, (n) => {
    const slot = n % FLOODERS
    const socket = sockets[slot] ?? open(slot)
    const key = `fb_live_${Array.from({ length: 6 }, () => Math.floor(random() * 2 ** 32).toString(16).padStart(8, '0')).join('')}`
    const forwarded = kind === 'many addresses behind a proxy' ? `X-Forwarded-For: 10.${n >> 8 & 255}.${n & 255}.${1 + Math.floor(random() * 250)}\r\n` : kind === 'one IPv6 network behind a proxy' ? `X-Forwarded-For: 2001:db8:1:1::${(n & 65535).toString(16)}\r\n` : ''
    socket.write(`GET ${PATH} HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer ${key}\r\nX-FB-Signature: t=1,v1=${'0'.repeat(64)}\r\n${forwarded}\r\n`)
    heard.sent++
    // From many addresses means a connection for a few requests each.
    if (kind === 'many addresses' && n % 5 === 0) {
      socket.end()
      sockets[slot] = undefined
    }
  })
  for (const socket of sockets) socket?.destroy()
  const answered = Object.values(heard.statuses).reduce((sum, n) => sum + n, 0)
  return { ...heard, lost: heard.sent - answered }
}

async function pace (ms: number, perSecond: number, act: (n: number) => void): Promise<void> {
  const startedMs = performance.now()
  let n = 0
  while (performance.now() - startedMs < ms) {
    const due = Math.floor((performance.now() - startedMs) / 1000 * perSecond)
    while (n < due) act(n++)
    await new Promise((resolve) => setTimeout(resolve, 4))
  }
}

/** Refuses whatever comes, at the least cost that an HTTP server has. */
async function stand (): Promise<string> {
  const server = createServer((_incoming, outgoing) => { outgoing.writeHead(429, { 'content-length': 0 }).end() })
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

if (process.argv[2] === 'bystander') stand().then((url) => process.send?.(url), () => process.exit(1))
// Attackers bring machines of their own: the flooder takes only what processor time the service and its stores leave.
if (process.argv[2] === 'helper') {
  process.on('message', (task: Task) => {
    if (task.role === 'flood') setPriority(constants.priority.PRIORITY_LOW)
    ;(task.role === 'flood' ? flood(task) : goodCallers(task)).then((heard) => process.send?.(heard), () => process.exit(1))
  })
}
