import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const SERVER = fileURLToPath(new URL('../../bin/server.js', import.meta.url))

export interface ServerProcess {
  url: string
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
  const url = await new Promise<string>((resolve, reject) => {
    const read = (chunk: Buffer): void => {
      text += chunk.toString()
      const found = /Public API on (\S+) /.exec(text)?.[1]
      if (found !== undefined) resolve(found)
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    exited.then((code) => reject(new Error(`the server ended with ${code} before it listened: ${text}`))).catch(() => {})
  })
  return {
    url,
    output: () => text,
    ended: () => end,
    async stop () {
      child.kill('SIGTERM')
      return await exited
    }
  }
}
