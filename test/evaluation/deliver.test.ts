import { sql } from 'drizzle-orm'
import t from 'tap'
import { claimDeliveries } from '../../db/queries/delivery-queue.ts'
import { createOrganization } from '../../db/queries/organizations.ts'
import { changeSubscription, findSubscription, insertDeliveries, insertSubscription, listDeliveries, type DeliveryRow, type SubscriptionRow } from '../../db/queries/webhooks.ts'
import { startDelivery, type DeliveryOptions } from '../../evaluation/deliver.ts'
import { createEgress } from '../../evaluation/egress.ts'
import { newDelivery, PING_EVENT, SUBSCRIBABLE_EVENTS } from '../../evaluation/webhook-events.ts'
import { mintRecordId, ulid } from '../../plugins/lib/record-id.ts'
import { sealSecret } from '../../plugins/lib/sealed-secret.ts'
import { generateSigningSecret, verifyWebhook } from '../../plugins/lib/webhook-signature.ts'
import { startReceiver } from '../helper/receiver.ts'
import { openEmbedded } from '../helper/service.ts'

const secrets = { watermark: Buffer.alloc(32, 1), recordId: Buffer.alloc(32, 2), masterKeys: new Map([[1, Buffer.from('0123456789abcdef0123456789abcdef')]]) }
t.setTimeout(120_000)
const { database, close } = await openEmbedded()
t.teardown(close)
const orgId = `org_${ulid()}`
await createOrganization(database.db, { id: orgId, name: 'Acme' })

async function subscribe (url: string, org = orgId): Promise<{ id: string, secret: string }> {
  const id = mintRecordId('sub', org, secrets.recordId)
  const secret = generateSigningSecret()
  await database.asOrganization(org, (tx) => insertSubscription(tx, org, { id, url, events: [...SUBSCRIBABLE_EVENTS], description: null, sealedSecret: sealSecret(secret, id, secrets.masterKeys), createdBy: 'key_x' }, 100))
  return { id, secret }
}

async function queue (id: string, count = 1, org = orgId): Promise<void> {
  await database.asOrganization(org, (tx) => insertDeliveries(tx, org, Array.from({ length: count }, (_, n) => newDelivery(org, id, { event: 'webhook.disabled', evaluationId: null, subject: { n: String(n) } }, secrets))))
}

async function log (id: string): Promise<DeliveryRow[]> {
  return await database.asOrganization(orgId, (tx) => listDeliveries(tx, orgId, id, { limit: 100, afterId: null, state: null }))
}

async function subscription (id: string): Promise<SubscriptionRow> {
  const row = await database.asOrganization(orgId, (tx) => findSubscription(tx, orgId, id))
  if (row === null) throw new Error('the subscription is gone')
  return row
}

async function until (isTrue: () => Promise<boolean>): Promise<void> {
  while (!await isTrue()) await new Promise((resolve) => setTimeout(resolve, 20))
}

function start (over: Partial<DeliveryOptions> = {}) {
  const said: object[] = []
  const say = (fields: object, message: string): void => { said.push({ ...fields, message }) }
  const egress = createEgress({ allowHttp: true, unsafeAllowedRanges: ['127.0.0.1/32'], totalTimeoutMs: 3000 })
  return { said, worker: startDelivery({ database, egress, secrets, workerId: 'w1', logger: { warn: say, error: say }, backoffMs: [0, 0, 0], ...over }) }
}

t.test('a webhook that fails for long is switched off, its owner is told, and a probe that succeeds switches it on again', async (t) => {
  let status = 500
  const failing = await startReceiver((_received, response) => { response.writeHead(status).end() })
  const healthy = await startReceiver()
  t.teardown(async () => { await Promise.all([failing.close(), healthy.close()]) })
  const { id } = await subscribe(failing.url)
  const other = await subscribe(healthy.url)
  await queue(id, 5)
  const { worker, said } = start({ failing: { exhaustedMin: 5, failingMs: 0 }, probeMs: 300, tidyMs: 100 })
  await until(async () => !(await subscription(id)).isActive)
  t.match(await subscription(id), { isActive: false, disabledReason: 'failing', exhaustedCount: 5, failingSince: Date, disabledAt: Date })
  t.match((await log(id)).filter(({ event, state }) => event === 'webhook.disabled' && state === 'cancelled'), [{ attempts: [], subject: { webhook_id: id, reason: 'failing' } }])
  t.match((await healthy.next(1))[0]?.json, { event: 'webhook.disabled', webhook_id: id, organization_id: orgId, reason: 'failing', failing_since: /^\d{4}-.*Z$/ })
  t.match(said, [{ webhook: id }])
  const before = failing.received.length
  await queue(id)
  await until(async () => failing.received.length > before)
  t.match(failing.received.slice(before).map(({ json }) => json.event), [PING_EVENT], 'while it is off only probes are sent')
  status = 204
  await until(async () => (await subscription(id)).isActive)
  t.match(await subscription(id), { disabledAt: null, disabledReason: null, failingSince: null, exhaustedCount: 0, lastSuccessAt: Date })
  await until(async () => (await log(id)).every(({ finishedAt }) => finishedAt !== null))
  t.equal((await log(id)).filter(({ state, event }) => state === 'delivered' && event === 'webhook.disabled').length, 1, 'what waited for it is sent')
  await worker.stop()
  t.equal((await log(other.id)).length, 1)
})

t.test('a slow receiver holds nobody else up, however many subscriptions lead to it', async (t) => {
  const slow = await startReceiver((_received, response) => { setTimeout(() => response.writeHead(204).end(), 2100) })
  const quick = await startReceiver()
  t.teardown(async () => { await Promise.all([slow.close(), quick.close()]) })
  const slowIds = await Promise.all(Array.from({ length: 20 }, async () => (await subscribe(slow.url)).id))
  const quickOrg = `org_${ulid()}`
  await createOrganization(database.db, { id: quickOrg, name: 'Quick' })
  const quickId = (await subscribe(quick.url, quickOrg)).id
  for (const id of slowIds) await queue(id, 4)
  const { worker } = start({ concurrency: 8, perOrganizationMax: 6 })
  await slow.next(6)
  await queue(quickId, 40, quickOrg)
  await quick.next(40)
  t.ok(slow.received.length <= 14, `${slow.received.length} of 80 slow deliveries had begun when all 40 quick ones were done`)
  t.equal(slow.peak(), 6, 'no more of one organization are under way')
  await Promise.all(slowIds.map(changeOff))
  await worker.stop()
})

async function changeOff (id: string): Promise<void> {
  await database.asOrganization(orgId, (tx) => changeSubscription(tx, orgId, id, { isActive: false }))
}

t.test('what a dead worker had claimed is sent by the next one, and a lapsed outcome counts for nothing', async (t) => {
  const receiver = await startReceiver()
  t.teardown(() => receiver.close())
  const { id, secret } = await subscribe(receiver.url)
  await queue(id)
  const [claimed] = await claimDeliveries(database.db, { lease: 'dead', leaseMs: -1000, limit: 10, perSubscriptionMax: 4, scope: 'active' })
  t.equal(claimed?.subscriptionId, id)
  const { worker } = start()
  const [received] = await receiver.next(1)
  t.ok(received !== undefined && verifyWebhook(received.headers['x-fb-signature'] ?? '', secret, received.body, Date.now() / 1000))
  await until(async () => (await log(id))[0]?.state === 'delivered')
  t.equal((await log(id))[0]?.attempts.length, 1)
  await worker.stop()
})

t.test('a secret that cannot be opened costs no attempt: the delivery waits and is logged', async (t) => {
  const receiver = await startReceiver()
  t.teardown(() => receiver.close())
  const { id } = await subscribe(receiver.url)
  await queue(id)
  const { worker, said } = start({ secrets: { ...secrets, masterKeys: new Map([[2, Buffer.from('fedcba9876543210fedcba9876543210')]]) } })
  await until(async () => said.length > 0)
  await until(async () => (await log(id))[0]?.state === 'pending')
  t.match(await log(id), [{ state: 'pending', attempts: [] }])
  t.match(await database.db.execute(sql`select claims from webhook_deliveries where subscription_id = ${id}`), { rows: [{ claims: 0 }] }, 'nor a claim: it waits however long the key is missing')
  t.match(said, [{ message: /could not be prepared/ }])
  t.equal(receiver.connections(), 0)
  await worker.stop()
  await changeOff(id)
})

t.test('a delivery that kills every worker is given up in the end', async (t) => {
  const receiver = await startReceiver()
  t.teardown(() => receiver.close())
  const { id } = await subscribe(receiver.url)
  await queue(id)
  for (let claims = 0; claims < 20; claims++) t.equal((await claimDeliveries(database.db, { lease: `dead${claims}`, leaseMs: -1000, limit: 10, perSubscriptionMax: 4, scope: 'active' })).length, 1)
  const { worker } = start({ tidyMs: 100 })
  await until(async () => (await log(id))[0]?.state === 'failed')
  t.equal(receiver.connections(), 0)
  await worker.stop()
})

t.test('two workers never send the same delivery at the same time', async (t) => {
  const receiver = await startReceiver((_received, response) => { setTimeout(() => response.writeHead(204).end(), 5) })
  t.teardown(() => receiver.close())
  const { id } = await subscribe(receiver.url)
  await queue(id, 60)
  const workers = [start({ workerId: 'a' }), start({ workerId: 'b' })]
  await receiver.next(60)
  await until(async () => (await log(id)).every(({ state }) => state === 'delivered'))
  await Promise.all(workers.map(({ worker }) => worker.stop()))
  t.equal(receiver.received.length, 60)
  t.equal(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size, 60)
})

t.test('deliveries of a paused organization wait without an attempt, and go on when it is paused no longer', async (t) => {
  const receiver = await startReceiver()
  t.teardown(() => receiver.close())
  const { id } = await subscribe(receiver.url)
  await queue(id, 3)
  let paused = { everything: false, orgs: [orgId] }
  let asked = 0
  const { worker } = start({
    paused: () => {
      asked++
      return paused
    }
  })
  t.teardown(() => worker.stop())
  for (const next of [paused, { everything: true, orgs: [] }]) {
    paused = next
    const before = asked
    await until(async () => {
      worker.kick()
      return asked > before + 3
    })
    t.same((await log(id)).map(({ state, attempts }) => [state, attempts.length]), [['pending', 0], ['pending', 0], ['pending', 0]])
  }
  paused = { everything: false, orgs: [`org_${ulid()}`] }
  worker.kick()
  await until(async () => (await log(id)).every(({ state }) => state === 'delivered'))
  t.equal(receiver.received.length, 3)
})
