import t, { type Test } from 'tap'
import { drillKillSwitch, liftKillSwitch, showKillSwitch, throwKillSwitch, type KillDeps } from '../../evaluation/operator-kill.ts'
import { insertKey } from '../../db/queries/keys.ts'
import { createOrganization } from '../../db/queries/organizations.ts'
import { startKillKeeper, type KillKeeper } from '../../plugins/support/kill-keeper.ts'
import { fakeKillStore, killEvent, type FakeKillStore } from '../helper/kill-store.ts'
import { openEmbedded } from '../helper/service.ts'

const { database, close } = await openEmbedded()
t.teardown(close)
await createOrganization(database.db, { id: 'org_a', name: 'A' })
for (const number of [1, 2]) {
  await insertKey(database.db, 'org_a', {
    id: `key_${number}`, name: 'k', prefix: 'fb_live_000' + (number === 1 ? '1' : '2'), digest: Buffer.alloc(32, number), permissions: ['governance:read'], ipAllowlist: [], perMinute: 60, perHour: 1000, expiresAt: null, createdBy: 'test'
  })
}
const away = { db: { select () { throw new Error('away') } } } as unknown as KillDeps['database']
const kindOf = (kind: string, message?: RegExp) => ({ name: 'OperationError', kind, ...(message === undefined ? {} : { message }) })

interface Scene { deps: KillDeps, history: FakeKillStore, fast: FakeKillStore, keepers: KillKeeper[] }

// Two instances over two stores; they look every 20 ms.
async function scene (t: Test, options: { isEnabled?: boolean, instances?: number } = {}): Promise<Scene> {
  const history = fakeKillStore('history', { isComplete: true })
  const fast = fakeKillStore('fast', { isComplete: true })
  const logger = { warn () {}, info () {} }
  const keepers = ['one', 'two'].slice(0, options.instances ?? 2).map((id) => startKillKeeper({ history, fast, instance: { id, boot: id, role: 'server', isEnabled: options.isEnabled ?? true }, logger, pollMs: 20 }))
  t.teardown(async () => { for (const keeper of keepers) await keeper.stop() })
  for (const keeper of keepers) await keeper.refresh()
  return { deps: { database, actor: 'fb:test', kill: { history, fast, isEnabled: true, listEvents: async (limit) => [...history.kept.values()].slice(0, limit) } }, history, fast, keepers }
}

t.test('a switch is thrown on both stores, arrives on every instance, and is lifted', async (t) => {
  const { deps, history, fast, keepers } = await scene(t)
  const thrown = await throwKillSwitch(deps, { reason: 'incident', org: 'org_a' }) as any
  t.match(thrown, { switch: { target: 'org:org_a', kind: 'on', reason: 'incident', actor: 'fb:test', until: null }, verified: true, stores: { history: 'written', fast: 'written' }, in_effect: true, instances: [{ id: 'one', ms: Number }, { id: 'two', ms: Number }] })
  for (const keeper of keepers) t.equal(keeper.state().orgs.get('org_a'), 'everything')
  const lifted = await liftKillSwitch(deps, { org: 'org_a' })
  t.match(lifted, { lifted: [{ target: 'org:org_a' }], in_effect: true, disabled_by_environment: [] })
  for (const keeper of keepers) t.equal(keeper.state().orgs.size, 0)
  for (const store of [history, fast]) t.match(store.kept.get('org:org_a'), { kind: 'off', reason: 'lifted', actor: 'fb:test' })
})

t.test('throwing again for the same target replaces its terms', async (t) => {
  const { deps, keepers } = await scene(t, { instances: 1 })
  await throwKillSwitch(deps, { reason: 'a', writes_only: true })
  t.equal(keepers[0]?.state().everything, 'writes')
  const again = await throwKillSwitch(deps, { reason: 'b', for: '30m' }) as any
  t.equal(Date.parse(again.switch.until) - Date.parse(again.switch.at), 1_800_000)
  t.match(await showKillSwitch(deps, {}), { on: [{ target: 'all', reason: 'b', writes_only: false }] })
})

t.test('it works while one store is away: the change is said to be in the other, and waits for the history', async (t) => {
  const { deps, history, fast, keepers } = await scene(t)
  history.isAway = true
  const thrown = await throwKillSwitch({ ...deps, database: away }, { reason: 'incident', org: 'org_a' })
  t.match(thrown, { verified: false, stores: { history: 'away', fast: 'written' }, in_effect: true })
  t.equal(fast.deferred.size, 1)
  t.match(await showKillSwitch(deps, {}), { on: [{ target: 'org:org_a' }], history: null, stores: { history: 'away', fast: 'answers' } })
  history.isAway = false
  for (const keeper of keepers) await keeper.refresh()
  for (const keeper of keepers) await keeper.refresh()
  t.match(history.kept.get('org:org_a'), { reason: 'incident' })
  t.equal(fast.deferred.size, 0)
})

t.test('with no store it fails as unavailable and says what is left to do', async (t) => {
  const { deps, history, fast } = await scene(t, { instances: 0 })
  history.isAway = true
  fast.isAway = true
  for (const work of [throwKillSwitch, liftKillSwitch, showKillSwitch, drillKillSwitch]) await t.rejects(work({ ...deps, database: away }, { reason: 'r' }), kindOf('unavailable', /PUBLIC_API_ENABLED=false/))
})

t.test('a change is newer than everything that is known, also when the clock stands before it', async (t) => {
  const { deps, history } = await scene(t, { instances: 0 })
  history.kept.set('all', killEvent({ version: 9_000_000 }))
  await liftKillSwitch(deps, {})
  t.match(history.kept.get('all'), { kind: 'off', version: 9_000_001 })
})

t.test('bad arguments are refused and nothing is written', async (t) => {
  const { deps, history } = await scene(t, { instances: 0 })
  for (const change of [{ reason: undefined }, { reason: ' ' }, { reason: 'a\u001b[2J' }, { for: '30' }, { for: '0m' }, { for: '-1m' }, { for: '1.5h' }, { for: '31d' }, { for: 30 }, { for: '1w' }, { org: '' }, { org: 'org a' }, { org: 'org_a', key: 'key_1' }, { writes_only: 'yes' }]) {
    await t.rejects(throwKillSwitch(deps, { reason: 'r', ...change }), kindOf('usage'), JSON.stringify(change))
  }
  await t.rejects(throwKillSwitch(deps, { reason: 'r', org: 'org_none' }), kindOf('failed', /no organization/))
  await t.rejects(throwKillSwitch(deps, { reason: 'r', key: 'key_none' }), kindOf('failed', /no key/))
  await t.rejects(throwKillSwitch({ ...deps, database: away }, { reason: 'r', key: 'fb_live_0001' }), kindOf('usage', /by its id only/))
  await t.rejects(liftKillSwitch(deps, { org: 'org_a', all: true }), kindOf('usage'))
  await t.rejects(showKillSwitch(deps, { history: 0 }), kindOf('usage'))
  t.equal(history.written.size, 0)
})

t.test('a key is named by its id or its prefix, to throw and to lift', async (t) => {
  const { deps, keepers } = await scene(t, { instances: 1 })
  await throwKillSwitch(deps, { reason: 'r', key: 'fb_live_0001' })
  await throwKillSwitch(deps, { reason: 'r', key: 'key_2' })
  t.same([...keepers[0]?.state().keys ?? []].sort(), [['key_1', 'everything'], ['key_2', 'everything']])
  await liftKillSwitch(deps, { key: 'fb_live_0001' })
  await t.rejects(liftKillSwitch(deps, { key: 'key_1' }), kindOf('failed', /Thrown: key:key_2/))
  await t.rejects(liftKillSwitch(deps, {}), kindOf('failed', /nothing is thrown for everything/))
  t.match(await liftKillSwitch(deps, { all: true }), { lifted: [{ target: 'key:key_2' }] })
  await t.rejects(liftKillSwitch(deps, { all: true }), kindOf('failed', /at all/))
})

t.test('lifting says where the environment keeps everything refused', async (t) => {
  const { deps } = await scene(t, { isEnabled: false, instances: 1 })
  await throwKillSwitch(deps, { reason: 'r' })
  t.match(await liftKillSwitch({ ...deps, kill: { ...deps.kill, isEnabled: false } }, {}), { disabled_by_environment: ['one', 'the environment of this command'] })
  t.match(await showKillSwitch(deps, {}), { instances: [{ id: 'one', environment_enabled: false, up_to_date: true, running: true }] })
})

t.test('a drill times every instance, is lifted again and is recorded; with nobody running there is nothing to drill', async (t) => {
  const { deps, history, keepers } = await scene(t)
  const result = await drillKillSwitch(deps) as any
  t.match(result, { passed: true, bar_ms: 2000, instances: [{ id: 'one', on_ms: Number, off_ms: Number }, { id: 'two', on_ms: Number, off_ms: Number }] })
  t.ok(history.written.has(result.recorded))
  t.match(history.kept.get('org:org_drill'), { kind: 'off' })
  for (const keeper of keepers) t.equal(keeper.state().orgs.size, 0)
  for (const keeper of keepers) await keeper.stop()
  await t.rejects(drillKillSwitch(deps), kindOf('failed', /no running instance/))
})
