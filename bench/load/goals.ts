/** The bars that the chain is held to: ratios within one run at 64 connections, what a lone client waits, and what is counted. */
import type { Row } from './summary.ts'

/** What one run measured: rows of each scenario by target, and the windows by themselves. */
export interface Measured {
  readonly scenarios: ReadonlyMap<string, ReadonlyMap<string, Row>>
  readonly bytesPerFullKey: number
  readonly overAdmitted: number
}

/** `isAtMost`: a figure that is better when it is smaller. `beside`: requests per second, of which the bars are not, told beside the processor time, of which they are. */
export interface Goal { readonly measure: string, readonly must: number, readonly goal: number, readonly isAtMost?: boolean, readonly read: Figure, readonly beside?: Figure }
export interface Reached { measure: string, must: number, goal: number, measured: number, beside: number | null, isMet: boolean, isGoal: boolean }
export type Figure = (measured: Measured) => number

const BUSY = 'GET/64/1'
const LONE = 'GET/4/1'
/** Requests that are under way when a slot ends are counted by Redis and not by the loader. */
const COUNTING_SLACK = 0.02

function figure (scenario: string, target: string, read: (row: Row) => number): Figure {
  return ({ scenarios }) => {
    const row = scenarios.get(scenario)?.get(target)
    return row === undefined || row.void !== null || row.skipped !== null ? Number.NaN : read(row)
  }
}

function ratioOf (one: string, other: string, read: (row: Row) => number): Figure {
  return (measured) => figure(BUSY, one, read)(measured) / figure(BUSY, other, read)(measured)
}

function added (one: string, other: string, read: (row: Row) => number): Figure {
  return (measured) => figure(LONE, one, read)(measured) - figure(LONE, other, read)(measured)
}

const speed = (row: Row): number => row.ratio
/** Less processor time is better, so the ratio of two costs is turned round. */
const thrift = (row: Row): number => row.cpuRatio
const exactTrips = (row: Row): number => Math.abs(row.roundTrips - 1) <= COUNTING_SLACK ? 1 : row.roundTrips

/** The bars are of processor time, which is steadier than requests per second where load, server and stores share the processors. */
function share (measure: string, other: string, must: number, goal: number): Goal {
  return { measure, must, goal, read: ratioOf('chain-strict', other, thrift), beside: ratioOf('chain-strict', other, speed) }
}

export const GOALS: readonly Goal[] = [
  share('strict / bare Fastify', 'bare', 0.40, 0.55),
  share('strict / (bare + 1 Redis round trip)', 'bare-redis', 0.45, 0.60),
  share('strict / own without audit', 'chain-off', 0.80, 0.92),
  share('strict / Fastify plugins (1 fixed window, no audit)', 'fastify-plugins', 0.85, 1),
  share('strict / Express stack (no audit)', 'express', 2.5, 4),
  share('strict / nginx + Lua (no audit, no upstream)', 'nginx-lua', 0.7, 0.9),
  { measure: 'p50 added to bare at 4 connections, ms', must: 2.5, goal: 1, isAtMost: true, read: added('chain-strict', 'bare', ({ p50Ms }) => p50Ms) },
  { measure: 'Redis round trips a request', must: 1, goal: 1, isAtMost: true, read: figure(BUSY, 'chain-strict', exactTrips) },
  { measure: 'Redis bytes per full key', must: 4500, goal: 4200, isAtMost: true, read: ({ bytesPerFullKey }) => bytesPerFullKey },
  { measure: 'over-admitted, of every simulated pattern', must: 0, goal: 0, isAtMost: true, read: ({ overAdmitted }) => overAdmitted }
]

/** Each bar that was measured; a row that is void or skipped measures nothing. */
export function reached (measured: Measured): Reached[] {
  return GOALS.map(({ measure, must, goal, isAtMost = false, read, beside }) => {
    const value = read(measured)
    const keeps = (bar: number): boolean => isAtMost ? value <= bar : value >= bar
    return { measure, must, goal, measured: value, beside: beside?.(measured) ?? null, isMet: keeps(must), isGoal: keeps(goal) }
  }).filter(({ measured: value }) => !Number.isNaN(value))
}
