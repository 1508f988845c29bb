/**
 * The demonstration: starts the whole service on the embedded default in a temporary folder, then acts as an operator and as a
 * partner over real HTTP. `--once` ends the process, with exit code 0 only when every step went as promised.
 */
import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command, CommanderError } from 'commander'
import { loadConfig } from '../config.ts'
import { OperationError, runOperation, type OperatorDeps } from '../evaluation/operator.ts'
import { offerAdminSocket, adminSocketPath } from './admin-socket.ts'
import { evaluateEverything, type Verdicts } from './demo/evaluations.ts'
import { Partner, fieldsOf, verdictOf } from './demo/partner.ts'
import { meetRefusals } from './demo/refusals.ts'
import { paint, print, Report, resultsTable, showProgress } from './demo/report.ts'
import { setUp, type Setup } from './demo/setup.ts'
import { listBlueprintFiles } from './fb/files.ts'
import { send, SURFACE_PREFIX } from './fb/http.ts'
import { openRuntime } from './runtime.ts'

const EXAMPLES = ['make', 'n8n'].map((platform) => fileURLToPath(new URL(`../../examples/${platform}`, import.meta.url)))

const USUAL_PORT = 3000

interface DemoOptions { blueprints: string[], once?: boolean, port?: string }

async function demonstrate (options: DemoOptions): Promise<void> {
  if (options.port !== undefined && (!/^\d{1,5}$/.test(options.port) || Number(options.port) > 65_535)) throw new OperationError('usage', '--port must be a port number; 0 picks a free one')
  // What cannot be read is said before anything is started.
  await listBlueprintFiles(options.blueprints)
  const folder = await mkdtemp(join(tmpdir(), 'flowbeacon-demo-'))
  // However the process ends, nothing of the demonstration stays.
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const interrupted = interruptions()
  try {
    await runIn(folder, options, interrupted)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

interface Interruptions { readonly first: Promise<void>, isWaited: boolean }

/** Ctrl-C ends the steps at once, and once they are done in order. */
function interruptions (): Interruptions {
  const state = { isWaited: false, first: Promise.resolve() }
  state.first = new Promise((resolve) => {
    for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]] as const) {
      process.on(signal, () => {
        if (!state.isWaited) process.exit(code)
        resolve()
      })
    }
  })
  return state
}

async function runIn (folder: string, options: DemoOptions, interrupted: Interruptions): Promise<void> {
  const startedMs = Date.now()
  // None of the caller's own environment: the demonstration never touches a real store.
  const config = loadConfig({ DATA_DIR: folder, PORT: options.port ?? await usualPort(options.once === true), OPS_PORT: '0', LOG_LEVEL: 'silent' })
  print(paint(1, 'FlowBeacon Public API, a demonstration on the embedded default'))
  print('Starting the service (first start of the embedded database takes a few seconds) …')
  const runtime = await openRuntime(config)
  const socket = await offerAdminSocket(runtime, adminSocketPath(folder))
  try {
    const { url, opsUrl } = await runtime.listen()
    print(`Listening on ${url}${SURFACE_PREFIX}, operations on ${opsUrl}, data in ${folder}`)
    const { database, admission, kill } = runtime
    const deps = { database, admission, kill, recordIdSecret: config.secrets.recordId, watermarkSecret: config.secrets.watermark, masterKeys: config.secrets.masterKeys, thresholds: config.anomalyThresholds, actor: 'demo' }
    const setup = await setUp(deps, options.blueprints)
    describeSetup(setup, options.blueprints)
    if (setup.scenarios.length === 0) throw new OperationError('failed', 'no blueprint could be imported, so there is nothing to show')
    const report = new Report()
    const verdicts = await runSteps(report, deps, new Partner(url, setup.partner), setup)
    print(`\n${resultsTable(verdicts.rows)}\nC H M L I: violations by severity, critical to info.`)
    describeEnd(report, (Date.now() - startedMs) / 1000)
    if (report.failed.length > 0) process.exitCode = 1
    showCurl(url, setup.partner.key, options.once === true)
    if (options.once !== true) await untilInterrupted(url, folder, interrupted)
  } finally {
    await socket.close()
    await runtime.close()
  }
}

async function runSteps (report: Report, deps: OperatorDeps, partner: Partner, setup: Setup): Promise<Verdicts> {
  await report.step('GET /governance/health: open, no key', async () => {
    const answer = await send({ origin: partner.origin, method: 'GET', target: `${SURFACE_PREFIX}/governance/health` })
    return { expected: '200, service flowbeacon-public-api', met: answer.status === 200 && fieldsOf(answer.json)['service'] === 'flowbeacon-public-api', got: `${verdictOf(answer)} ${answer.text}` }
  })
  const verdicts = await evaluateEverything(report, partner, setup)
  await meetRefusals(report, partner, setup)
  await report.step('Trace the watermark of the results to its audit row', async () => {
    const row = fieldsOf(await runOperation(deps, 'trace', { watermark: verdicts.watermark }))
    const met = row['watermark'] === verdicts.watermark && row['status'] === 200 && row['org_id'] === setup.partner.orgId
    return { expected: 'the row of GET /results/:token, 200, of this organization', met, got: `${String(row['method'])} ${String(row['route'])}, ${String(row['status'])}, ${String(row['org_id'])}, ${String(row['at'])}` }
  })
  return verdicts
}

function describeSetup ({ scenarios, refused, dropped }: Setup, blueprints: readonly string[]): void {
  showProgress('')
  print(`${process.stdout.isTTY ? '\r\x1b[K' : ''}Two organizations and three keys made; from ${blueprints.map(shown).join(' and ')}: ${scenarios.length} ${scenarios.length === 1 ? 'blueprint' : 'blueprints'} imported, ${refused.length} refused` +
    `${dropped > 0 ? `, ${dropped} ${dropped === 1 ? 'field' : 'fields'} beyond shape dropped` : ''}.`)
  for (const { path, reason } of refused) print(`  refused ${relative(blueprints.find((folder) => path.startsWith(folder)) ?? '', path) || path}: ${reason}`)
}

function shown (path: string): string {
  return relative(process.cwd(), path) || path
}

function describeEnd ({ steps, failed }: Report, seconds: number): void {
  const summary = failed.length === 0 ? paint(32, `All ${steps} steps went as promised`) : paint(31, `${failed.length} of ${steps} steps failed`)
  print(`\n${summary} (${seconds.toFixed(1)} s).`)
  for (const title of failed) print(`  ✗ ${title}`)
}

/** The signature is computed where it is pasted, so that the lines stay good for as long as the service runs. */
function showCurl (url: string, key: string, isEnding: boolean): void {
  print(`\n${isEnding ? 'A signed request (start the demonstration without --once to keep the address alive)' : 'Paste this into another terminal, a signed request'}:\n
  KEY=${key}
  T=$(date +%s); P=${SURFACE_PREFIX}/governance/policies
  S=$(printf '%s' "$T.GET.$P." | openssl dgst -sha256 -hmac "$KEY" -r | cut -d' ' -f1)
  curl -s "${url}$P" -H "Authorization: Bearer $KEY" -H "X-FB-Signature: t=$T,v1=$S"\n`)
}

/** The port that the README's request goes to, unless something listens there already. */
async function usualPort (isEnding: boolean): Promise<string> {
  if (isEnding) return '0'
  const probe = createServer()
  const isFree = await new Promise<boolean>((resolve) => probe.once('error', () => resolve(false)).listen(USUAL_PORT, '127.0.0.1', () => resolve(true)))
  await new Promise((resolve) => probe.close(resolve))
  if (!isFree) print(`Port ${USUAL_PORT} is taken, so a free one is used.`)
  return isFree ? String(USUAL_PORT) : '0'
}

async function untilInterrupted (url: string, folder: string, interrupted: Interruptions): Promise<void> {
  interrupted.isWaited = true
  print(`Running on ${url}${SURFACE_PREFIX}. The command line reaches it with DATA_DIR=${folder}\nCtrl-C ends it and removes the folder.`)
  await interrupted.first
}

// A reader that stops early (`npm run demo | head`) is not a failure of the service.
process.stdout.on('error', (err: NodeJS.ErrnoException) => { if (err.code !== 'EPIPE') throw err })

const program = new Command('demo')
  .description('Starts the service on the embedded default and walks through it as a partner would.')
  .option('--blueprints <folder...>', 'folders of blueprint files to import', EXAMPLES)
  .option('--once', 'end when the steps are done; exit code 0 only when all went as promised')
  .option('--port <n>', 'port to listen on; 0 picks a free one (default: 3000 where it is free, with --once a free one)')
  .exitOverride()
  .action(demonstrate)

try {
  await program.parseAsync(process.argv)
} catch (err) {
  if (err instanceof CommanderError) {
    process.exitCode = err.exitCode === 0 ? 0 : 2
  } else {
    process.stderr.write(`demo: ${err instanceof Error ? err.message : 'failed'}\n`)
    process.exitCode = err instanceof OperationError && err.kind === 'usage' ? 2 : 1
  }
}
