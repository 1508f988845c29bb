import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { keepLog } from './secrecy.ts'

const START_MS_MAX = 30_000
const OUTPUT_CHARS_MAX = 200_000

export interface InstanceOptions {
  /** The compiled program, such as bin/server.js. */
  readonly program: string
  readonly env: Readonly<Record<string, string>>
  /** What the program says once it serves. */
  readonly ready: RegExp
  /** Told when the process ends without having been asked to. */
  readonly onCrash?: (what: string) => void
}

/** One process of the service that a test may kill, stop, hang and start again. */
export interface Instance {
  /** Every start is a life of its own; the environment may name it. */
  readonly start: (changes?: Readonly<Record<string, string>>) => Promise<void>
  readonly isRunning: () => boolean
  readonly pid: () => number | undefined
  readonly output: () => string
  readonly kill9: () => Promise<void>
  /** SIGTERM; how it ended and after how long. */
  readonly stop: () => Promise<{ exit: number | string, ms: number }>
  readonly hang: () => void
  readonly resume: () => void
}

const living = new Set<ChildProcess>()
process.once('exit', () => { for (const child of living) child.kill('SIGKILL') })

// Where util-linux has it, the kernel takes the process with the one that started it, however that one ends.
const canDieWithParent = spawnSync('setpriv', ['--pdeathsig', 'KILL', 'true'], { stdio: 'ignore' }).status === 0

export function instanceOf (options: InstanceOptions): Instance {
  const { program, env, ready, onCrash } = options
  const { LOG_LEVEL: _level, ...inherited } = process.env
  let child: ChildProcess | null = null
  let ended: Promise<number | string> = Promise.resolve(0)
  let isAsked = false
  let text = ''

  function take (chunk: Buffer): void {
    keepLog(chunk.toString())
    text = (text + chunk.toString()).slice(-OUTPUT_CHARS_MAX)
  }

  async function start (changes: Readonly<Record<string, string>> = {}): Promise<void> {
    const argv = [process.execPath, '--enable-source-maps', program]
    const [name = '', ...args] = canDieWithParent ? ['setpriv', '--pdeathsig', 'KILL', ...argv] : argv
    const started = spawn(name, args, { env: { ...inherited, ...env, ...changes }, stdio: ['ignore', 'pipe', 'pipe'] })
    child = started
    isAsked = false
    living.add(started)
    let said = ''
    ended = new Promise((resolve) => started.once('close', (code, signal) => {
      living.delete(started)
      if (child === started) child = null
      const end = code ?? signal ?? 'unknown'
      if (!isAsked) onCrash?.(`${program} (${JSON.stringify(changes)}) ended by itself with ${end}: ${said.slice(-1500)}`)
      resolve(end)
    }))
    await new Promise<void>((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`${program} did not serve within ${START_MS_MAX} ms: ${said}`)), START_MS_MAX)
      const read = (chunk: Buffer): void => {
        take(chunk)
        said = (said + chunk.toString()).slice(-OUTPUT_CHARS_MAX)
        if (ready.test(said)) resolve()
      }
      started.stdout.on('data', read)
      started.stderr.on('data', read)
      ended.then((end) => reject(new Error(`${program} ended with ${end} before it served: ${said}`))).finally(() => clearTimeout(late)).catch(() => {})
    })
  }

  async function end (signal: 'SIGTERM' | 'SIGKILL'): Promise<number | string> {
    isAsked = true
    child?.kill('SIGCONT')
    child?.kill(signal)
    return await ended
  }

  return {
    start,
    isRunning: () => child !== null,
    pid: () => child?.pid,
    output: () => text,
    async kill9 () { await end('SIGKILL') },
    async stop () {
      const startedMs = performance.now()
      const exit = await end('SIGTERM')
      return { exit, ms: performance.now() - startedMs }
    },
    hang () { child?.kill('SIGSTOP') },
    resume () { child?.kill('SIGCONT') }
  }
}
