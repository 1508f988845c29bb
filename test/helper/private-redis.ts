import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { appendFileSync, cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'

export const NO_REDIS_SERVER = 'no redis-server on PATH'

const START_MS_MAX = 20_000
const STOP_MS_MAX = 5000
const POLL_MS = 20
const PORT_ATTEMPTS_MAX = 5
const DATA_FILES = ['appendonlydir', 'dump.rdb']

export interface PrivateRedisOptions {
  /** Append-only file, written every second as operators run it. Default false: a restart is empty. */
  readonly aof?: boolean
  /** Lines of redis.conf, such as `maxmemory 10mb`. */
  readonly config?: readonly string[]
  /** Arguments of the program after its configuration file, such as `--sentinel`. */
  readonly args?: readonly string[]
  /** Port to listen on. Default a free one. */
  readonly port?: number
}

export interface PrivateRedis {
  readonly url: string
  readonly port: number
  readonly folder: string
  readonly pid: () => number | undefined
  /** Everything the server wrote so far. */
  readonly log: () => string
  /** Sends one command over a connection of its own; an error that the server answers rejects. */
  readonly command: (name: string, ...args: Array<string | number>) => Promise<unknown>
  /** SIGTERM, as a package upgrade sends it: an append-only file is written out. */
  readonly stop: () => Promise<void>
  readonly kill9: () => Promise<void>
  /** SIGSTOP: connections stay open and are still taken by the kernel, and nothing is answered. */
  readonly hang: () => void
  readonly resume: () => void
  /** Starts it again on the same port, with what its files hold, or `empty`, or with what was copied. A server that runs is killed first. Resolves once it answers, unless `wait` is false. */
  readonly restart: (options?: { empty?: boolean, from?: string, config?: readonly string[], wait?: boolean }) => Promise<void>
  /** Copies the data folder while the server is down, or has just saved. */
  readonly copyFiles: (to: string) => void
  /** Kills it and removes its folder. */
  readonly close: () => Promise<void>
}

const living = new Set<ChildProcess>()
process.once('exit', () => { for (const child of living) child.kill('SIGKILL') })

// Where util-linux has it, the kernel takes the server with the test process, however that one ends.
const hasProgram = (name: string, args: string[]): boolean => spawnSync(name, args, { stdio: 'ignore' }).status === 0
const canDieWithParent = hasProgram('setpriv', ['--pdeathsig', 'KILL', 'true'])

export function hasRedisServer (): boolean {
  return hasProgram('redis-server', ['--version'])
}

// A real redis-server of the test's own on loopback, in a temporary folder; null when there is no such program (NO_REDIS_SERVER says so).
export async function startPrivateRedis (options: PrivateRedisOptions = {}): Promise<PrivateRedis | null> {
  if (!hasRedisServer()) return null
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? await freePort()
    try {
      return await startOn(port, options)
    } catch (err) {
      // Somebody else was given the port between the look and the start.
      if (options.port !== undefined || attempt === PORT_ATTEMPTS_MAX || !(err instanceof Error && err.message.includes('Address already in use'))) throw err
    }
  }
}

async function startOn (port: number, options: PrivateRedisOptions): Promise<PrivateRedis> {
  const folder = mkdtempSync(join(tmpdir(), 'flowbeacon-redis-'))
  const file = join(folder, 'redis.conf')
  let child: ChildProcess | null = null
  let ended: Promise<void> = Promise.resolve()
  let text = ''
  const isSentinel = options.args?.includes('--sentinel') === true
  const stored = ['save ""', `appendonly ${options.aof === true ? 'yes' : 'no'}`, 'appendfsync everysec', 'enable-debug-command local']
  writeFileSync(file, [`port ${port}`, 'bind 127.0.0.1', `dir ${folder}`, ...isSentinel ? [] : stored, ...options.config ?? [], ''].join('\n'))

  async function command (name: string, ...args: Array<string | number>): Promise<unknown> {
    const redis = new Redis({ host: '127.0.0.1', port, protocol: 2, lazyConnect: true, connectTimeout: 1000, commandTimeout: 5000, maxRetriesPerRequest: 0, enableReadyCheck: false, disableClientInfo: true, retryStrategy: () => null })
    redis.on('error', () => {})
    try {
      await redis.connect()
      return await redis.call(name, ...args)
    } finally {
      redis.disconnect()
    }
  }

  async function launch (wait: boolean): Promise<void> {
    const program = ['redis-server', file, ...options.args ?? []]
    const [name = '', ...args] = canDieWithParent ? ['setpriv', '--pdeathsig', 'KILL', ...program] : program
    const started = spawn(name, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    child = started
    living.add(started)
    started.stdout.on('data', (chunk: Buffer) => { text += chunk.toString() })
    started.stderr.on('data', (chunk: Buffer) => { text += chunk.toString() })
    ended = new Promise((resolve) => started.once('close', () => {
      living.delete(started)
      if (child === started) child = null
      resolve()
    }))
    if (wait) await answers()
  }

  async function answers (): Promise<void> {
    for (const deadline = Date.now() + START_MS_MAX; ;) {
      const pong = await command('PING').catch(() => null)
      if (pong === 'PONG') return
      if (child === null || Date.now() > deadline) throw new Error(`redis-server did not start: ${text.slice(-1000)}`)
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
  }

  async function end (signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    child?.kill('SIGCONT')
    child?.kill(signal)
    const late = setTimeout(() => child?.kill('SIGKILL'), STOP_MS_MAX)
    await ended
    clearTimeout(late)
  }

  await launch(true).catch(async (err: unknown) => {
    await end('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
    throw err
  })
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    folder,
    pid: () => child?.pid,
    log: () => text,
    command,
    stop: () => end('SIGTERM'),
    kill9: () => end('SIGKILL'),
    hang () { child?.kill('SIGSTOP') },
    resume () { child?.kill('SIGCONT') },
    async restart ({ empty = false, from, config = [], wait = true } = {}) {
      await end('SIGKILL')
      if (empty) for (const name of DATA_FILES) rmSync(join(folder, name), { recursive: true, force: true })
      if (from !== undefined) cpSync(from, folder, { recursive: true })
      if (config.length > 0) appendFileSync(file, `${config.join('\n')}\n`)
      await launch(wait)
    },
    copyFiles (to) {
      for (const name of DATA_FILES) if (existsSync(join(folder, name))) cpSync(join(folder, name), join(to, name), { recursive: true })
    },
    async close () {
      await end('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

export async function freePort (): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address() as AddressInfo
  await new Promise((resolve) => probe.close(resolve))
  return port
}
