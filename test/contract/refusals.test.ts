import t, { type Test } from 'tap'
import { sql } from 'drizzle-orm'
import { CONSOLE_CODES, ERROR_CATALOGUE, type ErrorCode } from '../../errors.ts'
import { mintRecordId } from '../../plugins/lib/record-id.ts'
import { mintResultToken } from '../../plugins/lib/result-token.ts'
import { signRequest } from '../../plugins/lib/hmac.ts'
import { verifyWatermark } from '../../plugins/lib/watermark-id.ts'
import { memoryAdmissionStore } from '../../plugins/support/memory.ts'
import { asOwner, auditRowOf, front, judge, onEachStore, P, sendRaw, stateRows, submit, type Submitted } from '../helper/fronts.ts'
import { call, FLOW, headersFor, newCaller, operate, send, start, type Answer, type Caller } from '../helper/service.ts'

/** CONTRACT.md 5, word for word: a partner may match on any of it. */
const PUBLISHED: Record<ErrorCode, [status: number, sentence: string]> = {
  malformed_request: [400, 'Malformed request'],
  invalid_api_key: [401, 'Invalid or expired API key'],
  signature_missing: [403, 'Missing request signature'],
  signature_invalid: [403, 'Invalid request signature'],
  signature_replayed: [403, 'Request signature already used'],
  ip_not_allowed: [403, 'IP address not allowed'],
  organization_mismatch: [403, 'Organization mismatch'],
  insufficient_permission: [403, 'Insufficient permission'],
  browser_refused: [403, 'Browser requests are not allowed'],
  https_required: [403, 'HTTPS required'],
  not_found: [404, 'Not found'],
  method_not_allowed: [405, 'Method not allowed'],
  request_timeout: [408, 'Request timeout'],
  evaluation_incomplete: [409, 'Evaluation is not complete'],
  idempotency_conflict: [409, 'Idempotency key already used with another request'],
  result_token_used: [410, 'Result token already used'],
  result_token_invalid: [401, 'Invalid or expired result token'],
  payload_too_large: [413, 'Payload too large'],
  uri_too_long: [414, 'URI too long'],
  unsupported_media_type: [415, 'Unsupported media type'],
  blueprint_invalid: [422, 'Blueprint not understood'],
  rate_limited: [429, 'Rate limit exceeded'],
  headers_too_large: [431, 'Request header fields too large'],
  internal_error: [500, 'Internal server error'],
  api_disabled: [503, 'Public API is disabled'],
  organization_required: [400, 'Organization context required'],
  key_not_rotatable: [400, 'Key cannot be rotated'],
  not_signed_in: [401, 'Not signed in'],
  role_required: [403, 'Admin or owner role required'],
  cross_origin_refused: [403, 'Cross-origin requests are not allowed'],
  key_not_found: [404, 'Key not found'],
  key_revoked: [409, 'Key is revoked'],
  allowlist_unconfirmed: [409, 'Allowlist leaves out addresses in use'],
  unavailable: [503, 'Service temporarily unavailable']
}

const POLICIES = `${P}/governance/policies`
const EVALUATE = `${P}/evaluate`
const BODY_BYTES_MAX = 10 * 1024 * 1024
const LINGER_BYTES_MAX = 16 * 1024 * 1024
const SECRET_WORDS = /CANARY|Error:|at \S+ \(|select |insert /i

/** Where the order of checks (CONTRACT.md 4) stops: before the caller is known, before quota is spent, after it, or without a key. */
type Stage = 'anonymous' | 'before the limits' | 'after the limits' | 'result token'

interface World { url: string, caller: Caller, other: Caller, prepared: any }
interface Case {
  name: string
  code: ErrorCode
  stage: Stage
  options?: object
  prepare?: (world: World) => Promise<unknown>
  provoke: (world: World) => Promise<Answer>
  headers?: Record<string, RegExp>
  detail?: RegExp
}

const provoked = new Set<ErrorCode>()

function expectRefusal (t: Test, answer: Answer, code: ErrorCode, watermarkSecret: Buffer): void {
  const [status, sentence] = PUBLISHED[code]
  const mark = String(answer.headers.get('x-fb-watermark'))
  const { detail, ...rest } = answer.body
  t.equal(answer.status, status, `${code}: status`)
  t.same(rest, { ok: false, error: sentence, code, meta: { watermark: mark } }, `${code}: nothing but the envelope`)
  t.ok(verifyWatermark(mark, watermarkSecret), `${code}: a watermark of this service`)
  t.match(Object.fromEntries(answer.headers), { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
  t.notOk([...answer.headers.keys()].some((name) => name.startsWith('access-control-') || name === 'server' || name === 'x-powered-by'))
  t.notMatch(JSON.stringify(detail ?? null), SECRET_WORDS, `${code}: nothing private in detail`)
  provoked.add(code)
}

const from = (caller: Caller, method: string, path: string, body = ''): Record<string, string> => ({ ...headersFor(caller, method, path, body), 'x-forwarded-for': '203.0.113.9' })
const get = async ({ url, caller }: World, path: string, headers: Record<string, string> = {}): Promise<Answer> => await send(url, 'GET', path, { ...from(caller, 'GET', path), ...headers })
const post = async ({ url, caller }: World, body: string, headers: Record<string, string> = {}): Promise<Answer> => await send(url, 'POST', EVALUATE, { ...from(caller, 'POST', EVALUATE, body), ...headers }, body)
const bytes = async ({ url, caller }: World, body: Buffer, headers: Record<string, string> = {}): Promise<Answer> => {
  const signature = signRequest({ key: caller.key, timestampSeconds: Math.floor(Date.now() / 1000), method: 'POST', path: EVALUATE, body })
  return await sendRaw(url, { method: 'POST', path: EVALUATE, headers: { ...from(caller, 'POST', EVALUATE, 'x'), 'x-fb-signature': signature, 'content-length': String(body.length), ...headers }, body: [body] })
}
const without = (headers: Record<string, string>, name: string): Record<string, string> => Object.fromEntries(Object.entries(headers).filter(([one]) => one !== name))
const twice = (headers: Record<string, string>, name: string): Record<string, string | string[]> => ({ ...headers, [name]: [headers[name] ?? '', headers[name] ?? ''] })
const resigned = (caller: Caller, change: Partial<Parameters<typeof signRequest>[0]>): string => signRequest({ key: caller.key, timestampSeconds: Math.floor(Date.now() / 1000), method: 'GET', path: POLICIES, body: Buffer.alloc(0), ...change })

await onEachStore(t, 'every refusal of the contract', async (t, stores) => {
  const { runtime, url } = await start(stores, { RUN_WORKER: 'false', TRUSTED_PROXIES: '127.0.0.1' })
  t.teardown(() => runtime.close())
  const { secrets } = runtime.config
  const { db } = runtime.database
  const plain = await front(t, runtime, { production: true })
  const slow = await front(t, runtime, { bodyDeadlineMs: 100 })
  const disabled = await front(t, runtime, { enabled: false })
  const broken = await front(t, runtime, {}, { egress: { findProblem: away, post: away } })
  const storeless = await front(t, runtime, {}, { singleUse: { issue: away, take: away, giveBack: away } })
  const foreignId = (caller: Caller): string => mintRecordId('req', caller.orgId, secrets.recordId)
  const tokenOf = (caller: Caller, over: { evaluationId?: string, jti?: string, ageSeconds?: number } = {}, secret = secrets.resultToken): string =>
    mintResultToken({ evaluationId: over.evaluationId ?? foreignId(caller), orgId: caller.orgId, jti: over.jti ?? 'never', iatSeconds: Math.floor(Date.now() / 1000) - (over.ageSeconds ?? 0) }, secret)
  const judgedOne = async ({ caller }: World): Promise<Submitted> => {
    const submitted = await submit(url, caller)
    await judge(runtime, submitted.id)
    return submitted
  }
  const badKey = (name: string, headersOf: (world: World) => Record<string, string>, prepare?: (world: World) => Promise<unknown>): Case => ({
    name: `a key that is ${name}`,
    code: 'invalid_api_key',
    stage: 'anonymous',
    ...(prepare === undefined ? {} : { prepare }),
    provoke: (world) => send(world.url, 'GET', POLICIES, headersOf(world)),
    headers: { 'www-authenticate': /^Bearer$/ }
  })
  const badBody = (name: string, body: string, detail: RegExp): Case => ({ name: `a body that ${name}`, code: 'malformed_request', stage: 'after the limits', provoke: (world) => post(world, body), detail })
  const badSignature = (name: string, headerOf: (caller: Caller) => string): Case => ({
    name: `a signature that is ${name}`,
    code: 'signature_invalid',
    stage: 'before the limits',
    provoke: (world) => get(world, POLICIES, { 'x-fb-signature': headerOf(world.caller) }),
    headers: { date: /GMT$/ }
  })
  const badToken = (name: string, tokenFor: (world: World) => string): Case => ({ name: `a result token that is ${name}`, code: 'result_token_invalid', stage: 'anonymous', provoke: (world) => send(world.url, 'GET', `${P}/results/${tokenFor(world)}`) })

  const cases: Case[] = [
    badBody('is not JSON', '{"scenario_ids": CANARY}', /not JSON/),
    badBody('holds __proto__', '{"__proto__":{}}', /forbidden key/),
    badBody('holds a NUL', '{"org_id":"\\u0000"}', /NUL/),
    badBody('holds a lone surrogate', '{"org_id":"\\ud800"}', /surrogate/),
    badBody('nests deeper than 64', `${'['.repeat(65)}${']'.repeat(65)}`, /deeper than 64/),
    badBody('has an unknown field', '{"unknown":"CANARY"}', /"path":"\/unknown"/),
    badBody('has a field of another type', '{"scenario_ids":[1],"org_id":"x"}', /"path":"\/scenario_ids\/0"/),
    badBody('has a text where a flag belongs', JSON.stringify({ blueprints: [{ id: 'a', blueprint: FLOW, save: 'true' }] }), /\/blueprints\/0\/save/),
    badBody('has eleven blueprints', JSON.stringify({ blueprints: Array.from({ length: 11 }, (_, at) => ({ id: `b${at}`, blueprint: FLOW })) }), /\/blueprints/),
    badBody('names neither scenarios nor blueprints', '{}', /exactly one of/),
    badBody('repeats an id', JSON.stringify({ blueprints: [{ id: 'a', blueprint: FLOW }, { id: 'a', blueprint: FLOW }] }), /repeat/),
    badBody('gives an inline blueprint the id of a scenario', JSON.stringify({ blueprints: [{ id: `scn_${'0'.repeat(26)}`, blueprint: FLOW }] }), /\/blueprints\/0\/id/),
    { name: 'a body that is not UTF-8', code: 'malformed_request', stage: 'after the limits', provoke: (world) => bytes(world, Buffer.from([0x22, 0xff, 0xfe, 0x22])), detail: /UTF-8/ },
    { name: 'a dot in a record id', code: 'malformed_request', stage: 'before the limits', provoke: (world) => get(world, `${P}/evaluations/req_a.b`), detail: /dot/ },
    { name: 'a cursor that is none', code: 'malformed_request', stage: 'after the limits', provoke: (world) => get(world, `${P}/scenarios?cursor=CANARY`), detail: /cursor/ },
    { name: 'an idempotency key with a blank', code: 'malformed_request', stage: 'after the limits', provoke: (world) => post(world, JSON.stringify({ blueprints: [{ id: 'a', blueprint: FLOW }] }), { 'idempotency-key': 'a b' }), detail: /Idempotency-Key/ },
    { name: 'a target of 9000 characters', code: 'uri_too_long', stage: 'anonymous', provoke: (world) => get(world, `${POLICIES}?${'a'.repeat(9000)}`), detail: /8192/ },
    { name: 'more than a hundred headers', code: 'headers_too_large', stage: 'anonymous', provoke: ({ url, caller }) => sendRaw(url, { method: 'GET', path: POLICIES, headers: { ...from(caller, 'GET', POLICIES), 'x-many': Array.from({ length: 100 }, () => '1') } }), detail: /100/ },
    { name: 'a body that does not come', code: 'request_timeout', stage: 'before the limits', provoke: ({ caller }) => sendRaw(slow, { method: 'POST', path: EVALUATE, headers: { ...from(caller, 'POST', EVALUATE, 'x'), 'content-length': '9' }, body: ['x'] }), headers: { connection: /close/ } },
    { name: 'a body on GET', code: 'malformed_request', stage: 'anonymous', provoke: ({ url, caller }) => sendRaw(url, { method: 'GET', path: POLICIES, headers: { ...from(caller, 'GET', POLICIES), 'content-length': '2' }, body: ['{}'] }), headers: { connection: /close/ }, detail: /must not carry a body/ },
    { name: 'a body on DELETE', code: 'malformed_request', stage: 'anonymous', provoke: ({ url, caller }) => sendRaw(url, { method: 'DELETE', path: POLICIES, headers: { ...from(caller, 'DELETE', POLICIES), 'transfer-encoding': 'chunked' }, body: ['{}'] }), detail: /must not carry a body/ },
    ...['x-fb-signature', 'authorization'].map((name): Case => ({ name: `${name} sent twice`, code: 'malformed_request', stage: 'anonymous', provoke: ({ url, caller }) => sendRaw(url, { method: 'GET', path: POLICIES, headers: twice(from(caller, 'GET', POLICIES), name) }), detail: /more than once/ })),
    badKey('missing', () => ({})),
    badKey('malformed', () => ({ authorization: 'Bearer fb_live_0123' })),
    badKey('in upper case', ({ caller }) => ({ authorization: `Bearer ${caller.key.toUpperCase()}` })),
    badKey('given as Basic', ({ caller }) => ({ authorization: `Basic ${Buffer.from(`${caller.key}:`).toString('base64')}` })),
    badKey('unknown', () => ({ authorization: `Bearer fb_live_${'0'.repeat(48)}` })),
    badKey('revoked', ({ other }) => from(other, 'GET', POLICIES), ({ other }) => operate(runtime, 'key.revoke', { key: other.keyId })),
    badKey('suspended', ({ other }) => from(other, 'GET', POLICIES), ({ other }) => operate(runtime, 'key.suspend', { key: other.keyId })),
    badKey('inactive', ({ other }) => from(other, 'GET', POLICIES), async ({ other }) => { await db.execute(sql`update api_keys set state = 'inactive' where id = ${other.keyId}`) }),
    badKey('expired', ({ other }) => from(other, 'GET', POLICIES), async ({ other }) => { await db.execute(sql`update api_keys set expires_at = now() - interval '1 second' where id = ${other.keyId}`) }),
    { name: 'a key in the query', code: 'invalid_api_key', stage: 'anonymous', provoke: ({ url, caller }) => send(url, 'GET', `${POLICIES}?access_token=${caller.key}&api_key=${caller.key}`), headers: { 'www-authenticate': /^Bearer$/ } },
    { name: 'no signature', code: 'signature_missing', stage: 'before the limits', provoke: ({ url, caller }) => send(url, 'GET', POLICIES, without(from(caller, 'GET', POLICIES), 'x-fb-signature')) },
    badSignature('empty', () => ''),
    badSignature('malformed', () => 't=1,v1=00'),
    badSignature('of another method', (caller) => resigned(caller, { method: 'POST' })),
    badSignature('of another path', (caller) => resigned(caller, { path: EVALUATE })),
    badSignature('of another body', (caller) => resigned(caller, { body: Buffer.from('x') })),
    badSignature('of another key', (caller) => resigned(caller, { key: `fb_live_${'1'.repeat(48)}` })),
    badSignature('in upper case', (caller) => resigned(caller, {}).replace(/v1=.*/, (text) => `v1=${text.slice(3).toUpperCase()}`)),
    badSignature('303 seconds old', (caller) => resigned(caller, { timestampSeconds: Math.floor(Date.now() / 1000) - 303 })),
    badSignature('303 seconds early', (caller) => resigned(caller, { timestampSeconds: Math.floor(Date.now() / 1000) + 303 })),
    {
      name: 'a signed request that changes state, sent again',
      code: 'signature_replayed',
      stage: 'before the limits',
      prepare: async ({ url, caller }) => {
        const body = JSON.stringify({ blueprints: [{ id: 'a', blueprint: FLOW }] })
        const headers = from(caller, 'POST', EVALUATE, body)
        t.equal((await send(url, 'POST', EVALUATE, headers, body)).status, 200)
        return { headers, body }
      },
      provoke: ({ url, prepared }) => send(url, 'POST', EVALUATE, prepared.headers, prepared.body)
    },
    { name: 'an address that is not listed', code: 'ip_not_allowed', stage: 'before the limits', options: { ip_allow: ['203.0.113.0/24'] }, provoke: (world) => get(world, POLICIES, { 'x-forwarded-for': '198.51.100.7' }), detail: /^"198\.51\.100\.7"$/ },
    { name: 'a record id of another organization', code: 'organization_mismatch', stage: 'before the limits', provoke: (world) => get(world, `${P}/evaluations/${foreignId(world.other)}`) },
    { name: 'org_id of another organization', code: 'organization_mismatch', stage: 'after the limits', provoke: (world) => post(world, JSON.stringify({ scenario_ids: ['a'], org_id: world.other.orgId })) },
    { name: 'org_id of another organization beside a blueprint', code: 'organization_mismatch', stage: 'after the limits', provoke: (world) => post(world, JSON.stringify({ blueprints: [{ id: 'a', blueprint: FLOW, save: true }], org_id: world.other.orgId })) },
    { name: 'a scenario of another organization', code: 'organization_mismatch', stage: 'after the limits', provoke: (world) => post(world, JSON.stringify({ scenario_ids: [mintRecordId('scn', world.other.orgId, secrets.recordId)], org_id: world.caller.orgId })) },
    { name: 'a permission that the key lacks', code: 'insufficient_permission', stage: 'before the limits', options: { permissions: ['governance:read'] }, provoke: (world) => post(world, JSON.stringify({ blueprints: [{ id: 'a', blueprint: FLOW }] })), headers: { 'www-authenticate': /^Bearer error="insufficient_scope", scope="governance:evaluate"$/ }, detail: /governance:evaluate/ },
    { name: 'a CORS pre-flight', code: 'browser_refused', stage: 'anonymous', provoke: ({ url }) => sendRaw(url, { method: 'OPTIONS', path: EVALUATE, headers: { origin: 'https://a.example', 'access-control-request-method': 'POST' } }) },
    { name: 'plain HTTP in production', code: 'https_required', stage: 'anonymous', provoke: ({ caller }) => send(plain, 'GET', POLICIES, from(caller, 'GET', POLICIES)) },
    { name: 'an unknown route', code: 'not_found', stage: 'after the limits', provoke: (world) => get(world, `${P}/CANARY`) },
    { name: 'an unknown record of the own organization', code: 'not_found', stage: 'after the limits', provoke: (world) => get(world, `${P}/evaluations/${foreignId(world.caller)}`) },
    { name: 'an unknown scenario of the own organization', code: 'not_found', stage: 'after the limits', provoke: (world) => get(world, `${P}/scenarios/${mintRecordId('scn', world.caller.orgId, secrets.recordId)}/results`) },
    { name: 'a text that is no record id', code: 'not_found', stage: 'after the limits', provoke: (world) => get(world, `${P}/evaluations/CANARY`) },
    ...['evaluations/%00CANARY', 'scenarios/scn_%00/results', 'webhooks/sub_%00'].map((path): Case => ({ name: `a NUL in the path /${path}`, code: 'malformed_request', stage: 'anonymous', provoke: (world) => get(world, `${P}/${path}`), detail: /must not escape/ })),
    { name: 'a method that the path does not have', code: 'method_not_allowed', stage: 'after the limits', provoke: ({ url, caller }) => send(url, 'DELETE', POLICIES, from(caller, 'DELETE', POLICIES)), headers: { allow: /^GET$/ } },
    { name: 'a result token before its evaluation is complete', code: 'evaluation_incomplete', stage: 'result token', prepare: ({ url, caller }) => submit(url, caller), provoke: ({ url, prepared }) => send(url, 'GET', `${P}/results/${prepared.token}`), headers: { 'retry-after': /^[1-9]\d?$/ } },
    {
      name: 'an idempotency key with another body',
      code: 'idempotency_conflict',
      stage: 'after the limits',
      prepare: async (world) => t.equal((await post(world, JSON.stringify({ blueprints: [{ id: 'a', blueprint: FLOW }] }), { 'idempotency-key': 'k' })).status, 200),
      provoke: (world) => post(world, JSON.stringify({ blueprints: [{ id: 'b', blueprint: FLOW, save: true }] }), { 'idempotency-key': 'k' })
    },
    {
      name: 'a result token that was redeemed',
      code: 'result_token_used',
      stage: 'result token',
      prepare: async (world) => {
        const submitted = await judgedOne(world)
        t.equal((await send(url, 'GET', `${P}/results/${submitted.token}`)).status, 200)
        return submitted
      },
      provoke: ({ url, prepared }) => send(url, 'GET', `${P}/results/${prepared.token}`)
    },
    badToken('no token', () => 'CANARY'),
    badToken('signed with another secret', ({ caller }) => tokenOf(caller, {}, Buffer.alloc(32, 9))),
    badToken('expired', ({ caller }) => tokenOf(caller, { ageSeconds: 900 })),
    { name: 'a result token of an evaluation that is not there', code: 'result_token_invalid', stage: 'result token', provoke: ({ url, caller }) => send(url, 'GET', `${P}/results/${tokenOf(caller)}`) },
    {
      name: 'a result token that was never issued, for an evaluation that is complete',
      code: 'result_token_invalid',
      stage: 'result token',
      prepare: judgedOne,
      provoke: ({ url, caller, prepared }) => send(url, 'GET', `${P}/results/${tokenOf(caller, { evaluationId: prepared.id })}`)
    },
    { name: 'a body whose Content-Length is over 10 MiB', code: 'payload_too_large', stage: 'before the limits', provoke: ({ url, caller }) => sendRaw(url, { method: 'POST', path: EVALUATE, headers: { ...from(caller, 'POST', EVALUATE, 'x'), 'content-length': String(BODY_BYTES_MAX + 1) } }), headers: { connection: /close/ } },
    { name: 'chunks over 10 MiB', code: 'payload_too_large', stage: 'before the limits', provoke: ({ url, caller }) => sendRaw(url, { method: 'POST', path: EVALUATE, headers: { ...from(caller, 'POST', EVALUATE, 'x'), 'transfer-encoding': 'chunked' }, body: [Buffer.alloc(BODY_BYTES_MAX, 0x20), ' '] }), headers: { connection: /close/ } },
    { name: 'a body that is not JSON by its type', code: 'unsupported_media_type', stage: 'after the limits', provoke: (world) => post(world, '{}', { 'content-type': 'text/plain' }) },
    { name: 'a body without a type', code: 'unsupported_media_type', stage: 'after the limits', provoke: ({ url, caller }) => sendRaw(url, { method: 'POST', path: EVALUATE, headers: { ...without(from(caller, 'POST', EVALUATE, '{}'), 'content-type'), 'content-length': '2' }, body: ['{}'] }) },
    { name: 'a blueprint of neither platform, beside a good one', code: 'blueprint_invalid', stage: 'after the limits', provoke: (world) => post(world, JSON.stringify({ blueprints: [{ id: 'a', blueprint: FLOW, save: true }, { id: 'b', blueprint: { x: 'CANARY' } }] })), detail: /\/blueprints\/1\/blueprint.*"flow" list|\\"flow\\"/ },
    { name: 'a failure that nobody foresaw', code: 'internal_error', stage: 'after the limits', options: { permissions: ['admin'] }, provoke: ({ caller }) => { const body = '{"url":"https://hooks.example.com/in","events":["evaluation.complete"]}'; return send(broken, 'POST', `${P}/webhooks`, from(caller, 'POST', `${P}/webhooks`, body), body) } },
    { name: 'the kill switch', code: 'api_disabled', stage: 'anonymous', provoke: ({ caller }) => send(disabled, 'GET', POLICIES, from(caller, 'GET', POLICIES)) },
    {
      name: 'a store that cannot issue the token of a submission',
      code: 'unavailable',
      stage: 'after the limits',
      provoke: ({ caller }) => {
        const body = JSON.stringify({ blueprints: [{ id: 'a', blueprint: FLOW }] })
        return send(storeless, 'POST', EVALUATE, from(caller, 'POST', EVALUATE, body), body)
      },
      headers: { 'retry-after': /^[1-9]\d?$/ }
    },
    { name: 'a store that is away', code: 'unavailable', stage: 'result token', prepare: judgedOne, provoke: ({ prepared }) => send(storeless, 'GET', `${P}/results/${prepared.token}`), headers: { 'retry-after': /^[1-9]\d?$/ } }
  ]

  for (const one of cases) {
    await t.test(`${PUBLISHED[one.code][0]} ${one.code}: ${one.name}; nothing is written or counted`, async (t) => {
      const caller = await newCaller(runtime, one.options)
      const world: World = { url, caller, other: await newCaller(runtime), prepared: null }
      world.prepared = await one.prepare?.(world)
      const left = async (): Promise<number> => {
        const answer = await get(world, POLICIES)
        t.equal(answer.status, 200)
        return Number(answer.headers.get('x-ratelimit-remaining'))
      }
      const before = await left()
      const rows = await stateRows(runtime)
      const answer = await one.provoke(world)
      expectRefusal(t, answer, one.code, secrets.watermark)
      for (const [name, value] of Object.entries(one.headers ?? {})) t.match(answer.headers.get(name), value, name)
      if (one.detail === undefined) t.notOk('detail' in answer.body, 'no detail')
      else t.match(JSON.stringify(answer.body.detail), one.detail, 'detail')
      t.same(await stateRows(runtime), rows, 'no row was written')

      const spent = one.stage === 'after the limits' ? 1 : 0
      const isKeyed = one.stage === 'before the limits' || one.stage === 'after the limits'
      t.equal(answer.headers.get('x-ratelimit-limit'), isKeyed ? '60' : null)
      t.equal(answer.headers.get('x-ratelimit-remaining'), isKeyed ? String(before - spent) : null)
      t.equal(await left(), before - spent - 1, 'the quota is what it was')
      const row = await auditRowOf(runtime, answer)
      if (one.stage === 'anonymous') t.equal(row, null, 'a refusal of a stranger leaves no audit row')
      else t.match(row, { orgId: caller.orgId, keyId: isKeyed ? caller.keyId : null, status: answer.status, code: one.code, jti: null, degraded: false }, 'the audit row says the same')
    })
  }

  await t.test('409: the token that came too early is as good as new once its evaluation is complete', async (t) => {
    const caller = await newCaller(runtime)
    const { id, token } = await submit(url, caller)
    for (let tries = 0; tries < 3; tries++) expectRefusal(t, await send(url, 'GET', `${P}/results/${token}`), 'evaluation_incomplete', secrets.watermark)
    await judge(runtime, id)
    t.equal((await send(url, 'GET', `${P}/results/${token}`)).status, 200)
    expectRefusal(t, await send(url, 'GET', `${P}/results/${token}`), 'result_token_used', secrets.watermark)
  })

  await t.test('413: the largest body is read, and of a larger one no more than the limit is kept', async (t) => {
    const caller = await newCaller(runtime)
    const world: World = { url, caller, other: caller, prepared: null }
    const received: number[] = []
    runtime.app.server.on('connection', (socket) => socket.on('close', () => received.push(socket.bytesRead)))
    const filler = Buffer.alloc(BODY_BYTES_MAX, 0x20)
    filler.write('{}')
    const largest = await bytes(world, filler)
    t.equal(largest.status, 400, 'ten MiB exactly are a body like any other')
    const flood = function * (): Generator<Buffer> { for (let sent = 0; sent < 64; sent++) yield Buffer.alloc(1024 * 1024, 0x20) }
    for (const framing of [{ 'transfer-encoding': 'chunked' }, { 'content-length': String(64 * 1024 * 1024) }]) {
      received.length = 0
      // A client that goes on sending may lose the answer to the reset that its own bytes cause; it must never win.
      const answer = await sendRaw(url, { method: 'POST', path: EVALUATE, headers: { ...from(caller, 'POST', EVALUATE, 'x'), ...framing }, body: flood() }).catch((err: NodeJS.ErrnoException) => err)
      if (answer instanceof Error) t.match(answer.code, /^(?:ECONNRESET|EPIPE)$/)
      else expectRefusal(t, answer, 'payload_too_large', secrets.watermark)
      while (received.length === 0) await new Promise((resolve) => setTimeout(resolve, 10))
      // What comes while the answer is on its way is thrown away, up to a bound of its own.
      const bound = ('content-length' in framing ? 0 : BODY_BYTES_MAX) + LINGER_BYTES_MAX + 1024 * 1024
      t.ok(Math.max(...received) < bound, `${received.join()} bytes were read from the socket`)
    }
  })

  await t.test('500: what was thrown stands nowhere on the wire', async (t) => {
    const caller = await newCaller(runtime, { permissions: ['admin'] })
    const body = '{"url":"https://hooks.example.com/in","events":["evaluation.complete"]}'
    const answer = await send(broken, 'POST', `${P}/webhooks`, headersFor(caller, 'POST', `${P}/webhooks`, body), body)
    t.equal(answer.status, 500)
    t.notMatch(JSON.stringify([answer.body, ...answer.headers]), /CANARY|postgres:|hunter2/)
    t.same(Object.keys(answer.body).sort(), ['code', 'error', 'meta', 'ok'])
  })

  await t.test('503: a key store that is away is never 401, and a stranger learns nothing of it', async (t) => {
    const caller = await newCaller(runtime)
    const gone = new Proxy(runtime.database, { get: (target, name, receiver): unknown => name === 'db' ? { select: () => ({ from: () => ({ where: () => ({ prepare: () => ({ execute: away }) }) }) }) } : Reflect.get(target, name, receiver) })
    const keyless = await front(t, runtime, {}, { database: gone })
    const rows = await stateRows(runtime)
    for (const key of [caller.key, `fb_live_${'0'.repeat(48)}`]) {
      const answer = await send(keyless, 'GET', POLICIES, headersFor({ ...caller, key }, 'GET', POLICIES))
      expectRefusal(t, answer, 'unavailable', secrets.watermark)
      t.match(answer.headers.get('retry-after'), /^[1-9]\d?$/)
      t.equal(answer.headers.get('www-authenticate'), null)
      t.notOk('detail' in answer.body)
    }
    expectRefusal(t, await send(keyless, 'GET', POLICIES), 'invalid_api_key', secrets.watermark)
    t.same(await stateRows(runtime), rows)
    t.equal((await call(url, caller, 'GET', '/governance/policies')).headers.get('x-ratelimit-remaining'), '59', 'nothing of it was counted')
  })

  await t.test('503: an answer whose audit row cannot be written does not leave, whatever it was', async (t) => {
    const caller = await newCaller(runtime)
    const reader = await newCaller(runtime, { permissions: ['governance:read'] })
    const rowless = await front(t, runtime, {}, { audit: { record: away } })
    const body = JSON.stringify({ blueprints: [{ id: 'a', blueprint: FLOW }] })
    const answers = [
      await call(rowless, caller, 'GET', '/governance/policies'), await call(rowless, caller, 'GET', '/scenarios'), await call(rowless, caller, 'GET', '/nothing'),
      await call(rowless, caller, 'DELETE', '/governance/policies'), await call(rowless, reader, 'POST', '/evaluate', body), await call(rowless, caller, 'POST', '/evaluate', '{}')
    ]
    for (const answer of answers) {
      expectRefusal(t, answer, 'unavailable', secrets.watermark)
      t.match(answer.headers.get('retry-after'), /^[1-9]\d?$/)
      for (const name of ['etag', 'allow', 'www-authenticate']) t.equal(answer.headers.get(name), null, name)
      t.notOk('detail' in answer.body || 'data' in answer.body)
    }
  })

  await t.test('a route that does not exist is judged like one that does: by every layer, in their order', async (t) => {
    const caller = await newCaller(runtime)
    const listed = await newCaller(runtime, { ip_allow: ['203.0.113.0/24'] })
    for (const [method, path] of [['GET', '/nothing'], ['POST', '/nothing/at/all'], ['DELETE', '/evaluate'], ['GET', '/governance'], ['GET', '/'], ['GET', '']] as const) {
      const full = P + path
      const ask = async (headers: Record<string, string>): Promise<Answer> => await send(url, method, full, headers)
      expectRefusal(t, await ask({}), 'invalid_api_key', secrets.watermark)
      expectRefusal(t, await ask(without(headersFor(caller, method, full), 'x-fb-signature')), 'signature_missing', secrets.watermark)
      expectRefusal(t, await ask(headersFor(caller, method, `${full}x`)), 'signature_invalid', secrets.watermark)
      expectRefusal(t, await ask(headersFor(listed, method, full)), 'ip_not_allowed', secrets.watermark)
      const known = await ask(headersFor(caller, method, full))
      expectRefusal(t, known, path === '/evaluate' ? 'method_not_allowed' : 'not_found', secrets.watermark)
      t.equal(known.headers.get('x-ratelimit-limit'), '60', 'and it costs like any other')
      t.match(await auditRowOf(runtime, known), { keyId: caller.keyId, status: known.status })
    }
  })

  await t.test('503: a database that answers with an error is not quoted', async (t) => {
    const caller = await newCaller(runtime)
    await asOwner(runtime, 'alter table scenarios rename to scenarios_away')
    let answer: Answer
    try {
      answer = await call(url, caller, 'GET', '/scenarios')
    } finally {
      await asOwner(runtime, 'alter table scenarios_away rename to scenarios')
    }
    expectRefusal(t, answer, 'unavailable', secrets.watermark)
    t.ok(Number(answer.headers.get('retry-after')) >= 1)
    t.equal((await call(url, caller, 'GET', '/scenarios')).status, 200)
  })

  await t.test('503: with the kill switch on every route is disabled, health and unknown ones included, and no store is asked', async (t) => {
    const caller = await newCaller(runtime)
    const calls = [['GET', '/governance/health'], ['GET', '/governance/policies'], ['POST', '/evaluate'], ['GET', `/evaluations/${foreignId(caller)}`], ['GET', `/results/${tokenOf(caller)}`], ['GET', '/scenarios'], ['GET', '/webhooks'], ['GET', '/nothing/here'], ['PUT', '/evaluate']] as const
    for (const [method, path] of calls) {
      const body = method === 'GET' ? '' : '{}'
      expectRefusal(t, await call(disabled, caller, method, path, body), 'api_disabled', secrets.watermark)
    }
    expectRefusal(t, await send(disabled, 'GET', POLICIES), 'api_disabled', secrets.watermark)
    const left = await call(url, caller, 'GET', '/governance/policies')
    t.equal(left.headers.get('x-ratelimit-remaining'), '59', 'nothing of it was counted')
  })

  await t.test('429 by key: exact seconds, both drafts of the headers, and the very same signed request is admitted afterwards', async (t) => {
    let nowMs = Date.now()
    const limited = await front(t, runtime, {}, { admission: memoryAdmissionStore({ now: () => nowMs }) })
    const caller = await newCaller(runtime, { rpm: 2, rph: 3 })
    const startMs = nowMs
    const body = JSON.stringify({ blueprints: [{ id: 'a', blueprint: FLOW }] })
    const headers = from(caller, 'POST', EVALUATE, body)
    const ask = async (atMs: number): Promise<Answer> => {
      nowMs = startMs + atMs
      return await send(limited, 'POST', EVALUATE, headers, body)
    }
    const read = async (atMs: number): Promise<Answer> => {
      nowMs = startMs + atMs
      return await call(limited, caller, 'GET', '/governance/policies')
    }
    t.equal((await read(0)).headers.get('x-ratelimit-remaining'), '1')
    t.equal((await read(20_500)).headers.get('x-ratelimit-remaining'), '0')
    const rows = await stateRows(runtime)
    for (const [atMs, seconds] of [[20_500, 40], [20_501, 40], [21_000, 39], [30_000, 30], [58_999, 2], [59_000, 1], [59_999, 1]] as const) {
      const answer = await ask(atMs)
      expectRefusal(t, answer, 'rate_limited', secrets.watermark)
      t.match(Object.fromEntries(answer.headers), {
        'retry-after': String(seconds),
        'ratelimit-policy': '"minute";q=2;w=60, "hour";q=3;w=3600',
        ratelimit: `"minute";r=0;t=${seconds}`,
        'x-ratelimit-limit': '2',
        'x-ratelimit-remaining': '0',
        'x-ratelimit-reset': String(Math.ceil((startMs + 80_500) / 1000))
      }, `at ${atMs} ms`)
      t.equal(answer.body.detail, 'The limit of 2 requests per minute is reached.')
      t.match(await auditRowOf(runtime, answer), { code: 'rate_limited', reason: 'minute', status: 429 })
    }
    t.same(await stateRows(runtime), rows, 'no evaluation was written')
    t.equal((await ask(60_000)).status, 200, 'after exactly the seconds that were promised, unchanged')
    expectRefusal(t, await ask(60_000), 'signature_replayed', secrets.watermark)

    const hour = await read(200_000)
    expectRefusal(t, hour, 'rate_limited', secrets.watermark)
    t.match(Object.fromEntries(hour.headers), { 'retry-after': '3400', ratelimit: '"hour";r=0;t=3400', 'x-ratelimit-remaining': '0' })
    t.equal(hour.body.detail, 'The limit of 3 requests per hour is reached.')
    t.equal((await read(3_599_999)).headers.get('retry-after'), '1')
    t.equal((await read(3_600_000)).status, 200)
  })

  await t.test('429 by key: sixty are admitted at the defaults, and the refused ones cost nothing', async (t) => {
    const caller = await newCaller(runtime)
    const startedMs = Date.now()
    for (let n = 1; n <= 60; n++) {
      const answer = await call(url, caller, 'GET', '/governance/policies')
      if (answer.status !== 200 || answer.headers.get('x-ratelimit-remaining') !== String(60 - n)) t.fail(`request ${n}: ${answer.status}`)
    }
    const elapsedSeconds = Math.ceil((Date.now() - startedMs) / 1000)
    for (let n = 0; n < 5; n++) {
      const answer = await call(url, caller, 'GET', '/governance/policies')
      expectRefusal(t, answer, 'rate_limited', secrets.watermark)
      const retryAfter = Number(answer.headers.get('retry-after'))
      t.ok(retryAfter <= 60 && retryAfter >= 60 - elapsedSeconds - 1, `${retryAfter} s`)
      t.equal(answer.headers.get('ratelimit-policy'), '"minute";q=60;w=60, "hour";q=1000;w=3600')
    }
  })

  await t.test('429 by address: after too many failures the address waits, whatever it presents', async (t) => {
    const narrow = await front(t, runtime, { authFailureLimitPerMinute: 3 })
    const caller = await newCaller(runtime)
    const at = (ip: string): Record<string, string> => ({ 'x-forwarded-for': ip })
    for (let n = 0; n < 3; n++) expectRefusal(t, await send(narrow, 'GET', POLICIES, at('192.0.2.1')), 'invalid_api_key', secrets.watermark)
    const strange = await send(narrow, 'GET', POLICIES, at('192.0.2.1'))
    const known = await send(narrow, 'GET', POLICIES, { ...headersFor(caller, 'GET', POLICIES), ...at('192.0.2.1') })
    const token = await send(narrow, 'GET', `${P}/results/x`, at('192.0.2.1'))
    for (const answer of [strange, known, token]) {
      expectRefusal(t, answer, 'rate_limited', secrets.watermark)
      t.match(answer.headers.get('retry-after'), /^(?:60|5\d)$/)
      t.equal(answer.headers.get('x-ratelimit-limit'), null, 'an address has no key windows')
      t.match(answer.body.detail, /address/)
      t.equal(await auditRowOf(runtime, answer), null, 'a flood fills no table')
    }
    const elsewhere = await send(narrow, 'GET', POLICIES, { ...headersFor(caller, 'GET', POLICIES), ...at('192.0.2.2') })
    t.equal(elsewhere.status, 200, 'another address is not concerned')
    t.equal(elsewhere.headers.get('x-ratelimit-remaining'), '59', 'nor was the quota of the key')
  })

  await t.test('429 by address: result tokens are guessed three times a minute, and a good one is not spent by the fourth', async (t) => {
    const narrow = await front(t, runtime, { authFailureLimitPerMinute: 3 })
    const caller = await newCaller(runtime)
    const { id, token } = await submit(url, caller)
    await judge(runtime, id)
    for (let n = 0; n < 3; n++) expectRefusal(t, await send(narrow, 'GET', `${P}/results/guess${n}`), 'result_token_invalid', secrets.watermark)
    const rows = await stateRows(runtime)
    const answer = await send(narrow, 'GET', `${P}/results/${token}`)
    expectRefusal(t, answer, 'rate_limited', secrets.watermark)
    t.match(answer.headers.get('retry-after'), /^(?:60|5\d)$/)
    t.same(await stateRows(runtime), rows)
    t.equal((await send(narrow, 'GET', `${P}/results/${token}`, { 'x-forwarded-for': '192.0.2.2' })).status, 200)
  })
})

t.test('no refusal of the catalogue is missing here', async (t) => {
  t.same(Object.fromEntries(Object.entries(ERROR_CATALOGUE).map(([code, { status, sentence }]) => [code, [status, sentence]])), PUBLISHED)
  t.same([...provoked, ...CONSOLE_CODES].sort(), Object.keys(PUBLISHED).sort())
})

async function away (): Promise<never> {
  throw new Error('CANARY: redis://:hunter2@10.0.0.1 is away')
}
