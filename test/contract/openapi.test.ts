import t, { type Test } from 'tap'
import { ERROR_CATALOGUE } from '../../errors.ts'
import { mintRecordId } from '../../plugins/lib/record-id.ts'
import { signHardened } from '../../plugins/lib/hardened-signature.ts'
import { signRequest } from '../../plugins/lib/hmac.ts'
import { ask, C, CONSOLE_SECRET, SAME_ORIGIN, signIn } from '../helper/console.ts'
import { front, judge, onEachStore, P, sendRaw, submit } from '../helper/fronts.ts'
import { readDocument, type ApiDocument, type DocumentedOperation } from '../helper/openapi.ts'
import { startReceiver } from '../helper/receiver.ts'
import { call, FLOW, headersFor, newCaller, operate, send, start, type Answer, type Caller } from '../helper/service.ts'

const document = readDocument()
const consoleDocument = readDocument('docs/openapi-console.json')
const BODY_BYTES_MAX = 10 * 1024 * 1024
const BODIES: Record<string, string> = {
  createEvaluation: JSON.stringify({ blueprints: [{ id: 'a', blueprint: FLOW }] }),
  createSuppression: JSON.stringify({ code: 'NET-001', reason: 'accepted until the move' }),
  createWebhook: JSON.stringify({ url: 'https://hooks.example.com/in', events: ['evaluation.complete'] }),
  updateWebhook: JSON.stringify({ description: 'changed' }),
  replayDeliveries: JSON.stringify({ since: '2026-01-01T00:00:00Z' })
}

interface Driven {
  operationOf: (id: string) => DocumentedOperation
  expect: (t: Test, id: string, answer: Answer, outcome: string) => void
  isMet: (id: string, code: string) => boolean
  /** Refusals that are described and were not met. */
  unmet: () => string[]
  sent: () => number
}

// Judges every answer against the document, and keeps which outcomes were met.
function drive ({ operations, problemsOf }: ApiDocument): Driven {
  const met = new Map<string, Set<string>>(operations.map(({ id }) => [id, new Set()]))
  let sent = 0
  const operationOf = (id: string): DocumentedOperation => {
    const found = operations.find((one) => one.id === id)
    if (found === undefined) throw new Error(`no operation ${id}`)
    return found
  }
  const isMet = (id: string, code: string): boolean => met.get(id)?.has(code) === true
  return {
    operationOf,
    isMet,
    expect (t, id, answer, outcome) {
      t.same(problemsOf(operationOf(id), answer), [], `${id}: ${outcome}`)
      t.equal(answer.status < 400 ? String(answer.status) : answer.body.code, outcome, id)
      if (answer.status >= 400) t.equal(answer.body.error, ERROR_CATALOGUE[answer.body.code as keyof typeof ERROR_CATALOGUE].sentence)
      met.get(id)?.add(outcome)
      sent++
    },
    unmet: () => operations.flatMap(({ id, codes }) => codes.filter((code) => !isMet(id, code)).map((code) => `${id} ${code}`)),
    sent: () => sent
  }
}

await onEachStore(t, 'every operation of the documents', async (t, stores) => {
  const { runtime, url } = await start(stores, { NEXTAUTH_SECRET: CONSOLE_SECRET, RUN_WORKER: 'false', WEBHOOK_UNSAFE_ALLOWED_RANGES: '127.0.0.1/32', WEBHOOK_BACKOFF_SECONDS: '0,0,0' })
  t.teardown(() => runtime.close())
  const { secrets } = runtime.config
  const generous = { permissions: ['admin'], rpm: 10_000, rph: 100_000 }
  const admin = await newCaller(runtime, generous)
  const stranger = await newCaller(runtime, generous)
  const { operationOf, expect, isMet, unmet, sent } = drive(document)

  await t.test('answers as it is described', async (t) => {
    await operate(runtime, 'key.rotate', { key: admin.keyId })
    const receiver = await startReceiver()
    t.teardown(() => receiver.close())
    const ok = async (id: string, path: string, body = ''): Promise<any> => {
      const { method } = operationOf(id)
      const answer = await call(url, admin, method, path, body)
      expect(t, id, answer, '200')
      const etag = answer.headers.get('etag')
      t.equal(answer.headers.get('sunset') !== null, id !== 'getHealth', 'the key is being replaced')
      if (etag !== null) {
        const again = await send(url, method, `${P}${path}`, { ...headersFor(admin, method, `${P}${path}`), 'if-none-match': etag })
        expect(t, id, again, '304')
      }
      return answer.body.data
    }
    const unkeyed = async (id: string, path: string): Promise<void> => expect(t, id, await send(url, 'GET', `${P}${path}`), '200')

    await unkeyed('getHealth', '/governance/health')
    await ok('listPolicies', '/governance/policies')
    await ok('getPolicy', '/governance/policies/NET-001')
    await ok('getSummary', '/governance/summary')
    const webhook = await ok('createWebhook', '/webhooks', JSON.stringify({ url: receiver.url, events: ['evaluation.complete', 'evaluation.error', 'webhook.disabled'], description: 'CI' }))
    await ok('createEvaluation', '/evaluate', JSON.stringify({ blueprints: [{ id: 'x', blueprint: FLOW, save: true }] }))
    const { scenarios: [{ id: scenario }] } = await ok('listScenarios', '/scenarios?limit=1')
    const { evaluation_id: id, result_token: token } = await ok('createEvaluation', '/evaluate', JSON.stringify({ scenario_ids: [scenario, 'missing'], org_id: admin.orgId }))
    await ok('getEvaluation', `/evaluations/${id}`)
    expect(t, 'redeemResults', await send(url, 'GET', `${P}/results/${token}`), 'evaluation_incomplete')
    await judge(runtime, id)
    await ok('getEvaluation', `/evaluations/${id}`)
    const { violations: [violation] } = await ok('getScenarioResults', `/scenarios/${scenario}/results`)
    await ok('getScenarioRemediation', `/scenarios/${scenario}/remediation`)
    const { id: suppression } = await ok('createSuppression', '/suppressions', JSON.stringify({ code: violation.code, finding: { scenario_id: scenario, ref: violation.ref }, reason: 'until the move', expires_at: new Date(Date.now() + 86_400_000).toISOString() }))
    await ok('listSuppressions', '/suppressions?state=all')
    await ok('getScenarioResults', `/scenarios/${scenario}/results`)
    await unkeyed('redeemResults', `/results/${token}`)
    expect(t, 'redeemResults', await send(url, 'GET', `${P}/results/${token}`), 'result_token_used')
    const second = await operate(runtime, 'key.create', { org: admin.orgId, name: 'second', permissions: ['admin'] })
    const approve = `${P}/suppressions/${suppression}/approve`
    expect(t, 'approveSuppression', await send(url, 'POST', approve, headersFor({ ...admin, key: second.key }, 'POST', approve)), '200')
    await ok('withdrawSuppression', `/suppressions/${suppression}`)
    await ok('getSummary', '/governance/summary')

    await ok('listWebhooks', '/webhooks')
    await ok('getWebhook', `/webhooks/${webhook.id}`)
    await ok('updateWebhook', `/webhooks/${webhook.id}`, '{"description":null}')
    const { delivery } = await ok('testWebhook', `/webhooks/${webhook.id}/test`)
    await ok('rotateWebhookSecret', `/webhooks/${webhook.id}/rotate-secret`)
    await ok('replayDelivery', `/webhooks/${webhook.id}/deliveries/${delivery.id}/replay`)
    await ok('replayDeliveries', `/webhooks/${webhook.id}/deliveries/replay`, BODIES['replayDeliveries'])
    const { requests: [{ watermark }] } = await ok('listRequests', '/requests?limit=1&status=200')
    await ok('resolveWatermark', `/watermarks/${watermark}`)
    await ok('listDeliveries', `/webhooks/${webhook.id}/deliveries`)
    await ok('deleteWebhook', `/webhooks/${webhook.id}`)
  })

  await t.test('every refusal that an operation is described with can be provoked, and is as it is described', async (t) => {
    const plain = await front(t, runtime, { production: true })
    const slow = await front(t, runtime, { bodyDeadlineMs: 100 })
    const disabled = await front(t, runtime, { enabled: false })
    const unknown = await front(t, runtime, {}, { killState: () => ({ ...runtime.killState(), isKnown: false }) })
    const broken = await front(t, runtime, {}, { killState: () => { throw new Error('CANARY') } })
    const limited = await front(t, runtime, { authFailureLimitPerMinute: 1 })
    const sibling = async (options: object): Promise<Caller> => {
      const { id, key } = await operate(runtime, 'key.create', { org: admin.orgId, name: 'sibling', ...generous, ...options })
      return { orgId: admin.orgId, keyId: id, key }
    }
    const poor = await sibling({ rpm: 1 })
    const elsewhere = await sibling({ ip_allow: ['203.0.113.0/24'] })
    const reader = await sibling({ permissions: ['governance:read'] })
    const evaluator = await sibling({ permissions: ['governance:evaluate'] })
    const { id: hardenedId, key: hardenedKey, signing_secret: secret } = await operate(runtime, 'key.create', { org: admin.orgId, name: 'hardened', ...generous, signing_profile: 'hardened' })
    const hardened = { orgId: admin.orgId, keyId: hardenedId, key: hardenedKey, secret }
    const ended = await submit(url, admin)
    await judge(runtime, ended.id)
    await call(url, poor, 'GET', '/governance/policies')

    for (const operation of document.operations) {
      const { id, method, access } = operation
      const own = pathOf(operation, admin)
      const foreign = pathOf(operation, stranger)
      const body = BODIES[id] ?? ''
      const as = (caller: Caller, path = own, text = body): Record<string, string> => access === 'key' ? headersFor(caller, method, path, text) : {}
      const go = async (target: string, headers: Record<string, string>, path = own, text = body): Promise<Answer> => await send(target, method, path, headers, text === '' ? undefined : text)
      const raw = async (headers: Record<string, string | string[]>, target = url, path = own): Promise<Answer> => await sendRaw(target, { method, path, headers })
      const without = ({ 'x-fb-signature': _signature, ...rest }: Record<string, string>): Record<string, string> => rest
      const provoke: Record<string, () => Promise<Answer>> = {
        malformed_request: () => method === 'GET' ? sendRaw(url, { method, path: own, headers: { ...as(admin), 'content-length': '2' }, body: ['{}'] }) : raw({ ...as(admin), 'x-fb-signature': ['t=1,v1=0', 't=1,v1=0'] }),
        https_required: () => go(plain, as(admin)),
        not_found: () => { const fresh = pathOf(operation, admin); return go(url, as(admin, fresh), fresh) },
        request_timeout: () => sendRaw(slow, { method, path: own, headers: { ...as(admin), 'content-type': 'application/json', 'content-length': '9' }, body: ['{'] }),
        uri_too_long: () => raw(as(admin), url, `${own}?${'a'.repeat(9000)}`),
        headers_too_large: () => raw({ ...as(admin), 'x-many': Array.from({ length: 100 }, () => '1') }),
        internal_error: () => go(broken, as(admin)),
        api_disabled: () => go(disabled, as(admin)),
        unavailable: () => go(unknown, as(admin)),
        invalid_api_key: () => go(url, {}),
        signature_missing: () => go(url, without(as(admin))),
        signature_invalid: () => go(url, { ...as(admin), 'x-fb-signature': signRequest({ key: admin.key, timestampSeconds: Math.floor(Date.now() / 1000) - 301, method, path: own, body: Buffer.from(body) }) }),
        ip_not_allowed: () => go(url, as(elsewhere)),
        organization_mismatch: () => {
          const text = id === 'createEvaluation' ? JSON.stringify({ scenario_ids: ['a'], org_id: stranger.orgId }) : id === 'createSuppression' ? JSON.stringify({ code: 'NET-001', reason: 'x', scenario_id: mintRecordId('scn', stranger.orgId, secrets.recordId) }) : body
          return go(url, as(admin, foreign, text), foreign, text)
        },
        insufficient_permission: () => go(url, as(operation.scope === 'governance:read' ? evaluator : reader)),
        rate_limited: async () => {
          if (access === 'key') return await go(url, as(poor))
          await go(limited, {})
          return await go(limited, {})
        },
        signature_replayed: async () => {
          const text = ['GET', 'DELETE'].includes(method) ? '' : '{}'
          const headers = method === 'GET' ? { ...as(hardened), 'x-fb-signature': signHardened({ secret: hardened.secret, method, target: own }) } : as(admin, own, text)
          await go(url, headers, own, text)
          return await go(url, headers, own, text)
        },
        payload_too_large: () => raw({ ...as(admin), 'content-type': 'application/json', 'content-length': String(BODY_BYTES_MAX + 1) }),
        unsupported_media_type: () => go(url, { ...as(admin, own, 'x'), 'content-type': 'text/plain' }, own, 'x'),
        result_token_invalid: () => go(url, {}, `${P}/results/none`),
        result_token_used: async () => {
          const path = `${P}/results/${ended.token}`
          await go(url, {}, path)
          return await go(url, {}, path)
        },
        evaluation_incomplete: async () => await go(url, {}, `${P}/results/${(await submit(url, admin)).token}`),
        blueprint_invalid: () => { const text = '{"blueprints":[{"id":"a","blueprint":{}}]}'; return go(url, as(admin, own, text), own, text) },
        idempotency_conflict: async () => {
          for (const text of ['a', 'b'].map((one) => JSON.stringify({ blueprints: [{ id: one, blueprint: FLOW }] }))) {
            const answer = await go(url, { ...as(admin, own, text), 'idempotency-key': 'same' }, own, text)
            if (answer.status !== 200) return answer
          }
          throw new Error('no conflict')
        }
      }
      for (const code of operation.codes) {
        if (isMet(id, code)) continue
        const answer = await provoke[code]?.()
        if (answer === undefined) t.fail(`${id}: nothing provokes ${code}`)
        else expect(t, id, answer, code)
      }
    }
    t.same(unmet(), [])
    t.comment(`${document.operations.length} operations, ${sent()} answers`)

    t.same(document.refusalProblemsOf((await sendRaw(url, { method: 'OPTIONS', path: `${P}/evaluate`, headers: { origin: 'https://a.example', 'access-control-request-method': 'POST' } })).body), [])
    t.same(document.refusalProblemsOf((await call(url, admin, 'DELETE', '/governance/policies')).body), [])
  })

  await t.test('the console answers and refuses as it is described', async (t) => {
    const { operationOf, expect, isMet, unmet, sent } = drive(consoleDocument)
    const { orgId } = await newCaller(runtime, generous)
    const person = await signIn(orgId, { sub: 'ada' })
    const ok = async (id: string, path: string, body?: unknown): Promise<any> => {
      const answer = await ask(url, person, operationOf(id).method, path, body)
      expect(t, id, answer, '200')
      return answer.body.data
    }
    const { id: hardened } = await ok('createKey', '/keys', { name: 'CI', permissions: ['admin'], rpm: 5, rph: 50, ip_allowlist: ['127.0.0.0/8'], expires_at: new Date(Date.now() + 86_400_000).toISOString(), signing_profile: 'hardened', reason: 'why' })
    const { id: key, key: value } = await ok('createKey', '/keys', { name: 'CI', permissions: ['governance:read'] })
    await call(url, { orgId, keyId: key, key: value }, 'GET', '/governance/policies')
    await ok('listKeys', '/keys?limit=1')
    await ok('changeKey', `/keys/${key}`, { rpm: 70 })
    expect(t, 'changeKey', await ask(url, person, 'PATCH', `/keys/${key}`, { ip_allowlist: ['203.0.113.0/24'] }), 'allowlist_unconfirmed')
    await ok('rotateKey', `/keys/${hardened}/rotate`, { grace_period_hours: 1 })
    expect(t, 'rotateKey', await ask(url, person, 'POST', `/keys/${hardened}/rotate`), 'key_not_rotatable')
    await ok('revokeKey', `/keys/${key}?reason=over`)
    expect(t, 'changeKey', await ask(url, person, 'PATCH', `/keys/${key}`, { rpm: 1 }), 'key_revoked')
    await ok('listKeyEvents', `/keys/${hardened}/events?limit=1`)
    await ok('importScenarios', '/scenarios/import', { blueprints: [{ blueprint: { ...FLOW, settings: { executionData: {} } } }] })
    expect(t, 'importScenarios', await ask(url, person, 'POST', '/scenarios/import', { blueprints: [{ blueprint: {} }] }), 'blueprint_invalid')
    await ok('listAudit', '/audit?limit=2&status=200')

    const plain = await front(t, runtime, { production: true })
    const disabled = await front(t, runtime, { enabled: false })
    const unrecorded = await front(t, runtime, {}, { audit: { record: async () => { throw new Error('CANARY') } } })
    const broken = await front(t, runtime, {}, {
      database: { ...runtime.database, asOrganization: async () => JSON.parse('{"outcome":"done"}') }, killState: () => { throw new Error('CANARY') }
    })
    const limited = await front(t, runtime, { consoleLimitPerMinute: 1 })
    const slow = await front(t, runtime, { bodyDeadlineMs: 100 })
    const bodies: Record<string, unknown> = { createKey: { name: 'CI', permissions: ['admin'] }, changeKey: { rpm: 1 }, rotateKey: {}, importScenarios: { blueprints: [{ blueprint: FLOW }] } }
    for (const { id, method, path: template, codes } of consoleDocument.operations) {
      const path = template.slice(C.length).replace('{id}', hardened)
      const body = bodies[id]
      const go = async (target: string, headers: Record<string, string> = SAME_ORIGIN, who: typeof person | null = person): Promise<Answer> => await ask(target, who, method, path, body, headers)
      const raw = async (headers: Record<string, string | string[]>, target = url, query = '', sends: string[] = []): Promise<Answer> => await sendRaw(target, { method, path: C + path + query, headers: { cookie: person.cookie, ...SAME_ORIGIN, ...headers }, body: sends })
      const provoke: Record<string, () => Promise<Answer>> = {
        malformed_request: () => raw({ 'content-type': ['application/json', 'application/json'] }),
        https_required: () => go(plain),
        uri_too_long: () => raw({}, url, `?${'a'.repeat(9000)}`),
        headers_too_large: () => raw({ 'x-many': Array.from({ length: 100 }, () => '1') }),
        internal_error: () => go(broken),
        unavailable: () => go(unrecorded),
        not_signed_in: () => go(url, SAME_ORIGIN, null),
        organization_required: async () => await go(url, SAME_ORIGIN, await signIn(orgId, { org_id: undefined })),
        role_required: async () => await go(url, SAME_ORIGIN, await signIn(orgId, { role: 'viewer' })),
        cross_origin_refused: () => go(url, { 'sec-fetch-site': 'cross-site' }),
        api_disabled: () => go(disabled),
        rate_limited: async () => { await go(limited); return await go(limited) },
        key_not_found: () => ask(url, person, method, path.replace(hardened, 'key_none'), body),
        payload_too_large: () => raw({ 'content-type': 'application/json', 'content-length': String(BODY_BYTES_MAX + 1) }),
        request_timeout: () => raw({ 'content-type': 'application/json', 'content-length': '9' }, slow, '', ['{']),
        unsupported_media_type: () => raw({ 'content-type': 'text/plain', 'content-length': '1' }, url, '', ['x'])
      }
      for (const code of codes) {
        if (isMet(id, code)) continue
        const answer = await provoke[code]?.()
        if (answer === undefined) t.fail(`${id}: nothing provokes ${code}`)
        else expect(t, id, answer, code)
      }
    }
    t.same(unmet(), [])
    t.comment(`${consoleDocument.operations.length} operations, ${sent()} answers`)
  })

  await t.test('neither a document nor its page is served where partners are', async (t) => {
    for (const path of ['/docs', '/docs/console', '/openapi.json', '/openapi-console.json']) {
      for (const prefix of ['', C, P]) t.match((await send(url, 'GET', prefix + path)).status, /^40[14]$/, prefix + path)
    }
  })

  function pathOf ({ path }: DocumentedOperation, caller: Caller): string {
    const kinds: Record<string, 'req' | 'scn' | 'sub' | 'dlv' | 'sup'> = { evaluation_id: 'req', id: 'scn', webhook_id: 'sub', delivery_id: 'dlv', suppression_id: 'sup' }
    return path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => {
      const kind = kinds[name]
      if (kind !== undefined) return mintRecordId(kind, caller.orgId, secrets.recordId)
      return name === 'code' ? 'NON-999' : name === 'token' ? 'a.b.c' : `wm_${'0'.repeat(36)}`
    })
  }
})
