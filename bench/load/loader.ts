/** One slot of load on one target, by wrk where it is installed, else by autocannon, whose own processor time is several times larger. */
import { spawn, spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { signRequest } from '../../plugins/lib/hmac.ts'

const SCRIPT = fileURLToPath(new URL('../../../bench/load/signed.lua', import.meta.url))
const PACKAGES = createRequire(new URL('../../../bench/package.json', import.meta.url))
export const BODY_BYTES = 1024

export interface Load { readonly method: 'GET' | 'POST', readonly connections: number, readonly seconds: number, readonly path: string, readonly keysFile: string }

export interface Slot {
  readonly requests: number
  readonly seconds: number
  /** Answers that were no 2xx, and connections that failed. */
  readonly failed: number
  readonly p50Ms: number
  readonly p99Ms: number
}

export type Loader = (url: string, load: Load) => Promise<Slot>

export function findLoader (): { name: string, run: Loader } {
  const hasWrk = spawnSync('wrk', ['--version'], { stdio: 'ignore' }).error === undefined
  return hasWrk ? { name: 'wrk', run: byWrk } : { name: 'autocannon', run: byAutocannon }
}

async function byWrk (url: string, { method, connections, seconds, path, keysFile }: Load): Promise<Slot> {
  const child = spawn('wrk', ['-t1', `-c${connections}`, `-d${seconds}s`, '-s', SCRIPT, url], {
    env: { ...process.env, BENCH_KEYS: keysFile, BENCH_METHOD: method, BENCH_PATH: path, BENCH_BODY_BYTES: String(BODY_BYTES) },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => { text += chunk.toString() })
  await new Promise((resolve) => child.once('close', resolve))
  const line = text.split('\n').find((one) => one.startsWith('{'))
  if (line === undefined) throw new Error(`wrk printed no result: ${text.slice(0, 200)}`)
  const seen = JSON.parse(line) as { requests: number, micros: number, failed: number, p50: number, p99: number }
  return { requests: seen.requests, seconds: seen.micros / 1e6, failed: seen.failed, p50Ms: seen.p50 / 1000, p99Ms: seen.p99 / 1000 }
}

interface AutocannonResult { '2xx': number, non2xx: number, errors: number, duration: number, latency: { p50: number, p99: number } }
type Autocannon = (options: object) => Promise<AutocannonResult>

async function byAutocannon (url: string, { method, connections, seconds, path, keysFile }: Load): Promise<Slot> {
  const autocannon = PACKAGES('autocannon') as Autocannon
  const keys = readFileSync(keysFile, 'utf8').split('\n').filter((line) => line !== '')
  const run = Date.now().toString(16)
  let sent = 0
  const seen = await autocannon({
    url,
    connections,
    duration: seconds,
    requests: [{
      method,
      path,
      setupRequest: (request: object) => {
        const key = keys[sent++ % keys.length] ?? ''
        const body = method === 'POST' ? bodyOf(run, sent) : ''
        const signature = signRequest({ key, timestampSeconds: Math.floor(Date.now() / 1000), method, path, body: Buffer.from(body) })
        return { ...request, headers: { authorization: `Bearer ${key}`, 'x-fb-signature': signature, ...(body === '' ? {} : { 'content-type': 'application/json' }) }, ...(body === '' ? {} : { body }) }
      }
    }]
  })
  return { requests: seen['2xx'] + seen.non2xx, seconds: seen.duration, failed: seen.non2xx + seen.errors, p50Ms: seen.latency.p50, p99Ms: seen.latency.p99 }
}

function bodyOf (run: string, number: number): string {
  const text = JSON.stringify({ run, number: String(number).padStart(10, '0'), text: '' })
  return `${text.slice(0, -2)}${'x'.repeat(Math.max(0, BODY_BYTES - text.length))}"}`
}
