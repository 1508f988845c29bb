/**
 * Fifty presentations of every token, all at once on two instances, while the instances are killed in turn. Each token may have one
 * winner. A winner whose answer was cut off by a kill is seen in the database, where its redemption is confirmed.
 */
import { Agent, request } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { rowsOf } from '../../db/rows.ts'
import { call, FLOW, newCaller, type Caller } from '../../test/helper/service.ts'
import { openFleet, type Fleet, type FleetMember } from '../fleet.ts'
import type { Figure, Proof, ProofOptions } from '../proof-definition.ts'
import { seededRandom } from '../seeded.ts'

const ATTEMPTS_PER_TOKEN = 50
const SUBMITTED_AT_ONCE = 8
const TOKENS_AT_ONCE = 3
const KILL_EVERY_MS = 10_000
const ATTEMPT_MS_MAX = 15_000
const OUTCOME_OF: Readonly<Record<number, keyof Outcomes>> = { 200: 'won', 410: 'used', 503: 'unavailable' }

const proof: Proof = {
  summary: 'a result token has one winner, whoever presents it and whatever is killed meanwhile',
  count: 100_000,
  unit: 'attempts',
  async run (options) {
    const fleet = await openFleet()
    try {
      return await race(fleet, options)
    } finally {
      await fleet.close()
    }
  }
}

export default proof

interface Outcomes { won: number, used: number, cut: number, unavailable: number, other: number }

async function race (fleet: Fleet, { count, seed, progress }: ProofOptions): Promise<Figure[]> {
  const random = seededRandom(seed)
  const wanted = Math.ceil(count / ATTEMPTS_PER_TOKEN)
  const tokens = await issue(fleet, wanted, (done) => progress(0, `(${done} of ${wanted} tokens issued)`))
  const finished = new AbortController()
  const killed = killInTurn(fleet, finished.signal)
  const outcomes: Outcomes[] = []
  let attempts = 0
  const queue = [...tokens]
  const agents = fleet.members.map(() => new Agent({ keepAlive: true, maxSockets: 200 }))
  const present = async (path: string): Promise<void> => {
    const tally: Outcomes = { won: 0, used: 0, cut: 0, unavailable: 0, other: 0 }
    await Promise.all(Array.from({ length: ATTEMPTS_PER_TOKEN }, async () => {
      const at = random() < 0.5 ? 0 : 1
      tally[await attempt(fleet.members[at], agents[at] ?? new Agent(), path)]++
      attempts++
    }))
    outcomes.push(tally)
    progress(attempts)
  }
  await Promise.all(Array.from({ length: TOKENS_AT_ONCE }, async () => {
    for (let token = queue.pop(); token !== undefined; token = queue.pop()) await present(token)
  }))
  finished.abort()
  const kills = await killed
  for (const agent of agents) agent.destroy()
  return await figures(fleet, tokens.length, outcomes, attempts, kills)
}

async function figures (fleet: Fleet, tokens: number, outcomes: readonly Outcomes[], attempts: number, kills: number): Promise<Figure[]> {
  const [row] = rowsOf(await fleet.operator.database.db.execute(sql`select count(*)::int as count from redemptions`))
  const redeemed = Number(row?.['count'])
  const seen = outcomes.filter(({ won }) => won === 1).length
  const doubles = outcomes.filter(({ won }) => won > 1).length
  const lost = outcomes.filter(({ won, cut }) => won === 0 && cut > 0).length
  const nobody = tokens - seen - doubles - lost
  const sum = (name: keyof Outcomes): number => outcomes.reduce((total, one) => total + one[name], 0)
  return [
    { what: 'tokens', value: tokens },
    { what: 'attempts', value: attempts },
    { what: 'kills', value: kills },
    { what: 'tokens with two winners', value: doubles, bar: '0', ok: doubles === 0 },
    { what: 'tokens with one winner', value: seen + lost, bar: `= ${tokens}`, ok: seen + lost === tokens },
    { what: 'of them, the winner was cut off by a kill', value: lost },
    { what: 'tokens spent on nobody', value: nobody, bar: '0', ok: nobody === 0 },
    { what: 'redemptions confirmed in the database', value: redeemed, bar: `<= ${tokens}`, ok: redeemed <= tokens && redeemed >= seen },
    { what: 'attempts refused as used', value: sum('used') },
    { what: 'attempts cut off', value: sum('cut') },
    { what: 'answers of 503', value: sum('unavailable') },
    { what: 'other answers', value: sum('other'), bar: '0', ok: sum('other') === 0 }
  ]
}

/** Paths of the results of complete evaluations, each with the token that its submitter was given. */
async function issue (fleet: Fleet, wanted: number, progress: (done: number) => void): Promise<string[]> {
  const caller = await newCaller(fleet.operator, { rpm: 100_000, rph: 100_000 })
  const tokens: string[] = []
  let next = 0
  await Promise.all(Array.from({ length: SUBMITTED_AT_ONCE }, async () => {
    while (next < wanted) {
      tokens.push(await submit(fleet.members[next % 2 === 0 ? 0 : 1], caller, next++))
      progress(tokens.length)
    }
  }))
  for (let open = wanted; open > 0; await wait(200)) {
    const [row] = rowsOf(await fleet.operator.database.db.execute(sql`select count(*)::int as count from evaluations where state <> 'complete'`))
    open = Number(row?.['count'])
    progress(tokens.length - open)
  }
  return tokens
}

async function submit ({ url }: FleetMember, caller: Caller, number: number): Promise<string> {
  const { status, body } = await call(url, caller, 'POST', '/evaluate', JSON.stringify({ blueprints: [{ id: `r${number}`, blueprint: FLOW }] }))
  if (status !== 200) throw new Error(`an evaluation was refused: ${JSON.stringify(body)}`)
  return `/api/public/v1/results/${body.data.result_token}`
}

async function attempt ({ host, port }: FleetMember, agent: Agent, path: string): Promise<keyof Outcomes> {
  return await new Promise((resolve) => {
    const sent = request({ host, port, path, agent, signal: AbortSignal.timeout(ATTEMPT_MS_MAX) }, (answer) => {
      answer.resume()
      answer.on('error', () => resolve('cut'))
      answer.on('end', () => resolve(answer.complete ? OUTCOME_OF[answer.statusCode ?? 0] ?? 'other' : 'cut'))
    })
    sent.on('error', () => resolve('cut'))
    sent.end()
  })
}

/** One instance after the other, so that one of them always serves. */
async function killInTurn ({ members }: Fleet, finished: AbortSignal): Promise<number> {
  let kills = 0
  while (!finished.aborted) {
    await wait(KILL_EVERY_MS, undefined, { signal: finished }).catch(() => {})
    if (finished.aborted) break
    const { instance } = members[kills % 2 === 0 ? 0 : 1]
    kills++
    await instance.kill9()
    await instance.start()
  }
  return kills
}
