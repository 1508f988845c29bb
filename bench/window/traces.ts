/** Seeded arrivals of one key, unix milliseconds, never falling: what the windows are judged on. */
import { HOUR_MS, MINUTE_MS } from '../../plugins/lib/sliding-window.ts'
import { seededRandom } from '../seeded.ts'

export interface Pattern {
  readonly name: string
  /** Arrivals over `hours`, from `startMs` on. */
  readonly arrivals: (startMs: number, hours: number, seed: number) => number[]
}

const SECOND_MS = 1000
const GREEDY_STEP_MS = 200
const BURST_RATE_PER_SECOND = 4
const PHASE_MEAN_MS = 90 * SECOND_MS
/** Requests that the attacker fires around each edge: a minute's limit before it and a minute's limit after it. */
const EDGE_VOLLEY = 60
const EDGE_MS = 100

export const PATTERNS: readonly Pattern[] = [
  { name: 'Poisson, 0.25 a second', arrivals: poisson(0.25) },
  { name: 'Poisson, 0.9 a second', arrivals: poisson(0.9) },
  { name: 'bursts and rests', arrivals: onOff },
  { name: 'greedy, 5 a second', arrivals: greedy },
  { name: 'attack on the edges of clock minutes', arrivals: edges(MINUTE_MS) },
  { name: 'attack on the edges of clock hours', arrivals: edges(HOUR_MS) }
]

/** Time to the next arrival of a Poisson process. */
function exponential (random: () => number, meanMs: number): number {
  return -Math.log(1 - random()) * meanMs
}

function poisson (perSecond: number): Pattern['arrivals'] {
  return (startMs, hours, seed) => {
    const random = seededRandom(seed)
    const times: number[] = []
    for (let at = startMs; ;) {
      at += exponential(random, SECOND_MS / perSecond)
      if (at >= startMs + hours * HOUR_MS) return times
      times.push(Math.floor(at))
    }
  }
}

function onOff (startMs: number, hours: number, seed: number): number[] {
  const random = seededRandom(seed)
  const times: number[] = []
  for (let at = startMs; at < startMs + hours * HOUR_MS;) {
    const untilMs = at + exponential(random, PHASE_MEAN_MS)
    while (true) {
      at += exponential(random, SECOND_MS / BURST_RATE_PER_SECOND)
      if (at >= untilMs) break
      times.push(Math.floor(at))
    }
    at += exponential(random, PHASE_MEAN_MS)
  }
  return times
}

function greedy (startMs: number, hours: number): number[] {
  return Array.from({ length: hours * HOUR_MS / GREEDY_STEP_MS }, (_, n) => startMs + n * GREEDY_STEP_MS)
}

/** Volleys just before and just after each edge; an hour's edge gets as many as an hour's limit, a minute's worth a minute, on either side. */
function edges (periodMs: number): Pattern['arrivals'] {
  return (startMs, hours) => {
    const volleys = periodMs === HOUR_MS ? 17 : 1
    const times: number[] = []
    for (let edge = Math.ceil(startMs / periodMs) * periodMs + periodMs; edge <= startMs + hours * HOUR_MS; edge += periodMs) {
      for (let volley = volleys; volley >= 1; volley--) times.push(...fired(edge - EDGE_MS - (volley - 1) * MINUTE_MS))
      for (let volley = 0; volley < volleys; volley++) times.push(...fired(edge + EDGE_MS + volley * MINUTE_MS))
    }
    return times.sort((a, b) => a - b)
  }
}

function fired (atMs: number): number[] {
  return Array.from({ length: EDGE_VOLLEY }, () => atMs)
}
