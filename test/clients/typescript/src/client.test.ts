import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { inspect } from 'node:util'
import t from 'tap'
import { EvaluationError, FlowBeacon, RefusedError, verifyWebhook } from '../../../../clients/typescript/src/index.ts'
import { onEachStore } from '../../../helper/fronts.ts'
import { startReceiver } from '../../../helper/receiver.ts'
import { FLOW, newCaller, operate, start } from '../../../helper/service.ts'

const LOCAL = { WEBHOOK_UNSAFE_ALLOWED_RANGES: '127.0.0.1/32', WEBHOOK_BACKOFF_SECONDS: '0,0,0' }
const blueprints = [{ id: 'a', blueprint: FLOW }]

await onEachStore(t, 'the client', async (t, stores) => {
  const { runtime, url: baseUrl } = await start(stores, LOCAL)
  t.teardown(() => runtime.close())

  for (const profile of ['published', 'hardened']) {
    await t.test(`every operation, with the ${profile} signature profile`, async (t) => {
      const { id: orgId } = await operate(runtime, 'org.create', { name: 'Client' })
      const made = await operate(runtime, 'key.create', { org: orgId, name: 'client', permissions: ['admin'], signing_profile: profile })
      const client = new FlowBeacon({ baseUrl, apiKey: made.key, ...(profile === 'hardened' ? { signingSecret: made.signing_secret } : {}) })
      const receiver = await startReceiver()
      t.teardown(() => receiver.close())

      t.match(await client.getHealth(), { ok: true, service: 'flowbeacon-public-api' })
      const policies = await client.listPolicies()
      t.ok(policies.data.policies.length > 50)
      t.match(policies, { watermark: /^wm_/, rateLimit: { limit: 60, remaining: 59 } })
      t.match((await client.getPolicy('NET-001')).data, { code: 'NET-001' })
      const { data: webhook } = await client.createWebhook({ url: receiver.url, events: ['evaluation.complete'], description: 'client' })

      const done = await client.evaluateAndWait({ blueprints: [{ id: 'x', blueprint: FLOW, save: true }] }, { pollMs: 50 })
      t.match(done, { evaluationId: /^req_/, progress: { status: 'complete', completed: 1 }, results: { scenarios: [{ violations: [{ code: 'NET-001' }] }] } })
      const [received] = await receiver.next(1)
      if (received === undefined) throw new Error('no webhook')
      t.match(verifyWebhook(received.body, received.headers, webhook.signing_secret), { event: { event: 'evaluation.complete', evaluation_id: done.evaluationId }, messageId: /^msg_/ })

      const { data: { scenarios: [scenario] } } = await client.listScenarios({ limit: 1 })
      if (scenario === undefined) throw new Error('no scenario')
      const { data: { violations: [violation] } } = await client.getScenarioResults(scenario.id)
      if (violation === undefined) throw new Error('no violation')
      t.match((await client.getScenarioRemediation(scenario.id)).data.remediation, [{ order: 1 }])
      t.match((await client.getSummary()).data, { scenarios: 1 })
      const { data: suppression } = await client.createSuppression({ code: violation.code, scenario_id: scenario.id, reason: 'until the move' })
      t.equal((await client.listSuppressions({ state: 'all' })).data.suppressions.length, 1)
      await t.rejects(client.approveSuppression(suppression.id), { code: 'insufficient_permission' }, 'the key that made it cannot')
      t.equal((await client.withdrawSuppression(suppression.id)).data.state, 'withdrawn')

      t.equal((await client.listWebhooks()).data.webhooks.length, 1)
      t.equal((await client.getWebhook(webhook.id)).data.description, 'client')
      t.equal((await client.updateWebhook(webhook.id, { description: null })).data.description, null)
      const pings = [await client.testWebhook(webhook.id), await client.testWebhook(webhook.id)]
      t.equal(new Set(pings.map(({ data }) => data.delivery.id)).size, 2, 'two equal requests in one second')
      t.match((await client.rotateWebhookSecret(webhook.id)).data.signing_secret, /^whsec_/)
      const { data: { deliveries } } = await client.listDeliveries(webhook.id)
      t.ok((await client.replayDelivery(webhook.id, String(deliveries[0]?.id))).data.delivery.replay_of)
      t.match((await client.replayDeliveries(webhook.id, { since: '2026-01-01T00:00:00Z' })).data, { queued: /^\d+$/ })
      t.equal((await client.deleteWebhook(webhook.id)).data.deleted, true)
      t.ok((await client.listRequests({ limit: 5, status: 200 })).data.requests.length > 0)
      t.equal((await client.resolveWatermark(policies.watermark)).data.source, 'request')

      t.same(operationIds().filter((id) => !(id in FlowBeacon.prototype)), [], 'the client has a method for each operation of the document')
    })
  }

  await t.test('a refusal is typed: code, status, sentence, watermark, detail', async (t) => {
    const caller = await newCaller(runtime, { permissions: ['governance:read'] })
    const client = new FlowBeacon({ baseUrl, apiKey: caller.key })
    await t.rejects(client.createEvaluation({ blueprints }), { name: 'RefusedError', operation: 'createEvaluation', status: 403, code: 'insufficient_permission', detail: /governance:evaluate/, watermark: /^wm_/, retryAfterSeconds: null, attempts: 1 })
    await t.rejects(client.redeemResults('a.b.c'), { code: 'result_token_invalid', status: 401 })
  })

  await t.test('a signal ends the wait with its own reason, and a wait that is too long ends by itself', async (t) => {
    const caller = await newCaller(runtime)
    const client = new FlowBeacon({ baseUrl, apiKey: caller.key })
    const controller = new AbortController()
    const reason = new Error('no longer wanted')
    await t.rejects(client.waitForEvaluation('req_00000000000000000000000000', { signal: controller.signal }), { code: /not_found|organization_mismatch/ })
    // An evaluation that is never complete, however fast the machine is.
    const pending = createServer((_request, response) => {
      const data = { evaluation_id: 'req_00000000000000000000000000', status: 'processing', total_scenarios: 1, completed: 0, result_token: 'a.b.c' }
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ ok: true, data, meta: { watermark: 'wm_0' } }))
    }).listen(0, '127.0.0.1')
    await once(pending, 'listening')
    t.teardown(() => pending.close())
    const waiting = new FlowBeacon({ baseUrl: `http://127.0.0.1:${(pending.address() as AddressInfo).port}`, apiKey: caller.key })
    setTimeout(() => controller.abort(reason), 100)
    await t.rejects(waiting.evaluateAndWait({ blueprints }, { signal: controller.signal, pollMs: 60_000 }), reason)
    await t.rejects(client.getSummary({ signal: AbortSignal.abort(reason) }), reason)
    const slow = client.evaluateAndWait({ blueprints }, { pollMs: 1, waitMs: 0 })
    const ended = await slow.then(() => null, (err: unknown) => err)
    t.ok(ended === null || ended instanceof EvaluationError || ended instanceof RefusedError)
  })

  await t.test('nothing that is printed holds the key or the secret', async (t) => {
    const caller = await newCaller(runtime)
    const signingSecret = `fbs_${'5e'.repeat(32)}`
    const client = new FlowBeacon({ baseUrl, apiKey: caller.key, signingSecret })
    const refusal = await client.listPolicies().then(() => null, (err: unknown) => err)
    const lost = await new FlowBeacon({ baseUrl: 'http://127.0.0.1:9', apiKey: caller.key, retriesMax: 0 }).redeemResults('token.of.results').then(() => null, (err: unknown) => err)
    t.match(lost, { code: 'connection_failed', operation: 'redeemResults' })
    for (const thing of [client, { client }, refusal, lost]) {
      for (const text of [inspect(thing, { depth: 9, showHidden: true }), JSON.stringify(thing), String(thing)]) {
        t.notOk(text.includes(caller.key.slice(12)) || text.includes(signingSecret.slice(4)) || text.includes('token.of.results'))
      }
    }
    t.match(inspect(client), caller.key.slice(0, 12))
  })
})

t.test('options that are not as described are refused', async (t) => {
  const apiKey = ['fb_live', '0'.repeat(48)].join('_')
  for (const options of [{ apiKey: 'x' }, { apiKey, signingSecret: 'x' }, { baseUrl: 'http://api.example.com' }, { baseUrl: 'https://api.example.com/v1' }, { baseUrl: 'https://a:b@example.com' }, { timeoutMs: 0 }, { retriesMax: -1 }]) {
    t.throws(() => new FlowBeacon({ baseUrl: 'https://api.example.com', apiKey, ...options }), TypeError, Object.keys(options).join())
  }
  t.ok(new FlowBeacon({ baseUrl: 'https://api.example.com', apiKey }))
})

t.test('refuses to run in a browser', async (t) => {
  const script = "globalThis.document = {}; const { FlowBeacon } = await import('./build/clients/typescript/src/index.js'); try { new FlowBeacon({}) } catch (err) { console.log(err.message) }"
  t.match(spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' }).stdout, /servers only/)
})

function operationIds (): string[] {
  return Object.values<any>(JSON.parse(readFileSync('docs/openapi.json', 'utf8')).paths).flatMap((item) => Object.values<any>(item).map(({ operationId }) => operationId))
}
