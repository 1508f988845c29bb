/** The bars that the chain is held to, as ratios within one run at 64 connections. */
import type { Row } from './summary.ts'

export interface Goal { readonly measure: string, readonly must: number, readonly goal: number, read (rows: ReadonlyMap<string, Row>): number }
export interface Reached { measure: string, must: number, goal: number, measured: number, isMet: boolean }

function ratioOf (one: string, other: string, read: (row: Row) => number): Goal['read'] {
  return (rows) => {
    const [top, bottom] = [rows.get(one), rows.get(other)]
    return top === undefined || bottom === undefined ? Number.NaN : read(top) / read(bottom)
  }
}

const speed = (row: Row): number => row.ratio
/** Less processor time is better, so the ratio of two costs is turned round. */
const thrift = (row: Row): number => row.cpuRatio

export const GOALS: readonly Goal[] = [
  { measure: 'strict / bare Fastify, CPU', must: 0.40, goal: 0.55, read: ratioOf('chain-strict', 'bare', thrift) },
  { measure: 'strict / bare Fastify, requests', must: 0.40, goal: 0.55, read: ratioOf('chain-strict', 'bare', speed) },
  { measure: 'strict / (bare + 1 Redis round trip), CPU', must: 0.45, goal: 0.60, read: ratioOf('chain-strict', 'bare-redis', thrift) },
  { measure: 'strict / own without audit', must: 0.80, goal: 0.92, read: ratioOf('chain-strict', 'chain-off', speed) },
  { measure: 'strict / Fastify plugins (1 fixed window, no audit)', must: 0.85, goal: 1, read: ratioOf('chain-strict', 'fastify-plugins', speed) },
  { measure: 'strict / Express stack (no audit)', must: 2.5, goal: 4, read: ratioOf('chain-strict', 'express', speed) }
]

export function reached (rows: readonly Row[]): Reached[] {
  const byTarget = new Map(rows.map((row) => [row.target, row]))
  return GOALS.map(({ measure, must, goal, read }) => {
    const measured = read(byTarget)
    return { measure, must, goal, measured, isMet: measured >= must }
  }).filter(({ measured }) => !Number.isNaN(measured))
}
