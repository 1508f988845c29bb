import fastify from 'fastify'
import t from 'tap'
import { CASES } from '../../../bin/conformance/cases/index.ts'
import { DEFAULT_PATHS, readSettings } from '../../../bin/conformance/inputs.ts'
import { Lab } from '../../../bin/conformance/lab.ts'
import { runCases } from '../../../bin/conformance/run.ts'
import { ApiError } from '../../../errors.ts'
import { guard, type GuardOptions, type LayerName } from '../../../plugins/index.ts'
import { ALL_KILLED, NOTHING_KILLED } from '../../../plugins/kill-switch.ts'
import { digestOf, generateApiKey } from '../../../plugins/lib/api-key.ts'
import { mintRecordId } from '../../../plugins/lib/record-id.ts'
import jsonBody from '../../../plugins/support/json-body.ts'
import { memoryAdmissionStore } from '../../../plugins/support/memory.ts'
import { collectingSink, record, SECRET } from '../../helper/bare.ts'

const LAYERS: LayerName[] = ['transport', 'authentication', 'signature', 'ip-allowlist', 'org-scope', 'permission-scopes', 'rate-limits', 'watermark', 'kill-switch']
const NAMES = ['main', 'more', 'read', 'limited', 'elsewhere', 'foreign', 'revoked'] as const
const BODY = { type: 'object', properties: { a: { type: 'string' }, org_id: { type: 'string' } }, additionalProperties: false } as const

const keys = Object.fromEntries(NAMES.map((name) => [name, generateApiKey().key])) as Record<typeof NAMES[number], string>
const records = new Map(NAMES.map((name) => [digestOf(keys[name]).toString('hex'), record({
  keyId: name,
  // What a weakened service admits would otherwise use up a window, and the run would wait for it.
  perMinute: name === 'limited' ? 60 : 900,
  orgId: name === 'foreign' ? 'org_2' : 'org_1',
  permissions: name === 'read' ? ['governance:read'] : ['governance:read', 'governance:evaluate'],
  ipAllowlist: name === 'elsewhere' ? ['203.0.113.0/24'] : [],
  state: name === 'revoked' ? 'revoked' : 'active'
})]))

async function serve (weaken: (options: GuardOptions) => GuardOptions, isKilled = false): Promise<string> {
  const app = fastify({ exposeHeadRoutes: false })
  const store = memoryAdmissionStore()
  await app.register(jsonBody)
  await guard(app, weaken({
    transport: { requireHttps: false },
    authentication: { keys: { findByDigest: async (digest) => records.get(digest.toString('hex')) ?? null } },
    signature: {},
    ipAllowlist: {},
    orgScope: { recordIdSecret: SECRET },
    permissionScopes: {},
    rateLimits: { store },
    watermark: { secret: SECRET, audit: collectingSink() },
    killSwitch: { state: () => isKilled ? ALL_KILLED : NOTHING_KILLED }
  }))
  const answer = async (): Promise<object> => ({ ok: true, data: {} })
  app.get('/v1/open', { config: { access: 'open' } }, answer)
  app.get('/v1/thing', { config: { access: 'key', scope: 'governance:read' } }, answer)
  app.get('/v1/thing/:id', { config: { access: 'key', scope: 'governance:read' } }, answer)
  app.post('/v1/thing', { config: { access: 'key', scope: 'governance:evaluate' }, schema: { body: BODY } }, answer)
  app.setNotFoundHandler(async () => { throw new ApiError('not_found') })
  t.teardown(() => app.close())
  return await app.listen({ host: '127.0.0.1', port: 0 })
}

/** Ids of the cases that fail, each with the layers that it needs. */
async function failuresOf (weaken: (options: GuardOptions) => GuardOptions): Promise<Array<{ id: string, parts: readonly string[], seen: string }>> {
  const settings = readSettings({
    ...DEFAULT_PATHS,
    profile: 'published',
    target: await serve(weaken),
    killedTarget: await serve(weaken, true),
    layers: [...LAYERS, 'json-body'].join(','),
    path: '/v1/thing',
    postPath: '/v1/thing',
    postBody: '{"a":"b"}',
    openPath: '/v1/open',
    prefix: '/v1',
    recordPath: 'none'
  }, {
    FB_CONFORMANCE_KEY: keys.main,
    FB_CONFORMANCE_KEYS: keys.more,
    FB_CONFORMANCE_READ_KEY: keys.read,
    FB_CONFORMANCE_LIMITED_KEY: keys.limited,
    FB_CONFORMANCE_ELSEWHERE_KEY: keys.elsewhere,
    FB_CONFORMANCE_FOREIGN_KEY: keys.foreign,
    FB_CONFORMANCE_REVOKED_KEY: keys.revoked,
    FB_CONFORMANCE_FOREIGN_PATH: `/v1/thing/${mintRecordId('scn', 'org_2', SECRET)}`
  })
  // Ten megabytes say nothing here that the other cases of that layer do not.
  const findings = await runCases(new Lab(settings), { cases: CASES.filter(({ id }) => id !== 'SIG-071') })
  return findings.filter(({ verdict }) => verdict === 'FAIL').map(({ id, parts, seen }) => ({ id, parts, seen }))
}

const without = (name: keyof GuardOptions) => ({ [name]: _, ...rest }: GuardOptions): GuardOptions => rest

t.test('a bare Fastify with the layers passes', async (t) => {
  t.same(await failuresOf((options) => options), [])
})

const WEAKENED: ReadonlyArray<[string, LayerName, (options: GuardOptions) => GuardOptions, readonly string[]]> = [
  ['without transport', 'transport', without('transport'), ['BRW-001', 'BRW-010', 'TRP-001', 'TRP-004', 'TRP-030', 'FRM-001']],
  ['with any key of the right shape let in', 'authentication', ({ authentication: _, ...rest }) => ({ ...rest, authentication: { keys: { findByDigest: async (digest) => ({ ...record(), ...records.get(digest.toString('hex')), state: 'active' }) } } }), ['AUT-030', 'AUT-031', 'AUT-032']],
  ['without signatures', 'signature', without('signature'), ['SIG-001', 'SIG-023', 'SIG-040', 'SIG-046', 'SIG-050', 'SIG-080', 'SIG-085']],
  ['with unsigned requests let in', 'signature', (options) => ({ ...options, signature: { required: false } }), ['SIG-001', 'SIG-033']],
  ['without address lists', 'ip-allowlist', without('ipAllowlist'), ['IPA-001', 'IPA-002', 'IPA-010']],
  ['without organizations', 'org-scope', without('orgScope'), ['ORG-001', 'ORG-010', 'ORG-011', 'ORG-016']],
  ['without permissions', 'permission-scopes', without('permissionScopes'), ['PER-001', 'PER-003']],
  ['without limits', 'rate-limits', without('rateLimits'), ['RTL-001', 'RTL-010', 'SIG-080', 'SIG-085']],
  ['without watermarks', 'watermark', without('watermark'), ['WMK-001', 'WMK-002', 'WMK-007', 'WMK-020', 'WMK-022', 'WMK-023']],
  ['without the kill switch', 'kill-switch', without('killSwitch'), ['KIL-001', 'KIL-003', 'KIL-005', 'KIL-006']]
]

for (const [how, layer, weaken, expected] of WEAKENED) {
  t.test(`${how}, what fails is what that layer answers for, and nothing else`, async (t) => {
    const failed = await failuresOf(weaken)
    const ids = failed.map(({ id }) => id)
    t.comment(ids.join(' '))
    t.same(expected.filter((id) => !ids.includes(id)), [], 'these fail')
    t.same(failed.filter(({ parts }) => !parts.includes(layer)), [], 'of other layers nothing fails')
  })
}
