import t, { type Test } from 'tap'
import { assertNothingLost, assertOnce, assertUnavailable, endSessions, evaluate, fetchResults, holdTable, isReady, policies, prepare, recoveredMs, RECOVERY_MS, scenarios, startOn, takeConnections, type Prepared, type Service } from '../helper/postgres-faults.ts'
import { startPrivatePostgres, whyNoPostgres, type PrivatePostgres } from '../helper/private-postgres.ts'
import { P } from '../helper/fronts.ts'
import { startLoad } from '../helper/load.ts'
import { newCaller, send } from '../helper/service.ts'

// docs/operations.md, "When a store is away": the rows of PostgreSQL, each on a server that really is in that state, under load.
interface Fault {
  readonly name: string
  readonly cut: (server: PrivatePostgres) => unknown
  /** Resolves once the server answers again. */
  readonly mend: (server: PrivatePostgres) => unknown
}

const AWAY: Fault[] = [
  { name: 'PostgreSQL stopped', cut: (server) => server.stop('immediate'), mend: (server) => server.start() },
  { name: 'PostgreSQL hung', cut: (server) => server.hang(), mend: (server) => server.resume() }
]
const MAX_CONNECTIONS = 30
const HELD_MS = 1500

const skip = whyNoPostgres() ?? false
const server = await startPrivatePostgres({ settings: { max_connections: MAX_CONNECTIONS } })
t.teardown(() => server?.close())

async function back (t: Test, { url }: Service, { known, fresh }: Prepared, what: string): Promise<void> {
  const ms = await recoveredMs(url, known, fresh)
  t.comment(`${what}: answering again ${Math.round(ms)} ms after its return`)
  t.ok(ms <= RECOVERY_MS, `${Math.round(ms)} ms`)
}

t.test('a PostgreSQL that cannot be used', { skip, timeout: 150_000 }, async (t) => {
  if (server === null) return
  const service = await startOn(t, server)
  const { runtime, url, databaseUrl } = service
  const { watermark } = runtime.config.secrets

  for (const { name, cut, mend } of AWAY) {
    await t.test(`${name}: 503 and never 401 in bounded time, nothing half done, nothing lost, and all is well again within 2 s`, async (t) => {
      const prepared = await prepare(service)
      const { known, fresh, stranger, token } = prepared
      const load = startLoad(() => url, known)
      await recoveredMs(url, known, known)
      await cut(server)
      // What was under way has its deadline; whoever comes afterwards is refused at once.
      for (const answer of await Promise.all([policies(url, known), scenarios(url, known), evaluate(url, known), policies(url, fresh), policies(url, stranger), fetchResults(url, token)])) assertUnavailable(t, answer, watermark)
      const startedMs = performance.now()
      for (let n = 0; n < 20; n++) t.equal((await policies(url, n % 2 === 0 ? known : fresh)).status, 503)
      t.ok(performance.now() - startedMs < 2000, 'twenty refusals together take less than one deadline')
      t.equal((await send(url, 'GET', `${P}/governance/policies`)).status, 401, 'without a key no store is asked')
      t.equal((await send(url, 'GET', `${P}/governance/health`)).status, 200)
      t.equal((await isReady(service)).status, 503)
      await mend(server)
      await back(t, service, prepared, name)
      t.equal((await isReady(service)).status, 200)
      await assertNothingLost(t, service, await load.stop())
      await assertOnce(t, url, token)
    })
  }

  await t.test('PostgreSQL sessions ended: what was under way is 503, the next request is answered, and no transaction goes on elsewhere', async (t) => {
    const prepared = await prepare(service)
    const load = startLoad(() => url, prepared.known)
    for (let round = 0; round < 10; round++) {
      await recoveredMs(url, prepared.known, prepared.known)
      t.ok(await endSessions(databaseUrl) > 0)
      const ms = await recoveredMs(url, prepared.known, prepared.fresh)
      t.ok(ms <= RECOVERY_MS, `${Math.round(ms)} ms`)
    }
    await assertNothingLost(t, service, await load.stop())
    await assertOnce(t, url, prepared.token)
  })

  await t.test('PostgreSQL connections used up: what is connected goes on serving, and when nothing is, 503 until there is room', async (t) => {
    const prepared = await prepare(service)
    const load = startLoad(() => url, prepared.known)
    await recoveredMs(url, prepared.known, prepared.fresh)
    let free = await takeConnections(server)
    for (let n = 0; n < 20; n++) t.equal((await scenarios(url, prepared.known)).status, 200)
    await free()
    // Whoever asks first after its sessions ended finds no place any more.
    await load.stop()
    await endSessions(databaseUrl)
    free = await takeConnections(server)
    const again = startLoad(() => url, prepared.known)
    for (const answer of await Promise.all([policies(url, prepared.known), scenarios(url, prepared.fresh)])) assertUnavailable(t, answer, watermark)
    await free()
    await back(t, service, prepared, 'connections used up')
    await assertNothingLost(t, service, load.seen)
    await assertNothingLost(t, service, await again.stop())
  })

  await t.test('PostgreSQL lock on audit_rows: no answer with data leaves, each waits no longer than its deadline', async (t) => {
    const prepared = await prepare(service)
    const load = startLoad(() => url, prepared.known)
    const release = await holdTable(databaseUrl, 'audit_rows')
    for (const answer of await Promise.all([policies(url, prepared.known), scenarios(url, prepared.fresh), evaluate(url, prepared.known), fetchResults(url, prepared.token)])) assertUnavailable(t, answer, watermark)
    await release()
    await back(t, service, prepared, 'lock on audit_rows')
    await assertNothingLost(t, service, await load.stop())
    await assertOnce(t, url, prepared.token)
  })

  await t.test('PostgreSQL lock on api_keys: keys that are known are served, others get 503 and never 401', async (t) => {
    const prepared = await prepare(service)
    for (const ask of [policies, scenarios]) t.equal((await ask(url, prepared.known)).status, 200)
    const release = await holdTable(databaseUrl, 'api_keys')
    const others = Promise.all([policies(url, prepared.fresh), policies(url, prepared.stranger)])
    for (let n = 0; n < 20; n++) t.equal((await policies(url, prepared.known)).status, 200)
    for (const answer of await others) assertUnavailable(t, answer, watermark)
    await release()
    await back(t, service, prepared, 'lock on api_keys')
    t.equal((await policies(url, prepared.stranger)).status, 401)
  })

  await t.test('PostgreSQL lock on evaluations: submissions get 503, even so many that the pool is busy, and nothing else waits for them', async (t) => {
    const prepared = await prepare(service)
    const { known } = prepared
    t.equal((await policies(url, known)).status, 200)
    const release = await holdTable(databaseUrl, 'evaluations')
    const callers = await Promise.all(Array.from({ length: 40 }, () => newCaller(runtime)))
    const startedMs = performance.now()
    const refused = Promise.all(callers.map((caller) => evaluate(url, caller)))
    for (let n = 0; n < 20; n++) t.equal((await policies(url, known)).status, 200, 'its audit row has a connection of its own')
    const answers = await refused
    for (const { status, body } of answers) if (status !== 503) t.fail(`${status} ${JSON.stringify(body)}`)
    t.ok(performance.now() - startedMs < 9000, `forty submissions over ten connections were answered in ${Math.round(performance.now() - startedMs)} ms`)
    await release()
    await back(t, service, prepared, 'lock on evaluations')
    const stored = await runtime.database.db.execute(`select count(*)::int as count from evaluations where org_id in (${callers.map(({ orgId }) => `'${orgId}'`).join()})`)
    t.match(stored, [{ count: 0 }], 'what was refused is not there')
  })
})

const diskMb = 96
t.test('PostgreSQL disk full: 503, nothing lost, and all is well again within 2 s of its return', { skip: whyNoPostgres({ diskMb }) ?? false, timeout: 60_000 }, async (t) => {
  const small = await startPrivatePostgres({ diskMb, settings: { max_wal_size: '4MB', min_wal_size: '2MB' } })
  if (small === null) return
  t.teardown(() => small.close())
  const service = await startOn(t, small)
  const { url } = service
  const prepared = await prepare(service)
  const load = startLoad(() => url, prepared.known)
  await recoveredMs(url, prepared.known, prepared.known)
  small.fillDisk()
  while (!load.seen.statuses.has('503 unavailable')) await new Promise((resolve) => setTimeout(resolve, 20))
  await new Promise((resolve) => setTimeout(resolve, HELD_MS))
  small.freeDisk()
  // A server that could not write its log has ended itself.
  await small.start()
  await back(t, service, prepared, 'disk full')
  await assertNothingLost(t, service, await load.stop())
  await assertOnce(t, url, prepared.token)
})
