import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { chownSync, closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { freePort } from './private-redis.ts'

const START_MS_MAX = 30_000
const POLL_MS = 20
const PORT_ATTEMPTS_MAX = 5
const BINARY_FOLDERS = '/usr/lib/postgresql'
const TMPFS_MB_MIN = 64
const STOP_SIGNALS = { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' } as const

export interface PrivatePostgresOptions {
  /** Settings of postgresql.conf, such as `max_connections: 20`. fsync and synchronous_commit are on. */
  readonly settings?: Readonly<Record<string, string | number>>
  /** Keeps data and write-ahead log on a disk of so many megabytes, at least 64, that `fillDisk` fills. Needs the right to mount. Default the temporary folder. */
  readonly diskMb?: number
}

export interface PrivatePostgres {
  /** The database `postgres`, as its superuser. */
  readonly url: string
  readonly port: number
  readonly folder: string
  readonly pid: () => number | undefined
  /** Everything the server wrote so far. */
  readonly log: () => string
  /** One statement as the superuser over a connection of its own. */
  readonly query: (statement: string) => Promise<ReadonlyArray<Record<string, unknown>>>
  /** As pg_ctl does: `fast` ends sessions in order, `immediate` lets everything fall where it is. Default fast. */
  readonly stop: (mode?: keyof typeof STOP_SIGNALS) => Promise<void>
  /** SIGKILL to the server and every process of it. */
  readonly kill9: () => Promise<void>
  /** SIGSTOP to the server and every process of it: connections stay open and are still taken by the kernel, and nothing is answered. */
  readonly hang: () => void
  readonly resume: () => void
  /** Starts it again on the same port, with what its files hold. Resolves once it answers, unless `wait` is false. */
  readonly start: (options?: { wait?: boolean }) => Promise<void>
  /** Leaves no byte free on its disk. Only with `diskMb`. */
  readonly fillDisk: () => void
  readonly freeDisk: () => void
  /** Kills it and removes its folder. */
  readonly close: () => Promise<void>
}

const living = new Set<{ kill: () => void }>()
process.once('exit', () => { for (const server of living) server.kill() })

const isRoot = process.getuid?.() === 0
// Where util-linux has it, the kernel takes the server with the test process, however that one ends.
const canDieWithParent = spawnSync('setpriv', ['--pdeathsig', 'KILL', 'true'], { stdio: 'ignore' }).status === 0

function findBinaries (): string | null {
  const versions = existsSync(BINARY_FOLDERS) ? readdirSync(BINARY_FOLDERS).filter((name) => Number(name) >= 15).sort((a, b) => Number(b) - Number(a)) : []
  const folders = [process.env['TEST_POSTGRES_BIN'], ...versions.map((version) => join(BINARY_FOLDERS, version, 'bin')), ...(process.env['PATH'] ?? '').split(':')]
  return folders.find((folder) => folder !== undefined && folder !== '' && existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres'))) ?? null
}

// PostgreSQL refuses to run as root.
function findUser (): { uid?: number, gid?: number } | null {
  if (!isRoot) return {}
  const idOf = (flag: string): number => Number(execFileSync('id', [flag, 'postgres'], { stdio: ['ignore', 'pipe', 'ignore'] }).toString())
  try {
    return { uid: idOf('-u'), gid: idOf('-g') }
  } catch {
    return null
  }
}

// Why no private PostgreSQL can be started here, or null when it can.
export function whyNoPostgres (options: PrivatePostgresOptions = {}): string | null {
  if (findBinaries() === null) return 'no PostgreSQL programs (initdb, postgres) of version 15 or later; set TEST_POSTGRES_BIN to their folder'
  if (findUser() === null) return 'PostgreSQL refuses to run as root and there is no user named postgres'
  if (options.diskMb !== undefined && !canMount()) return 'a disk of its own needs the right to mount a tmpfs'
  return null
}

function canMount (): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'flowbeacon-mount-'))
  try {
    const isMounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder], { stdio: 'ignore' }).status === 0
    if (isMounted) spawnSync('umount', [folder], { stdio: 'ignore' })
    return isMounted
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

// A PostgreSQL cluster of the test's own on loopback, in a temporary folder; null when that is not possible here (whyNoPostgres says why).
export async function startPrivatePostgres (options: PrivatePostgresOptions = {}): Promise<PrivatePostgres | null> {
  if (options.diskMb !== undefined && options.diskMb < TMPFS_MB_MIN) throw new RangeError(`diskMb must be at least ${TMPFS_MB_MIN}`)
  const bin = findBinaries()
  const user = findUser()
  if (bin === null || user === null || whyNoPostgres(options) !== null) return null
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOn(await freePort(), bin, user, options)
    } catch (err) {
      // Somebody else was given the port between the look and the start.
      if (attempt === PORT_ATTEMPTS_MAX || !(err instanceof Error && err.message.includes('Address already in use'))) throw err
    }
  }
}

async function startOn (port: number, bin: string, user: { uid?: number, gid?: number }, options: PrivatePostgresOptions): Promise<PrivatePostgres> {
  const folder = mkdtempSync(join(tmpdir(), 'flowbeacon-postgres-'))
  const data = join(folder, 'data')
  const filler = join(folder, 'filler')
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`
  let child: ChildProcess | null = null
  let ended: Promise<void> = Promise.resolve()
  let text = ''

  function prepare (): void {
    if (options.diskMb !== undefined) execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${options.diskMb}m`, 'tmpfs', folder])
    mkdirSync(data, { mode: 0o700 })
    if (user.uid !== undefined && user.gid !== undefined) for (const path of [folder, data]) chownSync(path, user.uid, user.gid)
    execFileSync(join(bin, 'initdb'), ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-locale', '--no-sync', '--wal-segsize=1'], { ...user, cwd: folder, stdio: 'pipe' })
  }

  async function launch (wait: boolean): Promise<void> {
    const settings = { listen_addresses: '127.0.0.1', port, unix_socket_directories: '', shared_buffers: '16MB', fsync: 'on', synchronous_commit: 'on', ...options.settings }
    const program = [join(bin, 'postgres'), '-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])]
    const [name = '', ...args] = canDieWithParent ? ['setpriv', '--pdeathsig', 'KILL', ...program] : program
    const started = spawn(name, args, { ...user, cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
    child = started
    started.stdout.on('data', (chunk: Buffer) => { text += chunk.toString() })
    started.stderr.on('data', (chunk: Buffer) => { text += chunk.toString() })
    ended = new Promise((resolve) => started.once('exit', () => {
      if (child === started) child = null
      resolve()
    }))
    if (wait) await answers()
  }

  async function query (statement: string): Promise<ReadonlyArray<Record<string, unknown>>> {
    const sql = postgres(url, { max: 1, connect_timeout: 5, onnotice: () => {}, connection: { application_name: 'private-postgres' } })
    try {
      return await sql.unsafe(statement)
    } finally {
      await sql.end({ timeout: 1 })
    }
  }

  async function answers (): Promise<void> {
    for (const deadline = Date.now() + START_MS_MAX; ;) {
      const rows = await query('select 1 as one').catch(() => null)
      if (rows !== null) return
      if (child === null || Date.now() > deadline) throw new Error(`postgres did not start: ${text.slice(-2000)}`)
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
  }

  // Every backend leads a session of its own, so there is no group to signal. The server first: it makes no new ones meanwhile.
  function signalAll (signal: NodeJS.Signals): void {
    const pid = child?.pid
    if (pid === undefined) return
    if (signal !== 'SIGCONT') send(pid, 'SIGSTOP')
    for (const backend of childrenOf(pid)) send(backend, signal)
    send(pid, signal)
  }

  async function kill9 (): Promise<void> {
    signalAll('SIGKILL')
    await ended
  }

  function remove (): void {
    if (options.diskMb !== undefined) spawnSync('umount', ['--lazy', folder], { stdio: 'ignore' })
    rmSync(folder, { recursive: true, force: true })
  }

  const own = { kill: () => { if (child !== null) { signalAll('SIGKILL'); releaseSharedMemory(data); remove() } } }
  living.add(own)
  async function close (): Promise<void> {
    await kill9()
    living.delete(own)
    releaseSharedMemory(data)
    remove()
  }

  try {
    prepare()
    await launch(true)
  } catch (err) {
    await close()
    throw err
  }
  return {
    url,
    port,
    folder,
    pid: () => child?.pid,
    log: () => text,
    query,
    async stop (mode = 'fast') {
      signalAll('SIGCONT')
      child?.kill(STOP_SIGNALS[mode])
      await ended
    },
    kill9,
    hang: () => signalAll('SIGSTOP'),
    resume: () => signalAll('SIGCONT'),
    async start ({ wait = true } = {}) {
      if (child === null) await launch(wait)
      else if (wait) await answers()
    },
    fillDisk: () => fill(filler),
    freeDisk: () => rmSync(filler, { force: true }),
    close
  }
}

function childrenOf (pid: number): number[] {
  const listed = spawnSync('ps', ['-A', '-o', 'ppid=,pid='], { encoding: 'utf8' }).stdout
  return listed.split('\n').map((line) => line.trim().split(/\s+/).map(Number)).filter(([parent]) => parent === pid).map(([, own]) => own ?? 0)
}

function send (pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (err) {
    // It ended by itself meanwhile.
    if (!(err instanceof Error && 'code' in err && err.code === 'ESRCH')) throw err
  }
}

// A server that was killed leaves a small segment behind; its id is the second number of the seventh line.
function releaseSharedMemory (data: string): void {
  const file = join(data, 'postmaster.pid')
  const id = existsSync(file) ? /^\s*\d+\s+(\d+)\s*$/.exec(readFileSync(file, 'utf8').split('\n')[6] ?? '')?.[1] : undefined
  if (id !== undefined) spawnSync('ipcrm', ['-m', id], { stdio: 'ignore' })
}

// Down to the last page that somebody could still get.
function fill (file: string): void {
  const out = openSync(file, 'w')
  try {
    for (let bytes = 1024 * 1024; bytes >= 4096;) {
      try {
        if (writeSync(out, Buffer.alloc(bytes)) < bytes) bytes /= 2
      } catch (err) {
        if (!(err instanceof Error && 'code' in err && err.code === 'ENOSPC')) throw err
        bytes /= 2
      }
    }
  } finally {
    closeSync(out)
  }
}
