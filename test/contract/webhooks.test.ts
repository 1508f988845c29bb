import t from 'tap'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import { verifyWatermark } from '../../plugins/lib/watermark-id.ts'
import { verifyWebhook } from '../../plugins/lib/webhook-signature.ts'
import { readDocument } from '../helper/openapi.ts'
import { startReceiver, type Received } from '../helper/receiver.ts'
import { call, embedded, FLOW, newCaller, operate, real, start, type Answer, type Caller, type Stores } from '../helper/service.ts'

const realStores = await real()
const LOCAL = { WEBHOOK_UNSAFE_ALLOWED_RANGES: '127.0.0.1/32', WEBHOOK_BACKOFF_SECONDS: '0,0,0' }

function suite (stores: Stores): void {
  t.test(`webhooks on ${stores.name}`, { timeout: 120_000 }, async (t) => {
    t.comment(`stores: ${stores.name}`)
    const { runtime, url } = await start(stores, LOCAL)
    t.teardown(async () => {
      await runtime.close()
      await stores.drop()
    })
    const secrets = runtime.config.secrets
    let submitted = 0
    const newAdmin = async (options: object = {}): Promise<Caller> => await newCaller(runtime, { permissions: ['admin'], rpm: 1000, ...options })
    const subscribe = async (caller: Caller, target: string, events = ['evaluation.complete']): Promise<{ id: string, secret: string }> => {
      const { status, body } = await call(url, caller, 'POST', '/webhooks', JSON.stringify({ url: target, events }))
      t.equal(status, 200)
      return { id: body.data.id, secret: body.data.signing_secret }
    }
    const evaluate = async (caller: Caller): Promise<string> => (await call(url, caller, 'POST', '/evaluate', JSON.stringify({ blueprints: [{ id: `scenario-${++submitted}`, blueprint: FLOW }] }))).body.data.evaluation_id
    const ended = async (caller: Caller, id: string, count: number): Promise<any[]> => {
      for (;;) {
        const { body } = await call(url, caller, 'GET', `/webhooks/${id}/deliveries`)
        const done = body.data.deliveries.filter((delivery: { finished_at: string | null }) => delivery.finished_at !== null)
        if (done.length >= count) return done
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
    }

    await t.test('a new webhook shows its secret once, and the database never holds it', async (t) => {
      const caller = await newAdmin()
      const made = await call(url, caller, 'POST', '/webhooks', JSON.stringify({ url: 'https://hooks.example.com/in', events: ['evaluation.complete'], description: 'CI' }))
      t.equal(made.status, 200)
      t.match(made.body.data, { id: /^sub_[0-9A-Z]{26}$/, url: 'https://hooks.example.com/in', is_active: true, description: 'CI', signing_secret: /^whsec_[0-9a-f]{48}$/, warning: /not be shown again/ })
      const read = await call(url, caller, 'GET', `/webhooks/${made.body.data.id}`)
      t.notOk('signing_secret' in read.body.data)
      const stored = JSON.stringify(await runtime.database.db.query.webhookSubscriptions.findMany())
      t.notMatch(stored, made.body.data.signing_secret.slice(6))
      t.equal((await call(url, caller, 'GET', '/webhooks')).body.data.webhooks.length, 1)
    })

    await t.test('a finished evaluation arrives signed both ways, marked, and with references', async (t) => {
      const receiver = await startReceiver()
      t.teardown(() => receiver.close())
      const caller = await newAdmin()
      const { id, secret } = await subscribe(caller, `${receiver.url}/in?x=1`)
      const evaluationId = await evaluate(caller)
      const [received] = await receiver.next(1) as [Received]
      t.equal(received.path, '/in?x=1')
      t.same(readDocument().webhookProblemsOf('evaluation.complete', received.headers, received.json), [], 'as the OpenAPI document says')
      t.match(received.json, { event: 'evaluation.complete', evaluation_id: evaluationId, organization_id: caller.orgId })
      const [scenario] = received.json.scenarios
      t.same(Object.keys(scenario), ['id', 'name', 'score', 'violations', 'module_summary', 'evaluated_codes', 'passing_count', 'failing_count'])
      t.match(scenario.violations, [{ ref: /^vr_/, code: 'NET-001' }])
      t.notMatch(received.body.toString(), /CANARY|plain-host/)
      t.equal(received.headers['x-fb-event'], 'evaluation.complete')
      t.ok(verifyWatermark(received.headers['x-fb-watermark'] ?? '', secrets.watermark))
      t.ok(verifyWebhook(received.headers['x-fb-signature'] ?? '', secret, received.body, Date.now() / 1000))
      new StandardWebhook(secret).verify(received.body.toString(), received.headers)
      const [delivery] = await ended(caller, id, 1)
      t.match(delivery, { state: 'delivered', event: 'evaluation.complete', evaluation_id: evaluationId, watermark: received.headers['x-fb-watermark'], message_id: received.headers['webhook-id'], attempts: [{ status: 204, error: null }] })
    })

    await t.test('four attempts are made with the same bytes and id, each freshly signed, and then it is given up', async (t) => {
      const receiver = await startReceiver((_received, response) => { response.writeHead(500).end('SECRET-ANSWER') })
      t.teardown(() => receiver.close())
      const caller = await newAdmin()
      const { id, secret } = await subscribe(caller, receiver.url)
      await evaluate(caller)
      const [delivery] = await ended(caller, id, 1)
      t.equal(delivery.state, 'failed')
      t.same(delivery.attempts.map(({ status, error }: { status: number, error: string }) => [status, error]), Array.from({ length: 4 }, () => [500, 'refused_by_receiver']))
      t.equal(receiver.received.length, 4)
      t.equal(new Set(receiver.received.map(({ body }) => body.toString())).size, 1)
      t.equal(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size, 1)
      for (const one of receiver.received) t.ok(verifyWebhook(one.headers['x-fb-signature'] ?? '', secret, one.body, Date.now() / 1000))
      t.notMatch(JSON.stringify(delivery), /SECRET-ANSWER/)
    })

    await t.test('a redirect is a failure and is not followed', async (t) => {
      const inner = await startReceiver()
      const outer = await startReceiver((_received, response) => { response.writeHead(307, { location: inner.url }).end() })
      t.teardown(async () => { await Promise.all([inner.close(), outer.close()]) })
      const caller = await newAdmin()
      const { id } = await subscribe(caller, outer.url)
      await evaluate(caller)
      const [delivery] = await ended(caller, id, 1)
      t.match(delivery, { state: 'failed', attempts: [{ status: 307, error: 'redirected' }] })
      t.equal(inner.connections(), 0)
    })

    await t.test('a ping is sent on request, and one delivery or all since a time can be sent again', async (t) => {
      const receiver = await startReceiver()
      t.teardown(() => receiver.close())
      const caller = await newAdmin()
      const since = new Date(Date.now() - 1000).toISOString()
      const { id } = await subscribe(caller, receiver.url)
      const ping = await call(url, caller, 'POST', `/webhooks/${id}/test`)
      t.match(ping.body.data.delivery, { event: 'webhook.ping', state: 'pending' })
      t.match((await receiver.next(1))[0]?.json, { event: 'webhook.ping', webhook_id: id, organization_id: caller.orgId })
      await evaluate(caller)
      await evaluate(caller)
      await receiver.next(3)
      const log = await ended(caller, id, 3)
      const one = await call(url, caller, 'POST', `/webhooks/${id}/deliveries/${log[0].id}/replay`)
      t.match(one.body.data.delivery, { replay_of: log[0].id, message_id: log[0].message_id, state: 'pending' })
      const again = (await receiver.next(4))[3]
      t.equal(again?.headers['webhook-id'], log[0].message_id)
      t.not(again?.headers['x-fb-watermark'], log[0].watermark)
      await ended(caller, id, 4)
      const all = await call(url, caller, 'POST', `/webhooks/${id}/deliveries/replay`, JSON.stringify({ since }))
      t.same([all.status, all.body.data], [200, { queued: 2, next_since: null }])
      await receiver.next(6)
      t.equal((await call(url, caller, 'POST', `/webhooks/${id}/deliveries/replay`, JSON.stringify({ since, states: ['failed'] }))).body.data.queued, 0)
      const page = await call(url, caller, 'GET', `/webhooks/${id}/deliveries?limit=2`)
      t.equal(page.body.data.deliveries.length, 2)
      const next = await call(url, caller, 'GET', `/webhooks/${id}/deliveries?limit=2&cursor=${page.body.data.next_cursor}`)
      t.equal(new Set([...page.body.data.deliveries, ...next.body.data.deliveries].map(({ id }: { id: string }) => id)).size, 4)
    })

    await t.test('a rotated secret signs from then on, and the old one stops at once', async (t) => {
      const receiver = await startReceiver()
      t.teardown(() => receiver.close())
      const caller = await newAdmin()
      const { id, secret } = await subscribe(caller, receiver.url)
      const rotated = await call(url, caller, 'POST', `/webhooks/${id}/rotate-secret`)
      t.match(rotated.body.data, { id, signing_secret: /^whsec_[0-9a-f]{48}$/ })
      await call(url, caller, 'POST', `/webhooks/${id}/test`)
      const [received] = await receiver.next(1) as [Received]
      t.notOk(verifyWebhook(received.headers['x-fb-signature'] ?? '', secret, received.body, Date.now() / 1000))
      t.ok(verifyWebhook(received.headers['x-fb-signature'] ?? '', rotated.body.data.signing_secret, received.body, Date.now() / 1000))
    })

    await t.test('a paused webhook gets nothing, a deleted one is gone and what waited for it is cancelled', async (t) => {
      const receiver = await startReceiver()
      t.teardown(() => receiver.close())
      const caller = await newAdmin()
      const paused = await subscribe(caller, `${receiver.url}/paused`)
      const other = await subscribe(caller, `${receiver.url}/other`)
      t.match((await call(url, caller, 'PATCH', `/webhooks/${paused.id}`, JSON.stringify({ is_active: false, description: 'off' }))).body.data, { is_active: false, disabled_reason: 'owner', description: 'off' })
      await evaluate(caller)
      await receiver.next(1)
      t.same(receiver.received.map(({ path }) => path), ['/other'])
      t.match((await call(url, caller, 'PATCH', `/webhooks/${paused.id}`, JSON.stringify({ is_active: true }))).body.data, { is_active: true, disabled_reason: null })
      t.match((await call(url, caller, 'DELETE', `/webhooks/${other.id}`)).body.data, { id: other.id, deleted: true })
      for (const [method, path, body] of [['GET', '', ''], ['PATCH', '', '{"is_active":true,"description":null}'], ['POST', '/test', ''], ['POST', '/rotate-secret', ''], ['GET', '/deliveries', '']] as const) {
        t.equal((await call(url, caller, method, `/webhooks/${other.id}${path}`, body)).status, 404, `${method} ${path}`)
      }
      await evaluate(caller)
      t.equal((await receiver.next(2))[1]?.path, '/paused')
    })

    await t.test('what cannot be a webhook is refused with the field and the reason', async (t) => {
      const caller = await newAdmin()
      const refused = async (body: object): Promise<Answer> => {
        const answer = await call(url, caller, 'POST', '/webhooks', JSON.stringify(body))
        t.match([answer.status, answer.body.code], [400, 'malformed_request'], JSON.stringify(body))
        return answer
      }
      const events = ['evaluation.complete']
      for (const target of ['http://10.0.0.1/', 'https://[::1]/', 'https://169.254.169.254/latest', 'https://0xa.1/', 'https://2130706434/', 'https://[::ffff:10.0.0.1]/', 'https://user:pass@hooks.example.com/', 'ftp://hooks.example.com/', 'https://hooks.example.com/#x', 'hooks.example.com']) {
        t.match((await refused({ url: target, events })).body.detail, [{ path: '/url', reason: /^must / }])
      }
      await refused({ url: 'https://hooks.example.com/' })
      await refused({ url: 'https://hooks.example.com/', events: [] })
      await refused({ url: 'https://hooks.example.com/', events: ['unknown'] })
      await refused({ url: 'https://hooks.example.com/', events, secret: 'mine' })
      t.equal((await call(url, caller, 'GET', '/webhooks')).body.data.webhooks.length, 0)
      const made = await Promise.all(Array.from({ length: 25 }, (_, n) => call(url, caller, 'POST', '/webhooks', JSON.stringify({ url: `https://hooks.example.com/${n}`, events }))))
      t.equal(made.filter(({ status }) => status === 200).length, 20)
      t.equal(made.filter(({ status }) => status === 400).length, 5)
    })

    await t.test('webhooks need the admin permission and stay inside their organization', async (t) => {
      const owner = await newAdmin()
      const stranger = await newAdmin()
      const reader = await newCaller(runtime, { permissions: ['governance:read', 'governance:evaluate'] })
      t.equal((await call(url, reader, 'GET', '/webhooks')).body.code, 'insufficient_permission')
      const { id } = await subscribe(owner, 'https://hooks.example.com/')
      for (const [method, path, body] of [['GET', '', ''], ['PATCH', '', '{"is_active":false}'], ['DELETE', '', ''], ['POST', '/test', ''], ['POST', '/rotate-secret', ''], ['GET', '/deliveries', '']] as const) {
        t.equal((await call(url, stranger, method, `/webhooks/${id}${path}`, body)).body.code, 'organization_mismatch', `${method} ${path}`)
      }
      t.equal((await call(url, owner, 'GET', `/webhooks/${id}`)).body.data.is_active, true)
    })

    await t.test('the master key is rotated without a receiver noticing', async (t) => {
      const receiver = await startReceiver()
      t.teardown(() => receiver.close())
      const caller = await newAdmin()
      const { secret, id } = await subscribe(caller, receiver.url)
      const [[, old] = []] = [...secrets.masterKeys]
      const keys = secrets.masterKeys as Map<number, Buffer>
      keys.set(2, Buffer.from('0123456789abcdef0123456789abcdef'))
      const answer = await operate(runtime, 'secrets.rewrap', {})
      t.match(answer, { current_version: 2, unreadable: [], current: 0 })
      t.ok(answer.rewrapped > 0)
      t.same(await operate(runtime, 'secrets.rewrap', {}), { current_version: 2, rewrapped: 0, current: answer.rewrapped, unreadable: [] })
      keys.delete(1)
      await call(url, caller, 'POST', `/webhooks/${id}/test`)
      const [received] = await receiver.next(1) as [Received]
      t.ok(verifyWebhook(received.headers['x-fb-signature'] ?? '', secret, received.body, Date.now() / 1000))
      if (old !== undefined) keys.set(1, old)
    })
  })
}

// On one pair of stores, as onEachStore (helper/fronts.ts) has it.
if (realStores === null || process.env['EVERY_STORE'] === '1') suite(embedded())
if (realStores === null) t.test('webhooks on PostgreSQL and Redis', { skip: 'no PostgreSQL and Redis answered (TEST_DATABASE_URL, TEST_REDIS_URL)' }, async () => {})
else suite(realStores)
