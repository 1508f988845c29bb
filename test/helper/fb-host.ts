// Runs one command line after another in one process: each imports bin/fb.ts anew, its modules once. Started by fbHost (process.ts).
import { Readable } from 'node:stream'

interface Order { readonly args: readonly string[], readonly env: Record<string, string>, readonly input: string, readonly tells?: boolean }

let runs = 0

function captured (stream: NodeJS.WriteStream, tell: (piece: string) => void): { text: () => string, release: () => void } {
  const write = stream.write
  let text = ''
  stream.write = (chunk: string | Uint8Array) => {
    const piece = typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString()
    text += piece
    tell(piece)
    return true
  }
  return { text: () => text, release: () => { stream.write = write } }
}

async function run ({ args, env, input, tells = false }: Order): Promise<object> {
  const tell = (printed: string): void => { if (tells) process.send?.({ printed }) }
  const [stdout, stderr] = [captured(process.stdout, tell), captured(process.stderr, tell)]
  for (const name of Object.keys(process.env)) if (!(name in env)) delete process.env[name]
  Object.assign(process.env, env)
  process.argv.splice(2, Infinity, ...args)
  Object.defineProperty(process, 'stdin', { configurable: true, value: Readable.from([Buffer.from(input)]) })
  process.exitCode = undefined
  try {
    await import(`../../bin/fb.js?run=${++runs}`)
    return { status: process.exitCode ?? 0, stdout: stdout.text(), stderr: stderr.text() }
  } catch (err) {
    return { status: null, stdout: stdout.text(), stderr: String(err) }
  } finally {
    process.exitCode = undefined
    process.stdout.removeAllListeners('error')
    stdout.release()
    stderr.release()
  }
}

process.on('message', (order: Order) => { run(order).then((done) => process.send?.(done)).catch(() => process.exit(1)) })
