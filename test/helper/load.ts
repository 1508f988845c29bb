import { Agent, request } from 'node:http'
import { inArray, sql } from 'drizzle-orm'
import type { Database } from '../../db/client.ts'
import { countAuditRows } from '../../db/queries/system.ts'
import { evaluations } from '../../db/schema.ts'
import { FLOW, headersFor, type Answer, type Caller } from './service.ts'

const P = '/api/public/v1'
const PAUSE_MS = 20
const BATCH = 1000

export interface Seen {
  /** Answers by status, and code where it is not 200. */
  readonly statuses: Map<string, number>
  /** Of the answers that carried data. */
  readonly watermarks: Set<string>
  /** Evaluations that the service said it accepted. */
  readonly accepted: Set<string>
  /** Connections that ended without a whole answer, by the error's code; what became of their requests is unknown. */
  readonly cut: Map<string, number>
  /** Connections that were refused: nothing was sent over them. */
  refused: number
  slowestMs: number
}

export interface LoadOptions {
  readonly readers?: number
  readonly writers?: number
  /** Keep connections alive, as clients do. Default true. */
  readonly keepAlive?: boolean
  /** Stop a client at its first refused connection. Default false: it asks again. */
  readonly endsWhenRefused?: boolean
  /** Asked before each request; a client ends when it says no, as behind a balancer. Default always. */
  readonly isOffered?: () => boolean
}

export interface Load {
  readonly seen: Seen
  /** Resolves once every client has its last answer. */
  stop (): Promise<Seen>
  /** Resolves once every client has ended. */
  readonly isOver: Promise<unknown>
}

let submitted = 0

// Clients that each send the next request as soon as the last was answered, until they are told to stop.
export function startLoad (urlOf: () => string, caller: Caller, options: LoadOptions = {}): Load {
  const { readers = 4, writers = 2, keepAlive = true, endsWhenRefused = false, isOffered = () => true } = options
  const seen: Seen = { statuses: new Map(), watermarks: new Set(), accepted: new Set(), cut: new Map(), refused: 0, slowestMs: 0 }
  const ending = new AbortController()
  const count = (map: Map<string, number>, what: string): void => { map.set(what, (map.get(what) ?? 0) + 1) }

  async function client (number: number): Promise<void> {
    const agent = new Agent({ keepAlive, maxSockets: 1 })
    while (!ending.signal.aborted && isOffered()) {
      const startedMs = performance.now()
      try {
        const { status, body } = await ask(urlOf(), caller, number < writers ? 'evaluate' : number % 2 === 0 ? 'policies' : 'scenarios', agent)
        seen.slowestMs = Math.max(seen.slowestMs, performance.now() - startedMs)
        count(seen.statuses, `${status}${status === 200 ? '' : ` ${String(body.code)}`}`)
        if (status === 200) seen.watermarks.add(body.meta.watermark)
        if (status === 200 && body.data.evaluation_id !== undefined) seen.accepted.add(body.data.evaluation_id)
        // One that is refused at once would otherwise ask a thousand times a second.
        if (status !== 200) await pause()
      } catch (err) {
        const code = err instanceof Error && 'code' in err ? String(err.code) : 'unknown'
        if (code === 'ECONNREFUSED') seen.refused++
        else count(seen.cut, code)
        if (code === 'ECONNREFUSED' && endsWhenRefused) break
        await pause()
      }
    }
    agent.destroy()
  }

  const isOver = Promise.all(Array.from({ length: readers + writers }, (_, number) => client(number)))
  return {
    seen,
    isOver,
    async stop () {
      ending.abort()
      await isOver
      return seen
    }
  }
}

async function pause (): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
}

async function ask (url: string, caller: Caller, what: 'evaluate' | 'policies' | 'scenarios', agent: Agent): Promise<Pick<Answer, 'status' | 'body'>> {
  const path = what === 'evaluate' ? `${P}/evaluate` : what === 'policies' ? `${P}/governance/policies` : `${P}/scenarios`
  const method = what === 'evaluate' ? 'POST' : 'GET'
  const body = what === 'evaluate' ? JSON.stringify({ blueprints: [{ id: `load-${++submitted}`, blueprint: FLOW }] }) : ''
  return await new Promise((resolve, reject) => {
    const outgoing = request(`${url}${path}`, { method, agent, headers: { ...headersFor(caller, method, path, body), 'content-length': Buffer.byteLength(body) } }, (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('error', reject)
      incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, body: JSON.parse(Buffer.concat(chunks).toString()) }))
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

export interface Kept { readonly rows: number, readonly stored: number, readonly complete: number }

// What the database holds of what clients were told.
export async function countKept ({ db }: Database, seen: Pick<Seen, 'watermarks' | 'accepted'>): Promise<Kept> {
  let rows = 0
  let stored = 0
  let complete = 0
  for (const marks of inBatches(seen.watermarks)) rows += await countAuditRows(db, marks)
  for (const ids of inBatches(seen.accepted)) {
    const [row] = await db.select({ stored: sql`count(*)`.mapWith(Number), complete: sql`count(*) filter (where ${evaluations.state} = 'complete')`.mapWith(Number) }).from(evaluations).where(inArray(evaluations.id, ids))
    stored += row?.stored ?? 0
    complete += row?.complete ?? 0
  }
  return { rows, stored, complete }
}

// Resolves once no evaluation waits or is under way; false when some still are after the time given.
export async function allJudged ({ db }: Database, msMax: number): Promise<boolean> {
  for (const startedMs = performance.now(); performance.now() - startedMs < msMax;) {
    if (await db.$count(evaluations, sql`state in ('pending', 'processing')`) === 0) return true
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
  return false
}

function inBatches (texts: ReadonlySet<string>): string[][] {
  const all = [...texts]
  return Array.from({ length: Math.ceil(all.length / BATCH) }, (_, n) => all.slice(n * BATCH, (n + 1) * BATCH))
}
