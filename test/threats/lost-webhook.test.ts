import { spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { sql } from 'drizzle-orm'
import { insertDeliveries } from '../../db/queries/webhooks.ts'
import { enqueueEvent, newDelivery } from '../../evaluation/webhook-events.ts'
import { verifyWebhook } from '../../plugins/lib/webhook-signature.ts'
import { startReceiver } from '../helper/receiver.ts'
import { call, newCaller, real, start } from '../helper/service.ts'

const EVENTS = 10_000
const KILLS = 10
const FAILURE_SHARE = 0.3
const workerFile = fileURLToPath(new URL('../../bin/worker.js', import.meta.url))
const stores = await real()

t.test('ten thousand events, 30 % receiver failures, ten killed workers: none is missing', { skip: stores === null ? 'no PostgreSQL and Redis answered' : false, timeout: 170_000 }, async (t) => {
  if (stores === null) return
  const settings = { WEBHOOK_UNSAFE_ALLOWED_RANGES: '127.0.0.1/32', WEBHOOK_BACKOFF_SECONDS: '1,1,2' }
  const { runtime, url } = await start(stores, { ...settings, RUN_WORKER: 'false' })
  const { database, config: { secrets } } = runtime
  const caller = await newCaller(runtime, { permissions: ['admin'], rpm: 100_000, rph: 100_000 })
  const keys = new Map<string, string>()
  let forged = 0
  let failures = 0
  const acknowledged = new Map<string, number>()
  const receiver = await startReceiver(({ headers, body, path }, response) => {
    if (!verifyWebhook(headers['x-fb-signature'] ?? '', keys.get(path) ?? '', body, Date.now() / 1000)) forged++
    if (Math.random() < FAILURE_SHARE) {
      failures++
      // Refused, cut off before the answer, and cut off after the event was taken: the third makes duplicates.
      const kind = failures % 3
      if (kind === 2) acknowledged.set(headers['webhook-id'] ?? '', (acknowledged.get(headers['webhook-id'] ?? '') ?? 0) + 1)
      if (kind === 0) response.writeHead(503).end()
      else response.destroy()
      return
    }
    acknowledged.set(headers['webhook-id'] ?? '', (acknowledged.get(headers['webhook-id'] ?? '') ?? 0) + 1)
    response.writeHead(200).end()
  })
  let child: ChildProcess | null = null
  t.teardown(async () => {
    child?.kill('SIGKILL')
    await receiver.close()
    await runtime.close()
    await stores.drop()
  })
  const ids: string[] = []
  for (let n = 0; n < 16; n++) {
    const { body } = await call(url, caller, 'POST', '/webhooks', JSON.stringify({ url: `${receiver.url}/${n}`, events: ['webhook.disabled'] }))
    keys.set(`/${n}`, body.data.signing_secret)
    ids.push(body.data.id)
  }
  // The outbox is written as an ending evaluation writes it: in transactions of the organization's own events.
  for (let written = 0; written < EVENTS; written += ids.length * 25) {
    await database.db.transaction(async (tx) => {
      for (let n = 0; n < 25 && written + n * ids.length < EVENTS; n++) await enqueueEvent(tx, caller.orgId, { event: 'webhook.disabled', evaluationId: null, subject: { n: String(written + n) } }, secrets)
    })
  }
  const count = async (where: ReturnType<typeof sql>): Promise<number> => {
    const [row] = await database.db.execute(sql`select count(*)::int as n from webhook_deliveries where ${where}`) as unknown as Array<{ n: number }>
    return row?.n ?? 0
  }
  const total = await count(sql`true`)
  t.equal(total, EVENTS)

  const spawnWorker = (cycle: number): ChildProcess => spawn(process.execPath, [workerFile], { env: { ...process.env, ...stores.env, ...settings, OPS_PORT: '0', LOG_LEVEL: 'silent', INSTANCE_ID: `w${cycle}` }, stdio: 'ignore' })
  const startedMs = performance.now()
  const waitFor = async (isTrue: () => Promise<boolean>): Promise<void> => { while (!await isTrue()) await new Promise((resolve) => setTimeout(resolve, 50)) }
  for (let cycle = 0; cycle < KILLS; cycle++) {
    child = spawnWorker(cycle)
    const before = receiver.received.length
    await waitFor(async () => receiver.received.length > before + 300)
    child.kill('SIGKILL')
    await new Promise((resolve) => child?.once('exit', resolve))
    // What the dead worker held would wait out its lease; the clock is moved instead of the test.
    await database.db.execute(sql`update webhook_deliveries set lease_until = now() where state = 'delivering'`)
  }
  child = spawnWorker(KILLS)
  await waitFor(async () => await count(sql`state in ('pending', 'delivering')`) === 0)
  const givenUp = await database.db.query.webhookDeliveries.findMany({ where: (row, { eq }) => eq(row.state, 'failed') })
  t.comment(`${EVENTS} events, ${receiver.received.length} attempts, ${failures} failures, ${KILLS} kills, ${givenUp.length} given up after four attempts and visible, ${Math.round(performance.now() - startedMs)} ms`)
  // What was given up is in the log; its owner sends it again until it is through.
  for (let rounds = 0, open = givenUp; open.length > 0 && rounds < 20; rounds++) {
    await database.asOrganization(caller.orgId, (tx) => insertDeliveries(tx, caller.orgId, open.map((row) => ({
      ...newDelivery(caller.orgId, row.subscriptionId, { event: row.event, evaluationId: null, subject: row.subject ?? {} }, secrets, row.messageId), replayOf: row.id
    }))))
    await waitFor(async () => await count(sql`state in ('pending', 'delivering')`) === 0)
    open = open.filter(({ messageId }) => !acknowledged.has(messageId))
  }
  const wanted = await database.db.query.webhookDeliveries.findMany({ columns: { messageId: true }, where: (row, { isNull }) => isNull(row.replayOf) })
  const missing = wanted.filter(({ messageId }) => !acknowledged.has(messageId))
  const duplicates = [...acknowledged.values()].reduce((sum, times) => sum + times - 1, 0)
  t.comment(`${missing.length} missing, ${duplicates} duplicates, ${forged} with a signature that did not verify`)
  t.equal(missing.length, 0)
  t.equal(forged, 0)
})
