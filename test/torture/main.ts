/**
 * `npm run torture [-- --minutes N | --seconds N] [--seed S] [--json] [--keep]`: two servers and a worker over stores of their own, clients that
 * write down what they did and heard, a nemesis that breaks something every few seconds, and a judge that reads the history.
 * Exit code 0 when every promise was kept, 1 when one was broken (the history file is kept), 2 for a usage error; on a machine that
 * lacks the programs it says so and ends with 0.
 */
import { randomInt } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { seededRandom } from '../../bench/seeded.ts'
import { check } from './checker.ts'
import { runClients, type Scene } from './clients.ts'
import { openHistory, type History } from './history.ts'
import { runNemesis } from './nemesis.ts'
import { createOrganization } from './organizations.ts'
import { startTortureReceiver } from './receiver.ts'
import { evidence, faultCounts, table } from './report.ts'
import { gatherFacts, presentTheRest, untilQuiet } from './settle.ts'
import type { Verdict } from './verdict.ts'
import { openWorld, whyNoWorld } from './world.ts'

const SECONDS_DEFAULT = 300
const SECONDS_MIN = 20
/** Below this a run meets as many faults as the rest between them allows. */
const SHORT_SECONDS = 180
const PROGRESS_MS = 5000
const EXIT = { broken: 1, usage: 2 } as const

interface Request { readonly seconds: number, readonly seed: number, readonly json: boolean, readonly keep: boolean }

process.exitCode = await main()

async function main (): Promise<number> {
  const request = readArguments(process.argv.slice(2))
  if (typeof request === 'string') {
    process.stderr.write(`${request}\nusage: npm run torture [-- --minutes N | --seconds N] [--seed S] [--json] [--keep]\n`)
    return EXIT.usage
  }
  const why = whyNoWorld()
  if (why !== null) {
    process.stdout.write(`torture is skipped: ${why}\n`)
    return 0
  }
  const history = openHistory(join(mkdtempSync(join(tmpdir(), 'flowbeacon-torture-')), 'history.jsonl'))
  const verdicts = await run(request, history)
  history.close()
  const isBroken = verdicts.some(({ violations }) => violations.length > 0)
  const isKept = isBroken || request.keep
  if (!isKept) rmSync(dirname(history.file), { recursive: true, force: true })
  if (request.json) process.stdout.write(`${JSON.stringify({ ...request, kept: !isBroken, operations: history.operations.length, faults: history.faults, verdicts, ...(isKept ? { history: history.file } : {}) })}\n`)
  else process.stdout.write(`${summary(request, history, verdicts)}${isKept ? `history: ${history.file}\n` : ''}`)
  return isBroken ? EXIT.broken : 0
}

function readArguments (args: string[]): Request | string {
  try {
    const { values } = parseArgs({ args, options: { minutes: { type: 'string' }, seconds: { type: 'string' }, seed: { type: 'string' }, json: { type: 'boolean', default: false }, keep: { type: 'boolean', default: false } } })
    for (const [name, value] of Object.entries({ minutes: values.minutes, seconds: values.seconds, seed: values.seed })) {
      if (value !== undefined && !/^\d{1,9}$/.test(value)) return `--${name} takes a whole number.`
    }
    if (values.minutes !== undefined && values.seconds !== undefined) return 'Give either --minutes or --seconds.'
    const seconds = values.minutes === undefined ? Number(values.seconds ?? SECONDS_DEFAULT) : Number(values.minutes) * 60
    if (seconds < SECONDS_MIN) return `A run takes at least ${SECONDS_MIN} seconds.`
    return { seconds, seed: Number(values.seed ?? randomInt(2 ** 31)), json: values.json, keep: values.keep }
  } catch (err) {
    return err instanceof Error ? err.message : 'unreadable arguments'
  }
}

async function run ({ seconds, seed }: Request, history: History): Promise<Verdict[]> {
  const random = seededRandom(seed)
  const say = (text: string): void => { process.stderr.write(`torture ${String(Math.round(history.nowMs() / 1000)).padStart(4)} s  ${text}\n`) }
  say(`seed ${seed}; starting PostgreSQL, Redis, two servers and a worker`)
  const receiver = await startTortureReceiver(seededRandom(seed + 1))
  const world = await openWorld().catch(async (err: unknown) => {
    await receiver.close()
    throw err
  })
  const ending = new AbortController()
  try {
    const [alpha, bravo, charlie] = [await createOrganization(world, receiver, 'zqmarkalpha', 2), await createOrganization(world, receiver, 'zqmarkbravo', 1), await createOrganization(world, receiver, 'zqmarkcharlie', 0)]
    const scene: Scene = { world, history, organizations: [alpha, bravo, charlie], random, ending: ending.signal, queue: [] }
    const progress = setInterval(() => say(countsOf(history)), PROGRESS_MS)
    const clients = runClients(scene)
    const untilMs = history.nowMs() + seconds * 1000
    const drains = await runNemesis({ world, history, random, untilMs, pace: seconds < SHORT_SECONDS ? 0.3 : 1, onFault: (name) => say(`fault: ${name}`) })
    await wait(Math.max(0, untilMs - history.nowMs()))
    ending.abort()
    await clients
    clearInterval(progress)
    const isQuiet = await untilQuiet(scene, say)
    if (!isQuiet) say('what is open does not end; the judge will say what it is')
    await presentTheRest(scene)
    const facts = await gatherFacts(scene, receiver, drains)
    say('judging')
    return check({ operations: history.operations, faults: history.faults, facts })
  } finally {
    ending.abort()
    await world.close()
    await receiver.close()
  }
}

function countsOf ({ operations, faults }: History): string {
  const of = (outcome: string): number => operations.filter((one) => one.outcome === outcome).length
  return `${operations.length} operations (ok ${of('ok')}, fail ${of('fail')}, unknown ${of('unknown')}), ${faults.length} faults`
}

function summary ({ seconds, seed }: Request, history: History, verdicts: readonly Verdict[]): string {
  const { operations, faults } = history
  return [
    `torture: ${seconds} s, seed ${seed}, ${operations.length.toLocaleString('en-US')} operations on two instances, ${faults.length} faults`,
    faultCounts(faults), '', table(verdicts) + evidence(verdicts)
  ].join('\n')
}
