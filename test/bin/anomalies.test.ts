import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { sql } from 'drizzle-orm'
import { rowsOf } from '../../db/rows.ts'
import { NO_SERVERS } from '../helper/fronts.ts'
import { spawnServer, type ServerProcess } from '../helper/process.ts'
import { call, newCaller, real, start } from '../helper/service.ts'

const FB = fileURLToPath(new URL('../../bin/fb.js', import.meta.url))
const stores = await real()

t.test('one instance judges the audit rows; when it is killed another takes over, and an operator who follows sees what it notices', { skip: stores === null ? NO_SERVERS : false, timeout: 90_000 }, async (t) => {
  if (stores === null) return
  t.comment(`stores: ${stores.name}`)
  const { runtime } = await start(stores, { RUN_WORKER: 'false' })
  t.teardown(async () => {
    await runtime.close()
    await stores.drop()
  })
  const servers = new Map<string, ServerProcess>()
  for (const name of ['one', 'two']) servers.set(name, await spawnServer({ ...stores.env, INSTANCE_ID: name }))
  t.teardown(async () => { for (const server of servers.values()) await server.kill9() })
  const leader = async (): Promise<string> => {
    for (;;) {
      const [row] = rowsOf(await runtime.database.db.execute(sql`select holder from leases where name = 'anomaly-detector' and until > now()`))
      if (typeof row?.['holder'] === 'string') return row['holder']
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  const first = await leader()
  const second = first === 'one' ? 'two' : 'one'
  await servers.get(first)?.kill9()

  const follower = spawn(process.execPath, [FB, 'anomalies', '--follow', '--json'], { env: { PATH: process.env['PATH'] ?? '', ...stores.env }, stdio: ['ignore', 'pipe', 'ignore'] })
  t.teardown(() => { follower.kill('SIGKILL') })
  const caller = await newCaller(runtime)
  const survivor = servers.get(second)
  for (let n = 0; n < 12; n++) t.equal((await call(survivor?.url ?? '', caller, 'GET', '/webhooks')).status, 403)
  const line = await new Promise<string>((resolve) => createInterface(follower.stdout).once('line', resolve))
  t.match(JSON.parse(line), { signal: 'scope_probing', key_id: caller.keyId, org_id: caller.orgId, severity: 'medium', certain: false, action: 'none' })
  t.equal(await leader(), second)

  const ended = new Promise((resolve) => follower.once('exit', resolve))
  follower.kill('SIGINT')
  t.equal(await ended, 0)
})
