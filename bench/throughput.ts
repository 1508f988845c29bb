/**
 * The chain beside its peers: every target is up at once, and in each round each is loaded once, in a shuffled order, so that what the
 * machine does besides hits all alike. Ratios are taken within a round. `npm run bench -- --help`. Figures are for comparing within
 * one run; a target that gave one answer other than 2xx is void.
 */
import { randomInt } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { arch, cpus, platform } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { PUBLIC_PREFIX } from '../app.ts'
import { keepAwake } from './load/awake.ts'
import { whyUnfit } from './load/checks.ts'
import { readCounters } from './load/counters.ts'
import { writeSection } from './load/docs.ts'
import { reached, type Reached } from './load/goals.ts'
import { findLoader, type Load, type Loader } from './load/loader.ts'
import { chart, goalsTable, table } from './load/report.ts'
import { openStores, type BenchStores } from './load/stores.ts'
import { shuffled } from './load/statistics.ts'
import { summarise, type Row, type Sample } from './load/summary.ts'
import { BASELINE, installPeers, startTarget, TARGETS, type RunningTarget, type Target } from './load/targets.ts'
import { seededRandom } from './seeded.ts'
import { BENCH_PATH } from './servers/answer.ts'
import { judgeProcess } from './window/accuracy.ts'
import { bytesPerFullKey } from './window/cost.ts'

const HELP = `usage: npm run bench -- [options]

  --scenarios LIST    method/connections/processes, such as GET/64/1,POST/64/1 (default: the four below)
                      GET/64/1 POST/64/1 GET/4/1 GET/64/2
  --targets LIST      ${TARGETS.map(({ name }) => name).join(', ')} (default: all; ${BASELINE} always)
  --rounds N          rounds for the first scenario (default 5), the others take a third
  --fresh N           start the targets of the first scenario anew so often, its rounds divided among them (default 1): one
                      process can be luckier than another of the same program
  --seconds N         whole seconds of load for each target and round (default 1)
  --out FOLDER        where result.json and one chart a scenario go (default bench/results)
  --seed N            order of the targets
  --docs              puts the tables and charts into docs/
  --help
`
const CHARTS = fileURLToPath(new URL('../../docs/performance/', import.meta.url))
const FOLDER = fileURLToPath(new URL('../../bench/results/', import.meta.url))
/** More than any target reaches on a machine of today. */
const REQUESTS_PER_SECOND_MAX = 60_000
/** Until what will be compiled is: the compiler's threads are counted like the rest of a process. The first scenario, of which the bars are, has longest for it. */
const WARM_REQUESTS = 40_000
const WARM_SECONDS_MAX = 5
const WARM_SECONDS_LATER = 2
/** From so many connections on there is always something to do, and processors are kept from halting. What one client waits for is measured as it is. */
const BUSY_CONNECTIONS = 16
const SIMULATED_HOURS = 6
const SCENARIOS = 'GET/64/1,POST/64/1,GET/4/1,GET/64/2'

interface Scenario { name: string, method: 'GET' | 'POST', connections: number, processes: number, rounds: number, fresh: number, isFirst: boolean }

const say = (line: string): void => { process.stderr.write(`${line}\n`) }

const { values } = parseArgs({
  options: {
    scenarios: { type: 'string', default: SCENARIOS },
    targets: { type: 'string', default: TARGETS.map(({ name }) => name).join(',') },
    rounds: { type: 'string', default: '5' },
    fresh: { type: 'string', default: '1' },
    seconds: { type: 'string', default: '1' },
    out: { type: 'string', default: FOLDER },
    seed: { type: 'string', default: String(randomInt(2 ** 31)) },
    docs: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false }
  }
})
if (values.help) process.stdout.write(HELP)
else process.exitCode = await measure(readScenarios(values.scenarios, Number(values.rounds), Number(values.fresh)), readTargets(values.targets), Number(values.seconds))

function readScenarios (text: string, rounds: number, fresh: number): Scenario[] {
  if (!Number.isInteger(rounds) || rounds < 1) throw new RangeError('--rounds takes a whole number of at least 1')
  if (!Number.isInteger(fresh) || fresh < 1 || fresh > rounds) throw new RangeError('--fresh takes a whole number from 1 to the number of rounds')
  return text.split(',').map((name, at) => {
    const [, method, connections, processes] = /^(GET|POST)\/(\d+)\/(\d+)$/.exec(name) ?? []
    if (method === undefined) throw new RangeError(`--scenarios: ${name} is not method/connections/processes, such as GET/64/1`)
    return { name, method: method === 'GET' ? 'GET' : 'POST', connections: Number(connections), processes: Number(processes), rounds: at === 0 ? rounds : Math.ceil(rounds / 3), fresh: at === 0 ? fresh : 1, isFirst: at === 0 }
  })
}

function readTargets (text: string): Target[] {
  const names = new Set([BASELINE, ...text.split(',')])
  for (const name of names) if (!TARGETS.some((target) => target.name === name)) throw new RangeError(`--targets: there is no ${name}`)
  return TARGETS.filter(({ name }) => names.has(name))
}

async function measure (scenarios: readonly Scenario[], targets: readonly Target[], seconds: number): Promise<number> {
  installPeers(say)
  const loader = findLoader()
  const stores = await openStores(WARM_REQUESTS + (Math.max(...scenarios.map(({ rounds }) => rounds)) * seconds + 1) * REQUESTS_PER_SECOND_MAX)
  say(`stores: ${stores.name}; load by ${loader.name}`)
  const results: Array<{ scenario: Scenario, rows: Row[] }> = []
  let goals: Reached[] = []
  try {
    for (const scenario of scenarios) results.push({ scenario, rows: await runScenario(scenario, targets, stores, loader.run, seconds) })
    const [ring] = await bytesPerFullKey(stores.redis, 'bench-bytes')
    const overAdmitted = judgeProcess(SIMULATED_HOURS, Number(values.seed)).reduce((sum, row) => sum + row.overAdmitted, 0)
    const scenarioRows = new Map(results.map(({ scenario, rows }) => [scenario.name, new Map(rows.map((row) => [row.target, row]))]))
    goals = reached({ scenarios: scenarioRows, bytesPerFullKey: ring?.bytes ?? Number.NaN, overAdmitted })
  } finally {
    await stores.close()
  }
  const tables = results.map(({ scenario, rows }) => `${scenario.name} (method/connections/processes), bare Fastify = 1\n${table(rows)}\n`)
  const text = [...tables, `beside the bars\n${goalsTable(goals)}\n`].join('\n')
  process.stdout.write(`\n${text}`)
  if (values.docs) {
    writeSection('bench', 'npm run bench', { ...stores.versions, load: loader.name }, text)
    writeCharts(CHARTS, results)
  }
  write(results, { loader: loader.name, stores: stores.versions, goals })
  return results.some(({ rows }) => rows.some((row) => row.void !== null && row.skipped === null)) ? 1 : 0
}

async function runScenario (scenario: Scenario, targets: readonly Target[], stores: BenchStores, load: Loader, seconds: number): Promise<Row[]> {
  const unfit = new Map<string, string>()
  const random = seededRandom(Number(values.seed))
  const samples: Sample[] = []
  const slot = { method: scenario.method, connections: scenario.connections, path: `${PUBLIC_PREFIX}${BENCH_PATH}`, keysFile: stores.keysFile }
  const awake = scenario.connections < BUSY_CONNECTIONS ? null : keepAwake()
  if (awake === null) say(`${scenario.name}: processors may halt`)
  let round = 0

  async function runOnce (time: number): Promise<void> {
    const running: RunningTarget[] = []
    try {
      for (const target of targets) {
        const missing = target.whyMissing?.() ?? null
        if (missing !== null) say(`${target.name} is skipped: ${missing}`)
        else running.push(await startTarget(target, { ...stores.env, REDIS_PREFIX: `b:${scenario.name.replaceAll('/', '-')}:${time}:${target.name}` }, scenario.processes))
      }
      for (const target of running) {
        const reason = await whyUnfit(target, stores.keys, scenario.method)
        if (reason !== null) unfit.set(target.name, reason)
      }
      const fit = running.filter(({ name }) => !unfit.has(name))
      for (const target of fit) await warm(target, load, slot, scenario.isFirst ? WARM_SECONDS_MAX : WARM_SECONDS_LATER)
      for (const last = Math.round(scenario.rounds * (time + 1) / scenario.fresh); round < last; round++) {
        say(`${scenario.name}: round ${round + 1} of ${scenario.rounds}`)
        for (const target of shuffled(fit, random)) {
          const before = await readCounters(target.pid, stores)
          const seen = await load(target.url, { ...slot, seconds })
          await stores.settle()
          samples.push({ target: target.name, round, slot: seen, before, after: await readCounters(target.pid, stores) })
        }
      }
    } finally {
      for (const target of running) await target.stop()
    }
  }

  try {
    for (let time = 0; time < scenario.fresh; time++) await runOnce(time)
  } finally {
    awake?.stop()
  }
  return summarise(samples, targets, unfit)
}

async function warm (target: RunningTarget, load: Loader, slot: Omit<Load, 'seconds'>, secondsMax: number): Promise<void> {
  let requests = 0
  for (let second = 0; second < secondsMax && requests < WARM_REQUESTS; second++) requests += (await load(target.url, { ...slot, seconds: 1 })).requests
}

function write (results: ReadonlyArray<{ scenario: Scenario, rows: Row[] }>, about: object): void {
  mkdirSync(values.out, { recursive: true })
  const versions = { node: process.version, platform: platform(), arch: arch(), processors: cpus().length }
  writeFileSync(`${values.out}/result.json`, JSON.stringify({ versions, ...about, seed: values.seed, results }, null, 2))
  writeCharts(values.out, results)
  say(`written: ${values.out}/result.json and the charts beside it`)
}

function writeCharts (folder: string, results: ReadonlyArray<{ scenario: Scenario, rows: Row[] }>): void {
  mkdirSync(folder, { recursive: true })
  for (const { scenario, rows } of results) writeFileSync(`${folder}/${scenario.name.toLowerCase().replaceAll('/', '-')}.svg`, chart(scenario.name, rows))
}
