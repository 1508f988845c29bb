/** The ring against an exact log of what it admitted, on one seeded trace of bursts and rests: no decision may differ. */
import { HOUR_MS, MINUTE_MS, SlidingWindow } from '../../plugins/lib/sliding-window.ts'
import type { Figure, Proof, ProofOptions } from '../proof-definition.ts'
import { seededRandom } from '../seeded.ts'

const LIMITS = { perMinute: 60, perHour: 1000 }
const START_MS = Date.UTC(2026, 0, 1)
const BURST_SHARE = 0.9
const REST_MS_MAX = 60_000

const proof: Proof = {
  summary: 'the sliding window decides like an exact log',
  count: 1_000_000,
  unit: 'requests',
  run: async ({ count, seed, progress }) => compare(count, seed, progress)
}

export default proof

function compare (count: number, seed: number, progress: ProofOptions['progress']): Figure[] {
  const random = seededRandom(seed)
  const window = new SlidingWindow(LIMITS)
  /** Times admitted in the last hour, oldest first. */
  let log: number[] = []
  let nowMs = START_MS
  let refused = 0
  let differences = 0
  let fullest = 0
  for (let n = 0; n < count; n++) {
    nowMs += random() < BURST_SHARE ? Math.floor(random() * 400) : Math.floor(random() * REST_MS_MAX)
    log = log.filter((at) => nowMs - at < HOUR_MS)
    const inMinute = log.filter((at) => nowMs - at < MINUTE_MS).length
    const fits = inMinute < LIMITS.perMinute && log.length < LIMITS.perHour
    const isAdmitted = window.admit(nowMs).outcome === 'admitted'
    if (isAdmitted !== fits) differences++
    if (isAdmitted) {
      log.push(nowMs)
      fullest = Math.max(fullest, inMinute + 1)
    } else {
      refused++
    }
    progress(n)
  }
  return [
    { what: 'decisions that differ', value: differences, bar: '0', ok: differences === 0 },
    { what: 'most admitted in any 60 s', value: fullest, bar: `<= ${LIMITS.perMinute}`, ok: fullest <= LIMITS.perMinute },
    { what: 'refused', value: refused }
  ]
}
