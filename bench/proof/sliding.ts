/**
 * Keys at the default limits under a random trace on two instances: bursts, rests, and bursts that straddle a minute. What is counted
 * is certain: only requests that were sent and answered inside a span of 60 s, as a client saw them.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { call, newCaller, type Caller } from '../../test/helper/service.ts'
import { openFleet, type Fleet } from '../fleet.ts'
import type { Figure, Proof, ProofOptions } from '../proof-definition.ts'
import { seededRandom } from '../seeded.ts'

const LIMIT = 60
const SPAN_MS = 60_000
const KEYS = 6
const BURST_MAX = 40
const REST_MS_MAX = 9000
/** The client's clock and the store's may run apart by this much in a minute. */
const CLOCK_MS = 5

const proof: Proof = {
  summary: `no true 60 s of a random trace over two instances holds more than ${LIMIT} admissions of a key`,
  count: 600,
  unit: 'seconds',
  async run (options) {
    const fleet = await openFleet()
    try {
      return await trace(fleet, options)
    } finally {
      await fleet.close()
    }
  }
}

export default proof

interface Admission { readonly sentMs: number, readonly answeredMs: number }
interface Tally { requests: number, refused: number, others: number, readonly admissions: Admission[] }

async function trace (fleet: Fleet, { count, seed, progress }: ProofOptions): Promise<Figure[]> {
  const random = seededRandom(seed)
  const startedMs = performance.now()
  const untilMs = startedMs + count * 1000
  const callers = await Promise.all(Array.from({ length: KEYS }, () => newCaller(fleet.operator)))
  const ticker = setInterval(() => progress(Math.round((performance.now() - startedMs) / 1000)), 5000)
  const tallies = await Promise.all(callers.map((caller) => drive(fleet, caller, random, untilMs)))
  clearInterval(ticker)
  const most = Math.max(...tallies.map(({ admissions }) => mostInside(admissions)))
  const sum = (pick: (tally: Tally) => number): number => tallies.reduce((total, tally) => total + pick(tally), 0)
  return [
    { what: 'most admitted in any 60 s of a key', value: most, bar: `<= ${LIMIT}`, ok: most <= LIMIT },
    { what: 'keys', value: KEYS },
    { what: 'requests', value: sum(({ requests }) => requests) },
    { what: 'admitted', value: sum(({ admissions }) => admissions.length) },
    { what: 'refused', value: sum(({ refused }) => refused) },
    { what: 'answers that are neither 200 nor 429', value: sum(({ others }) => others), bar: '0', ok: sum(({ others }) => others) === 0 }
  ]
}

async function drive ({ members }: Fleet, caller: Caller, random: () => number, untilMs: number): Promise<Tally> {
  const tally: Tally = { requests: 0, refused: 0, others: 0, admissions: [] }
  const once = async (): Promise<void> => {
    const sentMs = performance.now()
    const { status } = await call(members[random() < 0.5 ? 0 : 1].url, caller, 'GET', '/scenarios')
    tally.requests++
    if (status === 200) tally.admissions.push({ sentMs, answeredMs: performance.now() })
    else if (status === 429) tally.refused++
    else tally.others++
  }
  while (performance.now() < untilMs) {
    const burst = 1 + Math.floor(random() ** 2 * BURST_MAX)
    await Promise.all(Array.from({ length: burst }, once))
    await wait(random() ** 3 * REST_MS_MAX)
  }
  return tally
}

/** A span that holds the most begins where a request was sent. */
function mostInside (admissions: readonly Admission[]): number {
  const counts = admissions.map(({ sentMs: fromMs }) => admissions.filter(({ sentMs, answeredMs }) => sentMs >= fromMs && answeredMs <= fromMs + SPAN_MS - CLOCK_MS).length)
  return Math.max(0, ...counts)
}
