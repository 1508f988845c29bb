/**
 * Whether a canary key can be told from a dead or an unknown one by how long the refusal takes. Interleaved trials over real HTTP on one
 * connection, in random order; Mann-Whitney U (rank sum, normal approximation with ties) per pair. Prints medians and p-values; a small
 * p would mean that they can be told apart. `npm run bench:canary`; TEST_DATABASE_URL and TEST_REDIS_URL as in the tests.
 */
import { randomBytes, randomInt } from 'node:crypto'
import { Agent, request } from 'node:http'
import { signRequest } from '../plugins/lib/hmac.ts'
import { embedded, newCaller, operate, real, start } from '../test/helper/service.ts'

const TRIALS = Number(process.env['TRIALS'] ?? 10_000)
const WARM_UP = 500
const PATH = '/api/public/v1/scenarios'
const KINDS = ['canary', 'revoked', 'unknown'] as const

type Kind = typeof KINDS[number]

const stores = await real() ?? embedded()
const { runtime, url } = await start(stores, { AUTH_FAILURE_LIMIT_RPM: '999999999' })
const caller = await newCaller(runtime)
const create = async (options: object): Promise<{ id: string, key: string }> => await operate(runtime, 'key.create', { org: caller.orgId, name: 'trial', permissions: ['governance:read'], ...options })
const canary = await create({ canary_label: 'bench' })
const revoked = await create({})
await operate(runtime, 'key.revoke', { key: revoked.id })
const keys: Record<Kind, string> = { canary: canary.key, revoked: revoked.key, unknown: `fb_live_${randomBytes(24).toString('hex')}` }
const agent = new Agent({ keepAlive: true, maxSockets: 1 })

async function trial (kind: Kind): Promise<number> {
  const key = keys[kind]
  const headers = { authorization: `Bearer ${key}`, 'x-fb-signature': signRequest({ key, timestampSeconds: Math.floor(Date.now() / 1000), method: 'GET', path: PATH, body: Buffer.alloc(0) }) }
  const startedNs = process.hrtime.bigint()
  await new Promise<void>((resolve, reject) => {
    const sent = request(url + PATH, { agent, headers }, (answer) => {
      if (answer.statusCode !== 401) reject(new Error(`${kind} was answered with ${answer.statusCode ?? 0}`))
      answer.resume().on('end', resolve)
    })
    sent.on('error', reject)
    sent.end()
  })
  return Number(process.hrtime.bigint() - startedNs) / 1000
}

const times: Record<Kind, number[]> = { canary: [], revoked: [], unknown: [] }
for (let n = 0; n < WARM_UP; n++) await trial(KINDS[n % 3] ?? 'canary')
for (let n = 0; n < TRIALS; n++) {
  const order = [...KINDS].sort(() => randomInt(3) - 1)
  for (const kind of order) times[kind].push(await trial(kind))
  if (process.stderr.isTTY && n % 100 === 0) process.stderr.write(`\r${n}/${TRIALS}`)
}

process.stdout.write(`${TRIALS} interleaved trials each, stores: ${stores.name}\n`)
for (const kind of KINDS) process.stdout.write(`${kind.padEnd(8)} median ${quantile(times[kind], 0.5).toFixed(1)} µs, p90 ${quantile(times[kind], 0.9).toFixed(1)} µs\n`)
for (const [one, other] of [['canary', 'revoked'], ['canary', 'unknown'], ['revoked', 'unknown']] as const) {
  process.stdout.write(`${one} against ${other}: p = ${mannWhitney(times[one], times[other]).toFixed(4)}\n`)
}
agent.destroy()
await runtime.close()
await stores.drop()

function quantile (values: readonly number[], share: number): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length * share)] ?? Number.NaN
}

/** Two-sided p of the rank-sum test. */
function mannWhitney (one: readonly number[], other: readonly number[]): number {
  const all = [...one.map((value) => ({ value, isOne: true })), ...other.map((value) => ({ value, isOne: false }))].sort((a, b) => a.value - b.value)
  let rankSum = 0
  let ties = 0
  for (let from = 0; from < all.length;) {
    let to = from
    while (to < all.length && all[to]?.value === all[from]?.value) to++
    const rank = (from + to + 1) / 2
    for (let at = from; at < to; at++) if (all[at]?.isOne === true) rankSum += rank
    ties += (to - from) ** 3 - (to - from)
    from = to
  }
  const [n, m] = [one.length, other.length]
  const u = rankSum - n * (n + 1) / 2
  const variance = n * m / 12 * (n + m + 1 - ties / ((n + m) * (n + m - 1)))
  return 2 * (1 - normal(Math.abs(u - n * m / 2) / Math.sqrt(variance)))
}

/** The standard normal distribution (Abramowitz and Stegun 26.2.17, error below 7.5e-8). */
function normal (z: number): number {
  const k = 1 / (1 + 0.2316419 * z)
  const tail = k * (0.319381530 + k * (-0.356563782 + k * (1.781477937 + k * (-1.821255978 + k * 1.330274429))))
  return 1 - Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI) * tail
}
