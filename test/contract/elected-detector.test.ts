import { fileURLToPath } from 'node:url'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { listAnomalies } from '../../db/queries/anomalies.ts'
import { freePort } from '../helper/private-redis.ts'
import { instanceOf, type Instance } from '../helper/instance.ts'
import { call, newCaller, real, start, type Caller } from '../helper/service.ts'

const SERVER = fileURLToPath(new URL('../../bin/server.js', import.meta.url))
// A lease of ten seconds, a look every two, and room for a busy machine.
const TAKEOVER_MS_MAX = 30_000
const stores = await real()

t.test('one instance is elected, and when it is killed the other goes on where it was', { skip: stores === null ? 'no PostgreSQL and Redis answered' : false, timeout: 120_000 }, async (t) => {
  if (stores === null) return
  const { runtime } = await start(stores, { RUN_WORKER: 'false' })
  const instances = new Map<string, { url: string, instance: Instance }>()
  t.teardown(async () => {
    await Promise.all([...instances.values()].map(({ instance }) => instance.kill9()))
    await runtime.close()
    await stores.drop()
  })
  for (const id of ['one', 'two']) {
    const port = await freePort()
    const instance = instanceOf({ program: SERVER, ready: /Public API on/, env: { ...stores.env, LOG_LEVEL: 'silent', OPS_PORT: '0', PORT: String(port), INSTANCE_ID: id } })
    await instance.start()
    instances.set(id, { url: `http://127.0.0.1:${port}`, instance })
  }
  const holder = async (): Promise<string> => {
    const rows = await runtime.database.db.execute(sql`select holder from leases where name = 'anomaly-detector' and until > now()`) as unknown as Array<{ holder: string }>
    return rows[0]?.holder ?? ''
  }
  const probe = async (url: string, caller: Caller): Promise<void> => { for (let n = 0; n < 12; n++) await call(url, caller, 'GET', '/webhooks') }
  const signals = async (caller: Caller): Promise<string[]> => (await listAnomalies(runtime.database.db, { orgId: caller.orgId, limit: 100 })).map(({ signal }) => signal)
  const raised = async (caller: Caller): Promise<number> => {
    const startedMs = performance.now()
    while ((await signals(caller)).length === 0 && performance.now() - startedMs < TAKEOVER_MS_MAX) await new Promise((resolve) => setTimeout(resolve, 50))
    return Math.round(performance.now() - startedMs)
  }
  while (await holder() === '') await new Promise((resolve) => setTimeout(resolve, 50))
  const first = await holder()
  const survivor = first === 'one' ? 'two' : 'one'
  const urlOf = (id: string): string => instances.get(id)?.url ?? ''
  const before = await newCaller(runtime, { rpm: 1000 })
  const during = await newCaller(runtime, { rpm: 1000 })
  await probe(urlOf(survivor), before)
  t.comment(`raised by the elected one ${await raised(before)} ms after the last request`)
  t.equal(await holder(), first)
  await instances.get(first)?.instance.kill9()
  await probe(urlOf(survivor), during)
  const tookMs = await raised(during)
  t.same(await signals(during), ['scope_probing'], `raised ${tookMs} ms after the elected instance was killed`)
  t.equal(await holder(), survivor)
  t.same(await signals(before), ['scope_probing'], 'what was raised before is not raised again')
})
