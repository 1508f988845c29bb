import fc from 'fast-check'
import t from 'tap'
import { fingerprintOf, nextExpiryMs, parseKillEvent, stateAt, takeEvents, thrownAt, versionOf, type KillEvent } from '../../../plugins/lib/kill-state.ts'
import { killEvent } from '../../helper/kill-store.ts'

const event = fc.record({
  id: fc.integer({ min: 1, max: 30 }).map((number) => `kev_${number}`),
  target: fc.constantFrom('all', 'org:org_a', 'org:org_b', 'key:key_a'),
  version: fc.integer({ min: 1, max: 12 }),
  kind: fc.constantFrom('on' as const, 'off' as const, 'drill' as const),
  writesOnly: fc.boolean(),
  reason: fc.constant('r'),
  actor: fc.constant('a'),
  atMs: fc.constant(1),
  untilMs: fc.constant(null),
  detail: fc.constant(null)
})

const after = (events: readonly KillEvent[]): Map<string, KillEvent> => {
  const known = new Map<string, KillEvent>()
  takeEvents(known, events)
  return known
}

t.test('everybody who has seen the same events holds the same state, in whatever order and however often they came', async (t) => {
  const histories = fc.uniqueArray(event, { maxLength: 12, selector: ({ id }) => id })
    .chain((events) => fc.tuple(fc.constant(events), fc.shuffledSubarray(events, { minLength: events.length })))
  fc.assert(fc.property(histories, ([events, shuffled]) => {
    const here = after(events)
    const there = after([...shuffled, ...events])
    return fingerprintOf(here) === fingerprintOf(there) && [...here].every(([target, one]) => there.get(target)?.id === one.id)
  }))
})

t.test('the newest event of a target counts; of two with one version the one that refuses more', async (t) => {
  const off = killEvent({ version: 7, kind: 'off' })
  const on = killEvent({ version: 7 })
  const writes = killEvent({ version: 7, writesOnly: true })
  for (const events of [[off, on, writes], [on, writes, off], [writes, off, on]]) t.equal(after(events).get('all'), on)
  t.equal(stateAt(after([on, killEvent({ version: 8, kind: 'off' })]), 0, true).everything, null)
  t.equal(after([on, killEvent({ version: 9, kind: 'drill' })]).get('all'), on, 'a drill changes no state')
})

t.test('a switch for a time is thrown until that time and not a millisecond longer', async (t) => {
  const known = after([killEvent({ untilMs: 500 }), killEvent({ target: 'org:org_a', untilMs: 900 }), killEvent({ target: 'key:key_a' })])
  t.equal(stateAt(known, 499, true).everything, 'everything')
  t.equal(stateAt(known, 500, true).everything, null)
  t.same([nextExpiryMs(known, 0), nextExpiryMs(known, 500), nextExpiryMs(known, 900)], [500, 900, Number.POSITIVE_INFINITY])
  t.same(thrownAt(known, 1000).map(({ target }) => target), ['key:key_a'])
  t.same(stateAt(known, 0, false), { isKnown: false, everything: 'everything', orgs: new Map([['org_a', 'everything']]), keys: new Map([['key_a', 'everything']]) })
})

t.test('fingerprints differ when an older event of one target is missing, which the version does not show', async (t) => {
  const first = killEvent({ target: 'org:org_a', version: 5 })
  const second = killEvent({ target: 'org:org_b', version: 6 })
  t.equal(versionOf(after([second])), versionOf(after([first, second])))
  t.not(fingerprintOf(after([second])), fingerprintOf(after([first, second])))
  t.equal(versionOf(after([])), 0)
})

t.test('an event that is not understood is refused, never taken for a switch that is off', async (t) => {
  const good = killEvent()
  t.same(parseKillEvent(JSON.parse(JSON.stringify(good))), good)
  for (const change of [{ id: 1 }, { target: 'everything' }, { target: 'org:' }, { version: '1' }, { version: 1.5 }, { kind: 'maybe' }, { writesOnly: 'no' }, { reason: null }, { actor: null }, { atMs: null }, { untilMs: 'never' }, { detail: 'x' }]) {
    t.throws(() => parseKillEvent({ ...good, ...change }), { message: /not understood/ }, JSON.stringify(change))
  }
  for (const value of [null, 'on', 1]) t.throws(() => parseKillEvent(value), { message: /must be an object/ })
})
