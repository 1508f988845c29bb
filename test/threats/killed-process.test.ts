import { spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { inArray, sql } from 'drizzle-orm'
import { openDatabase } from '../../db/client.ts'
import { countAuditRows } from '../../db/queries/system.ts'
import { evaluations } from '../../db/schema.ts'
import { call, FLOW, newCaller, real, start } from '../helper/service.ts'

const CYCLES = 20
const LOAD_MS = 400
const server = fileURLToPath(new URL('../../bin/server.js', import.meta.url))
const stores = await real()

async function spawnServer (env: Record<string, string>): Promise<{ child: ChildProcess, url: string }> {
  const child = spawn(process.execPath, [server], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] })
  return await new Promise((resolve, reject) => {
    let text = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      const url = /Public API on (\S+) /.exec(text)?.[1]
      if (url !== undefined) resolve({ child, url })
    })
    child.on('exit', (code) => reject(new Error(`the server ended with ${code ?? 'a signal'} before it listened`)))
  })
}

t.test('kill -9 under load loses no accepted evaluation and no audit row', { skip: stores === null ? 'no PostgreSQL and Redis answered' : false, timeout: 170_000 }, async (t) => {
  if (stores === null) return
  const first = await start(stores, { RUN_WORKER: 'false' })
  const caller = await newCaller(first.runtime, { rpm: 100_000, rph: 100_000 })
  await first.runtime.close()
  const env = { ...stores.env, PORT: '0', OPS_PORT: '0', LOG_LEVEL: 'silent' }
  const accepted = new Set<string>()
  const watermarks = new Set<string>()

  for (let cycle = 0; cycle < CYCLES; cycle++) {
    const { child, url } = await spawnServer({ ...env, INSTANCE_ID: `cycle-${cycle}` })
    const killed = new AbortController()
    const client = async (writes: boolean, number: number): Promise<void> => {
      for (let count = 0; !killed.signal.aborted; count++) {
        try {
          const body = JSON.stringify({ blueprints: [{ id: `c${cycle}-${number}-${count}`, blueprint: FLOW }] })
          const answer = writes ? await call(url, caller, 'POST', '/evaluate', body) : await call(url, caller, 'GET', '/scenarios')
          watermarks.add(answer.body.meta.watermark)
          if (answer.status === 200 && writes) accepted.add(answer.body.data.evaluation_id)
        } catch {
          // A cut connection: what happened to that request is unknown, so it counts for nothing.
        }
      }
    }
    const clients = [client(true, 1), client(true, 2), client(false, 3), client(false, 4)]
    await new Promise((resolve) => setTimeout(resolve, LOAD_MS))
    killed.abort()
    child.kill('SIGKILL')
    await Promise.all(clients)
  }

  const { child } = await spawnServer(env)
  const database = await openDatabase({ url: stores.env['DATABASE_URL'] ?? '' })
  t.teardown(async () => {
    await database.close()
    await stores.drop()
  })
  let open = Number.POSITIVE_INFINITY
  for (let waited = 0; open > 0 && waited < 90; waited++) {
    await new Promise((resolve) => setTimeout(resolve, 1000))
    const [row] = await database.db.select({ open: sql<number>`count(*)`.mapWith(Number) }).from(evaluations).where(inArray(evaluations.state, ['pending', 'processing']))
    open = row?.open ?? 0
  }
  const finished = await database.db.select({ id: evaluations.id, state: evaluations.state }).from(evaluations).where(inArray(evaluations.id, [...accepted]))
  t.comment(`${CYCLES} kills, ${accepted.size} evaluations accepted, ${watermarks.size} watermarks seen`)
  t.ok(accepted.size > CYCLES)
  t.equal(finished.filter(({ state }) => state === 'complete').length, accepted.size)
  t.equal(await countAuditRows(database.db, [...watermarks]), watermarks.size)

  const ended = new Promise<number | null>((resolve) => child.on('exit', resolve))
  child.kill('SIGTERM')
  t.equal(await ended, 0, 'SIGTERM drains and ends with 0')
})
