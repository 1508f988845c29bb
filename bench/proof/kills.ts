/** SIGKILL to a running service under load: what a client was told is there afterwards. */
import { real } from '../../test/helper/service.ts'
import { killService, type KillOutcome } from '../kill-cycles.ts'
import { NotHereError, type Figure, type Proof } from '../proof-definition.ts'

const proof: Proof = {
  summary: 'kill -9 of the service loses no accepted evaluation and no audit row',
  count: 100,
  unit: 'kills',
  async run ({ count, progress }) {
    const stores = await real()
    if (stores === null) throw new NotHereError('no PostgreSQL and Redis answered (TEST_DATABASE_URL, TEST_REDIS_URL)')
    try {
      return killFigures(await killService(stores, count, progress))
    } finally {
      await stores.drop()
    }
  }
}

export default proof

export function killFigures (outcome: KillOutcome): Figure[] {
  const { accepted, stored, complete, marks, rows, others, recoveriesMs, answers, cut } = outcome
  const sorted = [...recoveriesMs].sort((a, b) => a - b)
  return [
    { what: 'accepted evaluations lost', value: accepted - stored, bar: '0', ok: stored === accepted },
    { what: 'accepted evaluations not judged', value: accepted - complete, bar: '0', ok: complete === accepted },
    { what: 'watermarks without a row', value: marks - rows, bar: '0', ok: rows === marks },
    { what: 'answers but 200 and 503', value: others.length === 0 ? 0 : others.join(), bar: '0', ok: others.length === 0 },
    { what: 'evaluations accepted', value: accepted },
    { what: 'watermarks seen', value: marks },
    { what: 'answers', value: answers },
    { what: 'requests cut off', value: cut },
    { what: 'accepting again, median ms', value: Math.round(sorted[Math.floor(sorted.length / 2)] ?? 0) },
    { what: 'accepting again, slowest ms', value: Math.round(sorted.at(-1) ?? 0) }
  ]
}
