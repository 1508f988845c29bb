import t, { type Test } from 'tap'
import { sql } from 'drizzle-orm'
import { countAuditRows } from '../../db/queries/system.ts'
import { mintRecordId } from '../../plugins/lib/record-id.ts'
import { signRequest } from '../../plugins/lib/hmac.ts'
import { mintResultToken } from '../../plugins/lib/result-token.ts'
import { verifyWatermark } from '../../plugins/lib/watermark-id.ts'
import { call, embedded, FLOW, headersFor, newCaller, operate, real, send, start, type Answer, type Caller, type Stores } from '../helper/service.ts'

const P = '/api/public/v1'
const realStores = await real()

async function evaluated (url: string, caller: Caller): Promise<{ id: string, token: string }> {
  const submitted = await call(url, caller, 'POST', '/evaluate', JSON.stringify({ blueprints: [{ id: 'a', blueprint: FLOW }], org_id: caller.orgId }))
  if (submitted.status !== 200) throw new Error(JSON.stringify(submitted.body))
  const id = submitted.body.data.evaluation_id
  for (let tries = 0; tries < 50; tries++) {
    if ((await call(url, caller, 'GET', `/evaluations/${id}`)).body.data.status === 'complete') return { id, token: submitted.body.data.result_token }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('not evaluated in time')
}

function suite (stores: Stores): void {
  t.test(`the service on ${stores.name}`, async (t) => {
    t.comment(`stores: ${stores.name}`)
    const { runtime, url } = await start(stores)
    t.teardown(async () => {
      await runtime.close()
      await stores.drop()
    })
    const secret = runtime.config.secrets.watermark
    const marked = (answer: Answer): void => {
      const mark = String(answer.headers.get('x-fb-watermark'))
      t.ok(verifyWatermark(mark, secret), 'the answer carries a watermark of this service')
      if (answer.body.meta !== undefined) t.equal(answer.body.meta.watermark, mark)
      t.notOk([...answer.headers.keys()].some((name) => name.startsWith('access-control-')))
    }
    const refused = (t: Test, answer: Answer, status: number, code: string, error: string): void => {
      t.equal(answer.status, status, code)
      t.match(answer.body, { ok: false, code, error })
      marked(answer)
    }

    await t.test('health is open, flat and marked', async (t) => {
      const answer = await send(url, 'GET', `${P}/governance/health`)
      t.same(answer.body, { ok: true, service: 'flowbeacon-public-api', version: '1.0.0' })
      marked(answer)
    })

    await t.test('every refusal has its status, sentence, code and watermark', async (t) => {
      const caller = await newCaller(runtime, { rpm: 1000 })
      const reader = await newCaller(runtime, { permissions: ['governance:read'], rpm: 1000 })
      const listed = await newCaller(runtime, { ip_allow: ['203.0.113.0/24'] })
      const path = `${P}/governance/policies`
      const good = headersFor(caller, 'GET', path)
      refused(t, await send(url, 'GET', path), 401, 'invalid_api_key', 'Invalid or expired API key')
      refused(t, await send(url, 'GET', `${P}/nothing/here`), 401, 'invalid_api_key', 'Invalid or expired API key')
      refused(t, await send(url, 'GET', path, { authorization: good['authorization'] ?? '' }), 403, 'signature_missing', 'Missing request signature')
      refused(t, await send(url, 'GET', path, { ...good, 'x-fb-signature': 't=1,v1=00' }), 403, 'signature_invalid', 'Invalid request signature')
      refused(t, await send(url, 'GET', path, headersFor(listed, 'GET', path)), 403, 'ip_not_allowed', 'IP address not allowed')
      refused(t, await send(url, 'OPTIONS', path, { 'access-control-request-method': 'GET', origin: 'https://a.example' }), 403, 'browser_refused', 'Browser requests are not allowed')
      refused(t, await call(url, reader, 'POST', '/evaluate', '{}'), 403, 'insufficient_permission', 'Insufficient permission')
      refused(t, await call(url, caller, 'GET', `/evaluations/${mintRecordId('req', reader.orgId, runtime.config.secrets.recordId)}`), 403, 'organization_mismatch', 'Organization mismatch')
      refused(t, await call(url, caller, 'GET', `/evaluations/${mintRecordId('req', caller.orgId, runtime.config.secrets.recordId)}`), 404, 'not_found', 'Not found')
      refused(t, await call(url, caller, 'GET', '/evaluations/req_a.b'), 400, 'malformed_request', 'Malformed request')
      refused(t, await call(url, caller, 'GET', '/nothing/here'), 404, 'not_found', 'Not found')
      const method = await call(url, caller, 'DELETE', '/governance/policies')
      refused(t, method, 405, 'method_not_allowed', 'Method not allowed')
      t.equal(method.headers.get('allow'), 'GET')
      refused(t, await send(url, 'GET', '/elsewhere'), 404, 'not_found', 'Not found')
      refused(t, await send(url, 'GET', `${P}/results/nonsense`), 401, 'result_token_invalid', 'Invalid or expired result token')
      for (const body of ['{', '[1', '{"__proto__":{}}', '{"unknown":1}', '{"scenario_ids":[1]}', '{"scenario_ids":["a"]}', '{"org_id":"\\u0000"}', '{"org_id":"\\ud800"}', `${'['.repeat(65)}${']'.repeat(65)}`]) {
        refused(t, await call(url, caller, 'POST', '/evaluate', body), 400, 'malformed_request', 'Malformed request')
      }
      refused(t, await call(url, caller, 'POST', '/evaluate', JSON.stringify({ scenario_ids: ['a'], org_id: reader.orgId })), 403, 'organization_mismatch', 'Organization mismatch')
      refused(t, await call(url, caller, 'POST', '/evaluate', '{"blueprints":[{"id":"a","blueprint":{"x":1}}]}'), 422, 'blueprint_invalid', 'Blueprint not understood')
      const text = headersFor(caller, 'POST', `${P}/evaluate`, 'x')
      refused(t, await send(url, 'POST', `${P}/evaluate`, { ...text, 'content-type': 'text/plain' }, 'x'), 415, 'unsupported_media_type', 'Unsupported media type')
      const pending = mintResultToken({ evaluationId: 'req_x', orgId: caller.orgId, jti: 'none', iatSeconds: Math.floor(Date.now() / 1000) }, runtime.config.secrets.resultToken)
      refused(t, await send(url, 'GET', `${P}/results/${pending}`), 401, 'result_token_invalid', 'Invalid or expired result token')
    })

    await t.test('a submitted blueprint is judged, its results are fetched once, and no value of it comes back', async (t) => {
      const caller = await newCaller(runtime, { rpm: 1000 })
      const { token } = await evaluated(url, caller)
      const first = await send(url, 'GET', `${P}/results/${token}`)
      t.equal(first.status, 200)
      t.match(first.body.data.scenarios[0].violations.map((violation: { code: string }) => violation.code), ['NET-001'])
      t.notMatch(JSON.stringify(first.body), /CANARY|plain-host/)
      const row = await operate(runtime, 'trace', { watermark: first.body.meta.watermark })
      t.match(JSON.stringify(row), /results/)
      refused(t, await send(url, 'GET', `${P}/results/${token}`), 410, 'result_token_used', 'Result token already used')
      refused(t, await send(url, 'HEAD', `${P}/results/${token}`).then((answer) => ({ ...answer, body: { ok: false, code: 'method_not_allowed', error: 'Method not allowed' } as never })), 405, 'method_not_allowed', 'Method not allowed')
    })

    await t.test('of fifty simultaneous presenters of a token exactly one succeeds', async (t) => {
      const caller = await newCaller(runtime, { rpm: 1000 })
      const { token } = await evaluated(url, caller)
      const statuses = await Promise.all(Array.from({ length: 50 }, async () => (await send(url, 'GET', `${P}/results/${token}`)).status))
      t.equal(statuses.filter((status) => status === 200).length, 1)
      t.equal(statuses.filter((status) => status === 410).length, 49)
    })

    await t.test('of 120 simultaneous requests of one key exactly sixty are admitted, and every answer has its row', async (t) => {
      const caller = await newCaller(runtime)
      const answers = await Promise.all(Array.from({ length: 120 }, () => call(url, caller, 'GET', '/scenarios')))
      t.equal(answers.filter(({ status }) => status === 200).length, 60)
      t.equal(answers.filter(({ status }) => status === 429).length, 60)
      t.equal(await countAuditRows(runtime.database.db, answers.map(({ body }) => body.meta.watermark)), 120)
    })

    await t.test('a signed request that changes state is accepted once', async (t) => {
      const caller = await newCaller(runtime)
      const body = JSON.stringify({ blueprints: [{ id: 'a', blueprint: FLOW }] })
      const headers = headersFor(caller, 'POST', `${P}/evaluate`, body)
      t.equal((await send(url, 'POST', `${P}/evaluate`, headers, body)).status, 200)
      refused(t, await send(url, 'POST', `${P}/evaluate`, headers, body), 403, 'signature_replayed', 'Request signature already used')
    })

    await t.test('an idempotency key answers the same evaluation, and another body is a conflict', async (t) => {
      const caller = await newCaller(runtime)
      const post = async (body: string): Promise<Answer> => await send(url, 'POST', `${P}/evaluate`, { ...headersFor(caller, 'POST', `${P}/evaluate`, body), 'idempotency-key': 'k1' }, body)
      const first = await post(JSON.stringify({ blueprints: [{ id: 'a', blueprint: FLOW }] }))
      await new Promise((resolve) => setTimeout(resolve, 1100))
      const again = await post(JSON.stringify({ blueprints: [{ id: 'a', blueprint: FLOW }] }))
      t.equal(again.body.data.evaluation_id, first.body.data.evaluation_id)
      refused(t, await post(JSON.stringify({ blueprints: [{ id: 'b', blueprint: FLOW }] })), 409, 'idempotency_conflict', 'Idempotency key already used with another request')
    })

    await t.test('of twenty simultaneous submissions under one idempotency key one evaluation is made, and each has a token of its own', async (t) => {
      const caller = await newCaller(runtime)
      const body = JSON.stringify({ blueprints: [{ id: 'a', blueprint: FLOW, save: true }] })
      const nowSeconds = Math.floor(Date.now() / 1000)
      const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => {
        // The same bytes signed in the same second would be a replay.
        const signature = signRequest({ key: caller.key, timestampSeconds: nowSeconds - n, method: 'POST', path: `${P}/evaluate`, body: Buffer.from(body) })
        return send(url, 'POST', `${P}/evaluate`, { ...headersFor(caller, 'POST', `${P}/evaluate`, body), 'x-fb-signature': signature, 'idempotency-key': 'race' }, body)
      }))
      t.same([...new Set(answers.map(({ status }) => status))], [200])
      t.equal(new Set(answers.map(({ body }) => body.data.evaluation_id)).size, 1)
      t.equal(new Set(answers.map(({ body }) => body.data.result_token)).size, 20)
      const { body: list } = await call(url, caller, 'GET', '/scenarios')
      t.equal(list.data.scenarios.length, 1, 'and its blueprint is saved once')
    })

    await t.test('an idempotency key lapses after twenty-four hours, not earlier', async (t) => {
      const caller = await newCaller(runtime)
      const post = async (id: string): Promise<Answer> => {
        const body = JSON.stringify({ blueprints: [{ id, blueprint: FLOW }] })
        return await send(url, 'POST', `${P}/evaluate`, { ...headersFor(caller, 'POST', `${P}/evaluate`, body), 'idempotency-key': 'day' }, body)
      }
      const first = await post('a')
      const age = async (hours: number): Promise<unknown> => await runtime.database.db.execute(sql`update evaluations set created_at = now() - ${hours} * interval '1 hour' where id = ${first.body.data.evaluation_id}`)
      await age(23.9)
      refused(t, await post('b'), 409, 'idempotency_conflict', 'Idempotency key already used with another request')
      await age(24.1)
      const next = await post('c')
      t.equal(next.status, 200)
      t.not(next.body.data.evaluation_id, first.body.data.evaluation_id)
    })

    await t.test('a policy that the caller has already is not sent again', async (t) => {
      const caller = await newCaller(runtime)
      const first = await call(url, caller, 'GET', '/governance/policies')
      t.same(Object.keys(first.body.data.policies[0]).sort(), ['code', 'description', 'frameworks', 'severity', 'title'])
      const headers = { ...headersFor(caller, 'GET', `${P}/governance/policies`), 'if-none-match': String(first.headers.get('etag')) }
      const second = await send(url, 'GET', `${P}/governance/policies`, headers)
      t.equal(second.status, 304)
      marked(second)
    })

    if (stores.env['REDIS_URL'] === undefined) return
    const other = await start(stores, { INSTANCE_ID: 'second', RUN_WORKER: 'false' })
    t.teardown(() => other.runtime.close())

    await t.test('a request replayed to a second instance is refused', async (t) => {
      const caller = await newCaller(runtime)
      const body = JSON.stringify({ blueprints: [{ id: 'a', blueprint: FLOW }] })
      const headers = headersFor(caller, 'POST', `${P}/evaluate`, body)
      t.equal((await send(url, 'POST', `${P}/evaluate`, headers, body)).status, 200)
      refused(t, await send(other.url, 'POST', `${P}/evaluate`, headers, body), 403, 'signature_replayed', 'Request signature already used')
    })

    await t.test('no request that begins after a revocation returned succeeds, on two instances', async (t) => {
      const caller = await newCaller(runtime, { rpm: 10_000, rph: 100_000 })
      let revokedAt = Number.POSITIVE_INFINITY
      const late: number[] = []
      let before = 0
      const ending = Date.now() + 2000
      const probe = async (target: string): Promise<void> => {
        while (Date.now() < ending) {
          const begun = performance.now()
          const { status } = await call(target, caller, 'GET', '/scenarios')
          if (begun > revokedAt) late.push(status)
          else if (status === 200) before++
          await new Promise((resolve) => setTimeout(resolve, 50))
        }
      }
      const probes = [probe(url), probe(other.url)]
      await new Promise((resolve) => setTimeout(resolve, 800))
      await operate(runtime, 'key.revoke', { key: caller.keyId })
      revokedAt = performance.now()
      await Promise.all(probes)
      t.ok(before > 10, `${before} succeeded before`)
      t.ok(late.length > 10, `${late.length} began after`)
      t.same(late.filter((status) => status !== 401), [])
    })
  })
}

suite(embedded())
if (realStores === null) t.test('the service on PostgreSQL and Redis', { skip: 'no PostgreSQL and Redis answered (TEST_DATABASE_URL, TEST_REDIS_URL)' }, async () => {})
else suite(realStores)
