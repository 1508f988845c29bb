/**
 * Each layer alone on a bare Fastify, as somebody finds it who has installed the package and read its types: with its own options and what
 * it reads of a request, nothing else. Each lets one request pass and refuses another with its published refusal, and none boots with a
 * wrong option. Copied by check-package.mjs into a folder that has the packed package beside Fastify, compiled there and run.
 */
import { createHash, createHmac, randomBytes } from 'node:crypto'
import fastify, { type FastifyInstance, type FastifyPluginAsync, type InjectOptions } from 'fastify'
import { ApiError, ERROR_CATALOGUE, type ErrorCode } from '@flowbeacon/public-api/errors'
import anomalyDetection, { type InstantAnomaly } from '@flowbeacon/public-api/plugins/anomaly-detection'
import authentication from '@flowbeacon/public-api/plugins/authentication'
import type { AuditRow, Principal } from '@flowbeacon/public-api/plugins/context'
import ipAllowlist from '@flowbeacon/public-api/plugins/ip-allowlist'
import killSwitch, { ALL_KILLED, NOTHING_KILLED } from '@flowbeacon/public-api/plugins/kill-switch'
import orgScope, { mintRecordId } from '@flowbeacon/public-api/plugins/org-scope'
import permissionScopes from '@flowbeacon/public-api/plugins/permission-scopes'
import rateLimits from '@flowbeacon/public-api/plugins/rate-limits'
import signature from '@flowbeacon/public-api/plugins/signature'
import { memoryAdmissionStore } from '@flowbeacon/public-api/plugins/support/memory'
import transport from '@flowbeacon/public-api/plugins/transport'
import watermark, { verifyWatermark } from '@flowbeacon/public-api/plugins/watermark'

const KEY = `fb_live_${randomBytes(24).toString('hex')}`
const SECRET = randomBytes(32)
const CALLER: Principal = {
  keyId: 'key_1', orgId: 'acme', prefix: KEY.slice(0, 12), permissions: ['governance:read'], ipAllowlist: ['127.0.0.0/8'], perMinute: 1, perHour: 10, state: 'active', expiresAtMs: null, epoch: ''
}
const done: string[] = []

/** A bare Fastify with one layer. `leave` stands for what would otherwise run before it. */
async function boot<Options extends object> (layer: FastifyPluginAsync<Options>, options: Options, leave?: { principal?: Principal, bearerKey?: string }): Promise<FastifyInstance> {
  const app = fastify()
  if (leave !== undefined) {
    for (const slot of ['principal', 'bearerKey', 'replayId', 'refusal'] as const) app.decorateRequest(slot, null)
    app.addHook('onRequest', async (request) => {
      request.principal = leave.principal ?? null
      request.bearerKey = leave.bearerKey ?? null
      request.reloadPrincipal = async (epoch) => {
        request.principal = { ...CALLER, ...leave.principal, epoch }
        return request.principal
      }
    })
  }
  await app.register(layer, options)
  app.get('/thing', { config: { access: 'key', scope: 'governance:read' } }, async () => ({ ok: true, data: {} }))
  app.post('/thing', { config: { access: 'key', scope: 'governance:evaluate' } }, async () => ({ ok: true, data: {} }))
  app.get('/thing/:id', { config: { access: 'key', scope: 'governance:read' } }, async () => ({ ok: true, data: {} }))
  await app.ready()
  return app
}

async function passes (name: string, app: FastifyInstance, request: InjectOptions | string): Promise<Record<string, unknown>> {
  const answer = await app.inject(request)
  if (answer.statusCode !== 200) throw new Error(`${name} alone did not let a request pass: ${answer.statusCode} ${answer.body}`)
  return { ...answer.headers, ...answer.json<Record<string, unknown>>() }
}

async function refuses (name: string, app: FastifyInstance, request: InjectOptions | string, code: ErrorCode): Promise<void> {
  const answer = await app.inject(request)
  const { status, sentence } = ERROR_CATALOGUE[code]
  const body = answer.json<Record<string, unknown>>()
  if (answer.statusCode !== status || body['ok'] !== false || body['error'] !== sentence || body['code'] !== code) throw new Error(`${name} alone should answer ${status} ${sentence}: ${answer.statusCode} ${answer.body}`)
}

/** Each of these options, which no type would let through, stops the boot with a sentence that says so. */
async function stops<Options extends object> (name: string, layer: FastifyPluginAsync<Options>, wrong: ReadonlyArray<readonly [object, string]>, leave: { principal?: Principal } = {}): Promise<void> {
  for (const [options, sentence] of [...wrong, [{ misspelt: 1 }, `${name}: there is no option misspelt`] as const]) {
    const said = await boot(layer, options as Options, leave).then(() => 'it booted', (err: Error) => err.message)
    if (!said.includes(sentence)) throw new Error(`${name} with ${JSON.stringify(options)} should say "${sentence}": ${said}`)
  }
  done.push(name)
}

/** A layer that reads of a request what nobody leaves there says at boot what that is. */
async function lacks<Options extends object> (name: string, layer: FastifyPluginAsync<Options>, options: Options, slot: string): Promise<void> {
  const said = await boot(layer, options).then(() => 'it booted', (err: Error) => err.message)
  if (!said.includes(slot) || !said.includes(name)) throw new Error(`${name} without ${slot} should say so: ${said}`)
}

function signed (path: string, key = KEY): Record<string, string> {
  const t = Math.floor(Date.now() / 1000)
  return { 'x-fb-signature': `t=${t},v1=${createHmac('sha256', key).update(`${t}.GET.${path}.`).digest('hex')}` }
}

const bearer = (key: string): Record<string, string> => ({ authorization: `Bearer ${key}` })

await refuses('transport', await boot(transport, {}), '/thing', 'https_required')
const open = await boot(transport, { requireHttps: false })
await passes('transport', open, '/thing')
await refuses('transport', open, { method: 'OPTIONS', url: '/thing', headers: { origin: 'https://browser.example', 'access-control-request-method': 'GET' } }, 'browser_refused')
await stops('transport', transport, [[{ requireHttps: 'false' }, 'transport: the option requireHttps must be true or false'], [{ headersMax: 5000 }, 'headersMax must be a positive whole number of lines below 2000']])

const digest = createHash('sha256').update(KEY).digest()
const authenticated = await boot(authentication, { keys: { findByDigest: async (asked) => asked.equals(digest) ? CALLER : null } })
await passes('authentication', authenticated, { url: '/thing', headers: bearer(KEY) })
await refuses('authentication', authenticated, { url: '/thing', headers: bearer(`fb_live_${'0'.repeat(48)}`) }, 'invalid_api_key')
await stops('authentication', authentication, [[{}, 'authentication: the option keys must be a KeyStore: an object with findByDigest, and was not given'], [{ keys: { findByDigest: async () => null }, failuresPerSecondMax: 0 }, 'failuresPerSecondMax must be a positive whole number']])

const signing = await boot(signature, {}, { bearerKey: KEY })
await passes('signature', signing, { url: '/thing', headers: signed('/thing') })
await refuses('signature', signing, '/thing', 'signature_missing')
await refuses('signature', signing, { url: '/thing', headers: signed('/other') }, 'signature_invalid')
await lacks('signature', signature, {}, 'bearerKey')
await stops('signature', signature, [[{ required: 'no' }, 'signature: the option required must be true or false'], [{ bodyBytesMax: 0 }, 'bodyBytesMax must be a positive whole number of bytes']])

const listed = await boot(ipAllowlist, {}, { principal: CALLER })
await passes('ip-allowlist', listed, '/thing')
await refuses('ip-allowlist', listed, { url: '/thing', remoteAddress: '203.0.113.7' }, 'ip_not_allowed')
await lacks('ip-allowlist', ipAllowlist, {}, 'principal')
await stops('ip-allowlist', ipAllowlist, [])

const scoped = await boot(orgScope, { recordIdSecret: SECRET }, { principal: CALLER })
await passes('org-scope', scoped, `/thing/${mintRecordId('scn', 'acme', SECRET)}`)
await refuses('org-scope', scoped, `/thing/${mintRecordId('scn', 'other', SECRET)}`, 'organization_mismatch')
await lacks('org-scope', orgScope, { recordIdSecret: SECRET }, 'principal')
await stops('org-scope', orgScope, [[{}, 'org-scope: the option recordIdSecret must be a Buffer of at least 32 bytes, and was not given'], [{ recordIdSecret: SECRET, recordParams: { id: 1 } }, 'recordParams must be an object of path parameters']])

const permitted = await boot(permissionScopes, {}, { principal: CALLER })
await passes('permission-scopes', permitted, '/thing')
await refuses('permission-scopes', permitted, { method: 'POST', url: '/thing' }, 'insufficient_permission')
await lacks('permission-scopes', permissionScopes, {}, 'principal')
await stops('permission-scopes', permissionScopes, [])

const limited = await boot(rateLimits, { store: memoryAdmissionStore() }, { principal: CALLER })
await passes('rate-limits', limited, '/thing')
await refuses('rate-limits', limited, '/thing', 'rate_limited')
await lacks('rate-limits', rateLimits, { store: memoryAdmissionStore() }, 'principal')
await stops('rate-limits', rateLimits, [[{}, 'rate-limits: the option store must be an AdmissionStore: an object with admit and readWindow, and was not given'], [{ store: memoryAdmissionStore(), instances: 0 }, 'instances must be a positive whole number']])

// This one refuses nothing: it is told of what others refuse.
const raised: InstantAnomaly[] = []
const watched = await boot(anomalyDetection, { raise: async (anomaly) => { raised.push(anomaly) } }, { principal: CALLER })
await passes('anomaly-detection', watched, '/thing')
const foreign = fastify()
foreign.decorateRequest('principal', null).decorateRequest('refusal', null)
await foreign.register(anomalyDetection, { raise: async (anomaly) => { raised.push(anomaly) } })
foreign.get('/thing', async (request) => {
  request.principal = CALLER
  throw new ApiError('ip_not_allowed')
})
await refuses('anomaly-detection', foreign, '/thing', 'ip_not_allowed')
await new Promise(setImmediate)
if (raised.length !== 1 || raised[0]?.signal !== 'foreign_address' || raised[0].keyId !== 'key_1') throw new Error(`anomaly-detection alone raised ${JSON.stringify(raised)}`)
await lacks('anomaly-detection', anomalyDetection, { raise: async () => {} }, 'principal')
await stops('anomaly-detection', anomalyDetection, [[{}, 'anomaly-detection: the option raise must be a function, and was not given'], [{ raise: async () => {}, keys: {} }, 'keys must be a KeyStore']])

// This one refuses what it could not record.
const rows: AuditRow[] = []
let isAway = false
const audit = { record: async (row: AuditRow) => { if (isAway) throw new Error('away'); rows.push(row) } }
const marked = await boot(watermark, { secret: SECRET, audit }, { principal: CALLER })
const answer = await passes('watermark', marked, '/thing')
const mark = String(answer['x-fb-watermark'])
if (!verifyWatermark(mark, SECRET) || JSON.stringify(answer['meta']) !== JSON.stringify({ watermark: mark }) || rows[0]?.watermark !== mark) throw new Error(`watermark alone marked ${mark} and recorded ${JSON.stringify(rows)}`)
isAway = true
await refuses('watermark', marked, '/thing', 'unavailable')
await stops('watermark', watermark, [[{ audit }, 'watermark: the option secret must be a Buffer of at least 32 bytes, and was not given'], [{ secret: SECRET }, 'watermark: the option audit must be an AuditSink: an object with record, and was not given']])

let state = NOTHING_KILLED
const switched = await boot(killSwitch, { state: () => state })
await passes('kill-switch', switched, '/thing')
state = ALL_KILLED
await refuses('kill-switch', switched, '/thing', 'api_disabled')
await stops('kill-switch', killSwitch, [[{}, 'kill-switch: the option state must be a function, and was not given']])

// A service's own error handler is left alone, and gets refusals as errors that say what they are.
const own = fastify()
own.setErrorHandler<ApiError>(async (err, _request, reply) => await reply.code(err.statusCode).send({ mine: err.code }))
await own.register(killSwitch, { state: () => ALL_KILLED })
own.get('/thing', async () => ({}))
const mine = await own.inject('/thing')
if (mine.statusCode !== 503 || mine.body !== '{"mine":"api_disabled"}') throw new Error(`a service's own error handler was not asked: ${mine.body}`)

console.log(`${done.length} layers stand alone: each lets pass, refuses as published, and says at boot what is wrong or missing`)
