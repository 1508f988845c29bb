/**
 * The operators' way into a running server that owns its database folder: a Unix socket in that folder. Whoever can open it is
 * the user who runs the server (folder 0700, socket 0600); there is no other credential. Wire: one JSON object a line,
 * `{ id, name, args, actor }` answered by `{ id, ok: true, result }` or `{ id, ok: false, kind, error }`, in order.
 */
import { chmod, mkdir, rm } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { dirname, join, relative } from 'node:path'
import { OPERATIONS, OperationError, runOperation, type OperationErrorKind, type OperationName, type OperatorDeps } from '../evaluation/operator.ts'
import type { Config } from '../config.ts'

const SOCKET_NAME = 'admin.sock'
/** A blueprint of 10 MB whose every quote and line break is escaped, and room for its envelope. */
const LINE_BYTES_MAX = 32 * 1024 * 1024
const CONNECTIONS_MAX = 16
const IDLE_MS = 60_000
/** sun_path of unix(7) on Linux has 108 bytes, on macOS 104, the closing NUL included. */
const SOCKET_PATH_BYTES_MAX = 103
const NEWLINE = 0x0a

export interface AdminServer { readonly path: string, close (): Promise<void> }
export interface AdminClient { call (name: OperationName, args: object): Promise<object>, close (): void }

/** What the server needs of its runtime. */
export interface AdminRuntime extends Pick<OperatorDeps, 'database' | 'admission' | 'kill'> { readonly config: Pick<Config, 'secrets' | 'anomalyThresholds'> }

export function adminSocketPath (dataFolder: string): string {
  return join(dataFolder, SOCKET_NAME)
}

/** Offers the socket. The caller owns the folder's lock, so a file left by a dead server is removed. */
export async function offerAdminSocket (runtime: AdminRuntime, path: string): Promise<AdminServer> {
  const { database, admission, kill, config } = runtime
  const deps = { database, admission, kill, recordIdSecret: config.secrets.recordId, watermarkSecret: config.secrets.watermark, masterKeys: config.secrets.masterKeys, thresholds: config.anomalyThresholds }
  const address = socketAddress(path)
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await chmod(dirname(path), 0o700)
  await rm(path, { force: true })
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    socket.on('error', () => socket.destroy())
    socket.setTimeout(IDLE_MS, () => socket.destroy())
    serveConnection(socket, deps).catch(() => socket.destroy())
  })
  server.maxConnections = CONNECTIONS_MAX
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(address, resolve)
  })
  await chmod(path, 0o600)
  return {
    path,
    async close () {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of open) socket.destroy()
      await closed
      await rm(path, { force: true })
    }
  }
}

/** A client of the server that listens there, or null when none does. */
export async function connectAdminSocket (path: string, actor: string): Promise<AdminClient | null> {
  const socket = await new Promise<Socket | null>((resolve, reject) => {
    const attempt = connect(socketAddress(path))
    attempt.once('connect', () => resolve(attempt))
    attempt.once('error', (err: NodeJS.ErrnoException) => {
      // No file, or a file that nobody listens on any more.
      if (err.code === 'ENOENT' || err.code === 'ECONNREFUSED' || err.code === 'ENOTDIR') resolve(null)
      else reject(new OperationError('unavailable', `the server's socket ${path} cannot be opened (${err.code ?? 'error'}); run fb as the user who runs the server`, { cause: err }))
    })
  })
  if (socket === null) return null
  // Errors end the line iterator, which is where they are reported.
  socket.on('error', () => {})
  const lines = linesOf(socket)
  let lastId = 0
  return {
    async call (name, args) {
      const id = ++lastId
      socket.write(`${JSON.stringify({ id, name, args, actor })}\n`)
      const next = await lines.next().catch(() => ({ done: true as const, value: undefined }))
      if (next.done === true) throw new OperationError('unavailable', 'the server closed its socket before it answered')
      return resultOf(JSON.parse(next.value), id)
    },
    close () {
      socket.destroy()
    }
  }
}

async function serveConnection (socket: Socket, deps: Omit<OperatorDeps, 'actor'>): Promise<void> {
  for await (const line of linesOf(socket)) socket.write(`${JSON.stringify(await answer(line, deps))}\n`)
  socket.end()
}

async function answer (line: string, deps: Omit<OperatorDeps, 'actor'>): Promise<object> {
  let id: unknown = null
  try {
    const request = parseRequest(line)
    id = request.id
    return { id, ok: true, result: await runOperation({ ...deps, actor: request.actor }, request.name, request.args) }
  } catch (err) {
    if (err instanceof OperationError) return { id, ok: false, kind: err.kind, error: err.message }
    // A driver's message may hold bound values.
    return { id, ok: false, kind: 'unavailable', error: 'the server could not complete the operation' }
  }
}

function parseRequest (line: string): { id: unknown, name: OperationName, args: unknown, actor: string } {
  let request: unknown
  try {
    request = JSON.parse(line)
  } catch (cause) {
    throw new OperationError('usage', 'a request must be one line of JSON', { cause })
  }
  if (typeof request !== 'object' || request === null) throw new OperationError('usage', 'a request must be an object')
  const { id, name, args, actor } = request as Record<string, unknown>
  const known = OPERATIONS.find((one) => one === name)
  if (known === undefined) throw new OperationError('usage', `unknown operation; known: ${OPERATIONS.join(', ')}`)
  return { id, name: known, args, actor: typeof actor === 'string' ? actor.slice(0, 64) : 'fb' }
}

function resultOf (response: unknown, id: number): object {
  const { id: answered, ok, result, kind, error } = response as Record<string, unknown>
  if (ok === true && answered === id && typeof result === 'object' && result !== null) return result
  throw new OperationError(isKind(kind) ? kind : 'unavailable', typeof error === 'string' ? error : 'the server gave an answer that was not understood')
}

function isKind (kind: unknown): kind is OperationErrorKind {
  return kind === 'usage' || kind === 'failed' || kind === 'unavailable'
}

/** Lines of a stream; throws once a line grows beyond the limit. Chunks are joined once a line, not once a chunk. */
async function * linesOf (socket: Socket): AsyncGenerator<string, void, undefined> {
  let held: Buffer[] = []
  let heldBytes = 0
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    let rest = chunk
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
      held.push(rest.subarray(0, end))
      const line = Buffer.concat(held).toString('utf8')
      held = []
      heldBytes = 0
      rest = rest.subarray(end + 1)
      yield line
    }
    held.push(rest)
    heldBytes += rest.length
    if (heldBytes > LINE_BYTES_MAX) throw new Error(`a line of more than ${LINE_BYTES_MAX} bytes`)
  }
}

// Node passes the path to the kernel as it is given: a deep folder may still be reachable by its relative path.
function socketAddress (path: string): string {
  const shortest = [path, relative(process.cwd(), path)].filter((one) => one !== '').reduce((a, b) => Buffer.byteLength(b) < Buffer.byteLength(a) ? b : a)
  if (Buffer.byteLength(shortest) > SOCKET_PATH_BYTES_MAX) throw new OperationError('usage', `the path of the data folder is too long for a Unix socket (${SOCKET_PATH_BYTES_MAX} bytes): ${path}`)
  return shortest
}
