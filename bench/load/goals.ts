/** The bars that the chain is held to: ratios within one run at 64 connections, what a lone client waits, and what is counted. */
import type { Row } from './summary.ts'

/** What one run measured: rows of each scenario by target, and the windows by themselves. */
export interface Measured {
  readonly scenarios: ReadonlyMap<string, ReadonlyMap<string, Row>>
  readonly bytesPerFullKey: number
  readonly overAdmitted: number
}

/** `isAtMost`: a figure that is better when it is smaller. */
export interface Goal { readonly measure: string, readonly must: number, readonly goal: number, readonly isAtMost?: boolean, read (measured: Measured): number }
export interface Reached { measure: string, must: number, goal: number, measured: number, isMet: boolean, isGoal: boolean }

const BUSY = 'GET/64/1'
const LONE = 'GET/4/1'
/** Requests that are under way when a slot ends are counted by Redis and not by the loader. */
const COUNTING_SLACK = 0.02

function figure (scenario: string, target: string, read: (row: Row) => number): Goal['read'] {
  return ({ scenarios }) => {
    const row = scenarios.get(scenario)?.get(target)
    return row === undefined || row.void !== null || row.skipped !== null ? Number.NaN : read(row)
  }
}

function ratioOf (one: string, other: string, read: (row: Row) => number): Goal['read'] {
  return (measured) => figure(BUSY, one, read)(measured) / figure(BUSY, other, read)(measured)
}

function added (one: string, other: string, read: (row: Row) => number): Goal['read'] {
  return (measured) => figure(LONE, one, read)(measured) - figure(LONE, other, read)(measured)
}

const speed = (row: Row): number => row.ratio
/** Less processor time is better, so the ratio of two costs is turned round. */
const thrift = (row: Row): number => row.cpuRatio
const exactTrips = (row: Row): number => Math.abs(row.roundTrips - 1) <= COUNTING_SLACK ? 1 : row.roundTrips

export const GOALS: readonly Goal[] = [
  { measure: 'strict / bare Fastify, CPU', must: 0.40, goal: 0.55, read: ratioOf('chain-strict', 'bare', thrift) },
  { measure: 'strict / bare Fastify, requests', must: 0.40, goal: 0.55, read: ratioOf('chain-strict', 'bare', speed) },
  { measure: 'strict / (bare + 1 Redis round trip), CPU', must: 0.45, goal: 0.60, read: ratioOf('chain-strict', 'bare-redis', thrift) },
  { measure: 'strict / own without audit', must: 0.80, goal: 0.92, read: ratioOf('chain-strict', 'chain-off', speed) },
  { measure: 'strict / Fastify plugins (1 fixed window, no audit)', must: 0.85, goal: 1, read: ratioOf('chain-strict', 'fastify-plugins', speed) },
  { measure: 'strict / Express stack (no audit)', must: 2.5, goal: 4, read: ratioOf('chain-strict', 'express', speed) },
  { measure: 'strict / nginx + Lua (no audit, no upstream)', must: 0.7, goal: 0.9, read: ratioOf('chain-strict', 'nginx-lua', speed) },
  { measure: 'p50 added to bare at 4 connections, ms', must: 2.5, goal: 1, isAtMost: true, read: added('chain-strict', 'bare', ({ p50Ms }) => p50Ms) },
  { measure: 'Redis round trips a request', must: 1, goal: 1, isAtMost: true, read: figure(BUSY, 'chain-strict', exactTrips) },
  { measure: 'Redis bytes per full key', must: 4500, goal: 4200, isAtMost: true, read: ({ bytesPerFullKey }) => bytesPerFullKey },
  { measure: 'over-admitted, of every simulated pattern', must: 0, goal: 0, isAtMost: true, read: ({ overAdmitted }) => overAdmitted }
]

/** Each bar that was measured; a row that is void or skipped measures nothing. */
export function reached (measured: Measured): Reached[] {
  return GOALS.map(({ measure, must, goal, isAtMost = false, read }) => {
    const value = read(measured)
    const keeps = (bar: number): boolean => isAtMost ? value <= bar : value >= bar
    return { measure, must, goal, measured: value, isMet: keeps(must), isGoal: keeps(goal) }
  }).filter(({ measured: value }) => !Number.isNaN(value))
}
