import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { keepLog } from './secrecy.ts'

const SERVER = fileURLToPath(new URL('../../bin/server.js', import.meta.url))

export interface ServerProcess {
  url: string
  pid: number
  /** The operations listener. */
  opsUrl: string
  /** Everything that it wrote to stdout and stderr so far. */
  output: () => string
  /** Its exit code, or the signal; null while it lives. */
  ended: () => number | string | null
  stop: () => Promise<number | string>
}

// The service as operators run it: a process of its own. Rejects when it ends before it listens.
export async function spawnServer (env: Record<string, string>): Promise<ServerProcess> {
  const { LOG_LEVEL: _level, ...inherited } = process.env
  const child = spawn(process.execPath, [SERVER], { env: { ...inherited, PORT: '0', OPS_PORT: '0', AUTH_FAILURE_LIMIT_RPM: '100000', ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  let end: number | string | null = null
  const exited = new Promise<number | string>((resolve) => child.once('close', (code, signal) => resolve(end = code ?? signal ?? 'unknown')))
  const [url, opsUrl] = await new Promise<[string, string]>((resolve, reject) => {
    const read = (chunk: Buffer): void => {
      text += chunk.toString()
      keepLog(chunk.toString())
      const [, found, operations] = /Public API on (\S+) \(operations on (\S+)\)/.exec(text) ?? []
      if (found !== undefined && operations !== undefined) resolve([found, operations])
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    exited.then((code) => reject(new Error(`the server ended with ${code} before it listened: ${text}`))).catch(() => {})
  })
  return {
    url,
    pid: child.pid ?? 0,
    opsUrl,
    output: () => text,
    ended: () => end,
    async stop () {
      child.kill('SIGTERM')
      return await exited
    }
  }
}

const HOST = fileURLToPath(new URL('fb-host.js', import.meta.url))
const FB = fileURLToPath(new URL('../../bin/fb.js', import.meta.url))

export interface FbRun { code: number, stdout: string, stderr: string, answer: any }

// The operators' command line as a process of its own, with `--json`; `answer` is what it printed.
export async function runFb (env: Record<string, string>, ...args: string[]): Promise<FbRun> {
  const child = spawn(process.execPath, [FB, ...args, '--json'], { env: { PATH: process.env['PATH'] ?? '', ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => { stdout += chunk.toString() })
  child.stderr.on('data', (chunk: Buffer) => { stderr += chunk.toString() })
  const code = await new Promise<number>((resolve) => child.once('close', (ended) => resolve(ended ?? -1)))
  return { code, stdout, stderr, answer: JSON.parse(stdout === '' ? '{}' : stdout) }
}

export interface FbLine { status: number | null, stdout: string, stderr: string }

export interface FbHost {
  run: (args: readonly string[], env: Record<string, string>, input?: string) => Promise<FbLine>
  /** A command that goes on until it is interrupted. */
  follow: (args: readonly string[], env: Record<string, string>) => FbFollowed
  close: () => void
}

export interface FbFollowed {
  /** Everything that it printed so far, on both streams, once that is so. */
  until: (isThere: (printed: string) => boolean) => Promise<string>
  /** As Ctrl-C does. */
  interrupt: () => Promise<FbLine>
}

// Command lines where the process itself is not the point: one process runs them one after another, at the price of one start.
export function fbHost (): FbHost {
  const child = fork(HOST, { execArgv: [], env: { PATH: process.env['PATH'] ?? '' }, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  return {
    async run (args, env, input = '') {
      child.send({ args, env: { PATH: process.env['PATH'] ?? '', ...env }, input })
      const [done] = await once(child, 'message', { signal: AbortSignal.timeout(60_000) })
      return done as FbLine
    },
    follow (args, env) {
      let printed = ''
      const keep = (told: { printed?: string }): void => { printed += told.printed ?? '' }
      child.on('message', keep)
      child.send({ args, env: { PATH: process.env['PATH'] ?? '', ...env }, input: '', tells: true })
      return {
        async until (isThere) {
          const signal = AbortSignal.timeout(60_000)
          while (!isThere(printed)) await once(child, 'message', { signal })
          return printed
        },
        async interrupt () {
          child.kill('SIGINT')
          const signal = AbortSignal.timeout(60_000)
          // What it printed before it was interrupted may still be on its way.
          let told: Partial<FbLine> = {}
          while (told.status === undefined) [told] = await once(child, 'message', { signal })
          child.off('message', keep)
          return told as FbLine
        }
      }
    },
    // Following leaves its answer to SIGTERM behind.
    close () { child.kill('SIGKILL') }
  }
}
