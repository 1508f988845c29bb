import t from 'tap'
import { localWindows } from '../../../plugins/lib/local-windows.ts'

const START_MS = 1_800_000_000_000

t.test('each of four instances serves a quarter of the limit and names the whole', async (t) => {
  const windows = localWindows({ instances: 4, now: () => START_MS })
  const verdicts = Array.from({ length: 16 }, () => windows.admit('k', 60, 1000, null, 0))
  t.equal(verdicts.filter((verdict) => verdict.outcome === 'admitted').length, 15)
  t.match(verdicts.at(-1), { outcome: 'refused', blocked: 'minute', retryAfterMs: 60_000, window: { limit: 60, remaining: 0, resetAtMs: START_MS + 60_000 } })
})

t.test('a share is never less than one request', async (t) => {
  const windows = localWindows({ instances: 100, now: () => START_MS })
  t.equal(windows.admit('k', 60, 1000, null, 0).outcome, 'admitted')
  t.equal(windows.admit('k', 60, 1000, null, 0).outcome, 'refused')
})

t.test('remembers admitted requests only, each for its own key', async (t) => {
  const windows = localWindows({ instances: 60, now: () => START_MS })
  t.equal(windows.admit('a', 60, 1000, 'sig', 300).outcome, 'admitted')
  t.equal(windows.admit('a', 60, 1000, 'sig', 300).outcome, 'replayed')
  t.equal(windows.admit('a', 60, 1000, 'other', 300).outcome, 'refused')
  t.equal(windows.admit('a', 60, 1000, 'other', 300).outcome, 'refused')
  t.equal(windows.admit('b', 60, 1000, 'sig', 300).outcome, 'admitted')
})

t.test('an hour of rest opens the windows again', async (t) => {
  let nowMs = START_MS
  const windows = localWindows({ instances: 1, now: () => nowMs })
  windows.admit('k', 1, 1, null, 0)
  t.match(windows.admit('k', 1, 1, null, 0), { outcome: 'refused', blocked: 'hour', retryAfterMs: 3_600_000 })
  nowMs += 3_600_000
  t.equal(windows.admit('k', 1, 1, null, 0).outcome, 'admitted')
})

t.test('refuses a number of instances that divides nothing', async (t) => {
  for (const instances of [0, -1, 1.5, Number.NaN]) t.throws(() => localWindows({ instances }), RangeError)
})
