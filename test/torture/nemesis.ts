import { setTimeout as wait } from 'node:timers/promises'
import { FAULTS, type Fault } from './faults.ts'
import type { History } from './history.ts'
import type { Facts } from './verdict.ts'
import type { World } from './world.ts'

const EVERY_MS = { least: 5000, most: 15_000 }
/** Between the end of a fault and the next one: time to see the service answer again. */
const REST_MS = 4000
const HOLD_MS = { least: 1000, most: 4000 }

export interface NemesisOptions {
  readonly world: World
  readonly history: History
  readonly random: () => number
  readonly untilMs: number
  /** Shortens the time between faults, so that a short run meets many. Default 1. */
  readonly pace: number
  readonly onFault: (name: string) => void
}

// One fault at a time, in an order that meets each kind once before any comes again.
export async function runNemesis (options: NemesisOptions): Promise<Facts['drains']> {
  const { world, history, random, untilMs, pace, onFault } = options
  const drains: Array<Facts['drains'][number]> = []
  let deck: Fault[] = []
  for (;;) {
    const nextMs = history.nowMs() + Math.max(EVERY_MS.least, (EVERY_MS.least + random() * (EVERY_MS.most - EVERY_MS.least)) * pace)
    if (nextMs + HOLD_MS.most + REST_MS > untilMs) return drains
    await wait(nextMs - history.nowMs())
    if (deck.length === 0) deck = shuffled(FAULTS, random)
    const fault = deck.pop()
    if (fault === undefined) return drains
    onFault(fault.name)
    const startedMs = history.nowMs()
    const holdMs = HOLD_MS.least + random() * (HOLD_MS.most - HOLD_MS.least)
    const done = await fault.run(world, { random, holdMs, ended: (process, end) => drains.push({ process, ...end }) })
    history.fault({ name: fault.name, startedMs, endedMs: history.nowMs(), cutOff: [], emptied: false, ...done })
  }
}

function shuffled<T> (items: readonly T[], random: () => number): T[] {
  const deck = [...items]
  for (let at = deck.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1))
    const held = deck[at]
    const swapped = deck[other]
    if (held === undefined || swapped === undefined) continue
    deck[at] = swapped
    deck[other] = held
  }
  return deck
}
