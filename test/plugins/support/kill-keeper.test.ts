import t, { type Test } from 'tap'
import { startKillKeeper, type KillKeeper } from '../../../plugins/support/kill-keeper.ts'
import { fakeKillStore, killEvent, type FakeKillStore } from '../../helper/kill-store.ts'

// Polling is driven by hand: the period is longer than any test, and refresh looks at every store.
const POLL_MS = 600_000

interface Scene { keeper: KillKeeper, history: FakeKillStore, fast: FakeKillStore, logged: string[], clock: { ms: number } }

async function scene (t: Test, change: (stores: { history: FakeKillStore, fast: FakeKillStore }) => void = () => {}): Promise<Scene> {
  const history = fakeKillStore('history', { isComplete: true, clockMs: 5_000_000 })
  const fast = fakeKillStore('fast', { isComplete: false, clockMs: 5_000_000 })
  const logged: string[] = []
  const clock = { ms: 100 }
  change({ history, fast })
  const log = (_fields: object, message: string): void => { logged.push(message) }
  const keeper = startKillKeeper({ history, fast, instance: { id: 'one', boot: 'b', role: 'server', isEnabled: true }, logger: { warn: log, info: log }, pollMs: POLL_MS, now: () => clock.ms })
  t.teardown(() => keeper.stop())
  await keeper.refresh().catch(() => {})
  return { keeper, history, fast, logged, clock }
}

t.test('the state is unknown until a store has said everything, and a store that may have lost events cannot say it is off', async (t) => {
  const { keeper, history, fast } = await scene(t, ({ history }) => { history.isAway = true })
  t.equal(keeper.state().isKnown, false)
  fast.kept.set('all', killEvent())
  await keeper.refresh()
  t.match(keeper.state(), { isKnown: false, everything: 'everything' }, 'what it does say counts')
  history.isAway = false
  await keeper.refresh()
  t.match(keeper.state(), { isKnown: true, everything: 'everything' })
  t.equal(fast.isComplete, true, 'from now on it can say it')
})

t.test('a second store that has everything is enough to start from while the history is away', async (t) => {
  const { keeper } = await scene(t, ({ history, fast }) => {
    history.isAway = true
    fast.isComplete = true
  })
  t.match(keeper.state(), { isKnown: true, everything: null })
})

for (const isThrown of [true, false]) {
  t.test(`with both stores away the last known state stays: ${isThrown ? 'on' : 'off'}`, async (t) => {
    const { keeper, history, fast, logged } = await scene(t, ({ history }) => { if (isThrown) history.kept.set('all', killEvent()) })
    history.isAway = true
    fast.isAway = true
    await t.rejects(keeper.refresh(), { message: /no store/ })
    t.match(keeper.state(), { isKnown: true, everything: isThrown ? 'everything' : null })
    t.notOk(logged.some((line) => line.includes('again')))
  })
}

t.test('the newer of what two stores say counts, target by target, and each is given what it lacks', async (t) => {
  const { keeper, history, fast } = await scene(t, ({ history, fast }) => {
    history.kept.set('all', killEvent({ version: 5 }))
    history.kept.set('org:org_a', killEvent({ target: 'org:org_a', version: 9, kind: 'off' }))
    fast.kept.set('all', killEvent({ version: 8, kind: 'off' }))
    fast.kept.set('org:org_a', killEvent({ target: 'org:org_a', version: 7 }))
    fast.kept.set('key:key_a', killEvent({ target: 'key:key_a', version: 3 }))
  })
  await keeper.refresh()
  t.same(keeper.state(), { isKnown: true, everything: null, orgs: new Map(), keys: new Map([['key_a', 'everything']]) })
  for (const store of [history, fast]) t.same([...store.kept.values()].map(({ target, version }) => `${target} ${version}`).sort(), ['all 8', 'key:key_a 3', 'org:org_a 9'], store.name)
})

t.test('a second store that was restarted empty takes nothing back and is filled again', async (t) => {
  const { keeper, fast } = await scene(t, ({ history }) => { history.kept.set('all', killEvent()) })
  fast.kept.clear()
  fast.isComplete = false
  await keeper.refresh()
  t.equal(keeper.state().everything, 'everything')
  t.equal(fast.kept.size, 1)
  t.equal(fast.isComplete, true)
})

t.test('events that waited for the history are written to it once it is back, and wait no longer', async (t) => {
  const waiting = killEvent()
  const { keeper, history, fast } = await scene(t, ({ fast }) => fast.deferred.set(waiting.id, waiting))
  history.isAway = true
  await keeper.refresh()
  t.equal(fast.deferred.size, 1)
  history.isAway = false
  await keeper.refresh()
  await keeper.refresh()
  t.ok(history.written.has(waiting.id))
  t.equal(fast.deferred.size, 0)
})

t.test('a switch for a time lifts itself by the history\'s clock, with both stores away and the wall clock of no account', async (t) => {
  const { keeper, history, fast, clock } = await scene(t, ({ history, fast }) => {
    history.kept.set('all', killEvent({ untilMs: 5_030_000 }))
    fast.clockMs = 9_000_000
  })
  history.isAway = true
  fast.isAway = true
  clock.ms += 29_999
  t.equal(keeper.state().everything, 'everything')
  clock.ms += 1
  t.equal(keeper.state().everything, null)
})

t.test('an instance says what state it holds, and takes leave when it stops', async (t) => {
  const { keeper, history, fast } = await scene(t, ({ history }) => { history.kept.set('all', killEvent({ version: 77 })) })
  for (const store of [history, fast]) t.match(store.heard.get('b'), { id: 'one', role: 'server', isEnabled: true, isKnown: true, version: 77, fingerprint: /^[0-9a-f]{16}$/ })
  await keeper.stop()
  for (const store of [history, fast]) t.equal(store.heard.size, 0)
})

t.test('an event that was made in this process counts at once, whatever the stores do, and is reported', async (t) => {
  const { keeper, history, fast } = await scene(t)
  history.isAway = true
  keeper.take(killEvent({ target: 'org:org_a', version: 99 }))
  t.equal(keeper.state().orgs.get('org_a'), 'everything')
  t.equal(fast.heard.get('b')?.version, 99)
  history.isAway = false
  await keeper.refresh()
  t.match(history.kept.get('org:org_a'), { version: 99 }, 'a store that lacks it is given it')
})

t.test('losing and regaining a store is logged once each', async (t) => {
  const history = fakeKillStore('history', { isComplete: true })
  const logged: string[] = []
  const until = async (reads: () => boolean): Promise<void> => { while (!reads()) await new Promise((resolve) => setTimeout(resolve, 2)) }
  const keeper = startKillKeeper({ history, instance: { id: 'one', boot: 'b', role: 'worker', isEnabled: true }, logger: { warn: (_fields, message) => logged.push(message), info: (_fields, message) => logged.push(message) }, pollMs: 2 })
  t.teardown(() => keeper.stop())
  await until(() => history.reads > 2)
  history.isAway = true
  await until(() => logged.length > 0)
  history.isAway = false
  const seen = history.reads
  await until(() => history.reads > seen + 2)
  t.match(logged, [/last known state stays/, /again/])
  t.equal(logged.length, 2)
  t.throws(() => startKillKeeper({ history, instance: { id: 'one', boot: 'b', role: 'worker', isEnabled: true }, logger: { warn () {}, info () {} }, pollMs: 0 }), { message: /pollMs/ })
})
