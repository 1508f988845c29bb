/**
 * What other requests feel while a large blueprint is submitted and evaluated: latencies of a steady probe alone, and beside evaluations of
 * 10 MB, in alternating rounds of one run. The client is a process of its own, so that its work is not counted.
 */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { call, embedded, newCaller, real, start, type Caller } from '../test/helper/service.ts'

const ROUNDS = 4
const PROBES = 300
const PROBE_EVERY_MS = 10
const MODULES = 9_000

interface Task { url: string, caller: Caller }

function large (): string {
  const nodes = Array.from({ length: MODULES }, (_, n) => ({ id: `i${n}`, name: `Step ${n}`, type: n === 0 ? 'n8n-nodes-base.webhook' : 'n8n-nodes-base.httpRequest', typeVersion: 4, position: [n, n], parameters: { url: '=https://api.example.com/{{ $json.id }}', body: 'x'.repeat(880) } }))
  const connections = Object.fromEntries(nodes.slice(1).map(({ name }, n) => [`Step ${n}`, { main: [[{ node: name, type: 'main', index: 0 }]] }]))
  return JSON.stringify({ blueprints: [{ id: 'large', blueprint: { name: 'Large', nodes, connections } }] })
}

async function probe ({ url, caller }: Task): Promise<number[]> {
  const times: number[] = []
  for (let n = 0; n < PROBES; n++) {
    const startedMs = performance.now()
    const { status } = await call(url, caller, 'GET', '/scenarios')
    if (status !== 200) throw new Error(`a probe was answered with ${status}`)
    times.push(performance.now() - startedMs)
    await new Promise((resolve) => setTimeout(resolve, PROBE_EVERY_MS))
  }
  return times
}

function quantile (values: readonly number[], share: number): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length * share)] ?? Number.NaN
}

async function measure (): Promise<void> {
  const stores = await real() ?? embedded()
  const { runtime, url } = await start(stores)
  const caller = await newCaller(runtime, { rpm: 100_000, rph: 100_000 })
  const child = fork(fileURLToPath(import.meta.url), ['probe'])
  const ask = async (task: Task): Promise<number[]> => await new Promise((resolve, reject) => {
    child.once('message', (times: number[]) => resolve(times))
    child.once('error', reject)
    child.send(task)
  })
  const submitter = fork(fileURLToPath(import.meta.url), ['submit'])
  const alone: number[] = []
  const beside: number[] = []
  await ask({ url, caller })
  let submitted = 0
  submitter.on('message', () => { submitted++ })
  for (let round = 0; round < ROUNDS; round++) {
    alone.push(...await ask({ url, caller }))
    submitter.send({ url, caller })
    beside.push(...await ask({ url, caller }))
    await new Promise((resolve) => setTimeout(resolve, 2000))
  }
  const say = (name: string, times: number[]): void => { process.stdout.write(`${name.padEnd(28)} median ${quantile(times, 0.5).toFixed(1)} ms, p99 ${quantile(times, 0.99).toFixed(1)} ms, worst ${quantile(times, 0.9999).toFixed(1)} ms\n`) }
  process.stdout.write(`stores: ${stores.name}; ${submitted} evaluations of ${(large().length / 1e6).toFixed(1)} MB beside ${beside.length} probes\n`)
  say('alone', alone)
  say('beside a large evaluation', beside)
  process.stdout.write(`p99 rises by ${(quantile(beside, 0.99) - quantile(alone, 0.99)).toFixed(1)} ms (bar 20 ms)\n`)
  child.kill()
  submitter.kill()
  await runtime.close()
  await stores.drop()
}

if (process.argv[2] === 'probe') process.on('message', (task: Task) => { probe(task).then((times) => process.send?.(times), () => process.exit(1)) })
else if (process.argv[2] === 'submit') process.on('message', ({ url, caller }: Task) => { call(url, caller, 'POST', '/evaluate', large()).then(({ status }) => process.send?.(status), () => process.exit(1)) })
else await measure()
