/** From the slots of one scenario to one row a target: ratios to the baseline of the same round, and what each request cost where. */
import type { Counters } from './counters.ts'
import type { Slot } from './loader.ts'
import { median, quantile } from './statistics.ts'
import { BASELINE, type Target } from './targets.ts'

export interface Sample { target: string, round: number, slot: Slot, before: Counters, after: Counters }

export interface Row {
  target: string
  title: string
  leavesOut: string
  /** Why the figures mean nothing; null when they do. */
  void: string | null
  /** Why it was not measured at all; null when it was. */
  skipped: string | null
  requests: number
  requestsPerSecond: number
  /** Requests per second against the baseline's in the same round: median, and the quartiles. */
  ratio: number
  ratioLow: number
  ratioHigh: number
  /** The baseline's processor time a request against this one's, each of its middle slot. */
  cpuRatio: number
  serverMicros: number
  redisMicros: number
  postgresMicros: number
  p50Ms: number
  p99Ms: number
  roundTrips: number
  rowsPerCommit: number | null
  auditRows: number | null
}

export function summarise (samples: readonly Sample[], targets: readonly Target[], unfit: ReadonlyMap<string, string>): Row[] {
  const baseCpu = cpuMicros(samples.filter((sample) => sample.target === BASELINE))
  return targets.map((target) => {
    const own = samples.filter((sample) => sample.target === target.name)
    const ratios = own.map((sample) => speed(sample) / baselineSpeed(samples, sample.round))
    const requests = sum(own, ({ slot }) => slot.requests)
    const per = (read: (counters: Counters) => number): number => sum(own, ({ before, after }) => read(after) - read(before)) / requests
    const calls = (counters: Counters): number => target.redisCommands.reduce((total, name) => total + (counters.commands[name] ?? 0), 0)
    const commits = per(({ commits }) => commits)
    return {
      target: target.name,
      title: target.title,
      leavesOut: target.leavesOut,
      void: unfit.get(target.name) ?? voidReason(own),
      skipped: target.whyMissing?.() ?? null,
      requests,
      requestsPerSecond: median(own.map(speed)),
      ratio: median(ratios),
      ratioLow: quantile(ratios, 0.25),
      ratioHigh: quantile(ratios, 0.75),
      cpuRatio: baseCpu / cpuMicros(own),
      serverMicros: cpuMicros(own),
      redisMicros: per(({ redisMicros }) => redisMicros),
      postgresMicros: per(({ postgresMicros }) => postgresMicros),
      p50Ms: median(own.map(({ slot }) => slot.p50Ms)),
      p99Ms: median(own.map(({ slot }) => slot.p99Ms)),
      roundTrips: per(calls),
      rowsPerCommit: target.isAudited ? per(({ auditRows }) => auditRows) / commits : null,
      auditRows: target.isAudited ? sum(own, ({ before, after }) => after.auditRows - before.auditRows) : null
    }
  })
}

function voidReason (samples: readonly Sample[]): string | null {
  const failed = sum(samples, ({ slot }) => slot.failed)
  if (samples.length === 0) return 'not measured'
  return failed === 0 ? null : `${failed} answers were no 2xx`
}

function speed ({ slot }: Sample): number {
  return slot.requests / slot.seconds
}

function baselineSpeed (samples: readonly Sample[], round: number): number {
  const base = samples.find((sample) => sample.target === BASELINE && sample.round === round)
  return base === undefined ? Number.NaN : speed(base)
}

/** Of the middle slot: one in which a neighbour had the processor says nothing of the server. */
function cpuMicros (samples: readonly Sample[]): number {
  return median(samples.map(({ before, after, slot }) => (after.serverMicros - before.serverMicros) / slot.requests))
}

function sum<T> (values: readonly T[], read: (value: T) => number): number {
  return values.reduce((total, value) => total + read(value), 0)
}
