import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { OperationError, runOperation, type OperationName } from '../../evaluation/operator.ts'
import { belongsTo } from '../../plugins/lib/record-id.ts'
import { embeddedKillStore } from '../../db/queries/kill-switch.ts'
import { DEFAULT_THRESHOLDS } from '../../plugins/lib/anomaly/thresholds.ts'
import { mintWatermark } from '../../plugins/lib/watermark-id.ts'
import { memoryAdmissionStore } from '../../plugins/support/memory.ts'
import { openEmbedded } from '../helper/service.ts'

const EXAMPLES = fileURLToPath(new URL('../../../examples/make/', import.meta.url))
const recordIdSecret = Buffer.alloc(32, 1)
const watermarkSecret = Buffer.alloc(32, 2)

const { database, close } = await openEmbedded()
t.teardown(close)
const admission = memoryAdmissionStore()
const masterKeys = new Map([[1, Buffer.alloc(32, 3)]])
const kill = { history: embeddedKillStore(database), isEnabled: true, listEvents: async () => [] }
const deps = { database, admission, kill, recordIdSecret, watermarkSecret, masterKeys, thresholds: DEFAULT_THRESHOLDS, actor: 'test' }

const run = async (name: OperationName, args: object) => await runOperation(deps, name, args) as Record<string, never>
const kindOf = (kind: string) => ({ name: 'OperationError', kind })
const { id: org } = await run('org.create', { name: 'Acme' })
const good = { org, name: 'ci', permissions: ['governance:read'] }

t.test('a key is made with its limits, listed without its value', async (t) => {
  const made = await run('key.create', { ...good, rpm: 5, rph: 9, ip_allow: ['203.0.113.0/24'], expires: '2999-01-01T00:00:00Z' })
  t.match(made, { id: /^key_/, key: /^fb_live_/, expires_at: '2999-01-01T00:00:00.000Z' })
  const { keys } = await run('key.list', { org }) as unknown as { keys: object[] }
  t.match(keys, [{ id: made['id'], rpm: 5, rph: 9, ip_allow: ['203.0.113.0/24'], state: 'active' }])
  t.notMatch(JSON.stringify(keys), String(made['key']))
})

t.test('a bad argument is refused before anything is written', async (t) => {
  const before = (await run('key.list', { org }) as unknown as { keys: object[] }).keys.length
  for (const change of [{ permissions: [] }, { permissions: ['root'] }, { permissions: 'admin' }, { ip_allow: ['10.0.0.0/33'] }, { ip_allow: ['x'] }, { rpm: 0 }, { rph: 1.5 },
    { rpm: '60' }, { expires: '2000-01-01' }, { expires: 'tomorrow' }, { name: '' }, { name: 'a\u001b[31m' }]) {
    await t.rejects(run('key.create', { ...good, ...change }), kindOf('usage'), JSON.stringify(change))
  }
  await t.rejects(run('key.create', { ...good, org: 'org_none' }), kindOf('failed'))
  t.equal((await run('key.list', { org }) as unknown as { keys: object[] }).keys.length, before)
})

t.test('a revocation makes cached records stale, and may be repeated', async (t) => {
  const { id } = await run('key.create', good)
  const epoch = await admission.readEpoch(String(id))
  const first = await run('key.revoke', { key: id })
  t.match(first, { id, state: 'revoked', revoked_at: /Z$/ })
  t.not(await admission.readEpoch(String(id)), epoch)
  t.same(await run('key.revoke', { key: id }), first)
  await t.rejects(run('key.revoke', { key: 'key_none' }), kindOf('failed'))
})

t.test('a revocation that did not reach the instances says that it is committed', async (t) => {
  const { id } = await run('key.create', good)
  const broken = { ...deps, admission: { ...admission, bumpEpoch: async () => { throw new Error('away') } } }
  await t.rejects(runOperation(broken, 'key.revoke', { key: id }), { kind: 'unavailable', message: /committed.*at most \d+ s/ })
})

t.test('an import stores blueprints under ids of the organization and refuses the rest with a reason', async (t) => {
  const [name = ''] = readdirSync(EXAMPLES).filter((one) => one.endsWith('.json'))
  const files = [{ path: name, text: readFileSync(EXAMPLES + name, 'utf8') }, { path: 'bad.json', text: '{"a":1}' }]
  const { imported, refused } = await run('import', { org, files }) as unknown as { imported: { id: string, path: string, platform: string }[], refused: object[] }
  t.match(imported, [{ path: name, platform: 'make' }])
  t.ok(belongsTo(imported[0]?.id ?? '', 'scn', String(org), recordIdSecret))
  t.match(refused, [{ path: 'bad.json', reason: /./ }])
})

t.test('a forged watermark is recognised without a query, a genuine one without a row is told apart', async (t) => {
  await t.rejects(run('trace', { watermark: mintWatermark(Buffer.alloc(32, 9)) }), { message: 'not a watermark of this service' })
  await t.rejects(run('trace', { watermark: mintWatermark(watermarkSecret) }), { message: /no audit row/ })
  t.ok(new OperationError('usage', 'x') instanceof Error)
})
