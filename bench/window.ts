/**
 * The rate-limit windows alone: `npm run bench:window`. What the script costs Redis, what a full key costs in memory, and whether any
 * decision differs from an exact log. Costs are printed; a decision that differs, or a full key over its bytes, is exit code 1.
 */
import { parseArgs } from 'node:util'
import { Redis } from 'ioredis'
import { NO_REDIS_SERVER, startPrivateRedis } from '../test/helper/private-redis.ts'
import { wholeNumber } from './arguments.ts'
import { writeSection } from './load/docs.ts'
import { aligned } from './load/report.ts'
import { seededRandom } from './seeded.ts'
import { judgeProcess, judgeScript, type Accuracy } from './window/accuracy.ts'
import { bytesPerFullKey, measureCosts, type Cost } from './window/cost.ts'

const HELP = `usage: npm run bench:window -- [options]

  --rounds N    interleaved rounds of the costs (default 9)
  --hours N     of each simulated pattern (default 24)
  --seed N      of the patterns and of the order (default 1)
  --json        the result as JSON
  --docs        puts the tables into docs/performance.md
  --help

Exit code: 0; 1 when anything was over-admitted or wrongly refused, or a full key takes more than 4,500 bytes.
`
export const BYTES_MAX = 4500
const SCRIPT_HOURS_SHARE = 4
const PREFIX = 'bench-window'

export interface WindowResult { readonly redis: string, readonly seed: number, readonly costs: Cost[], readonly bytes: Array<{ script: string, bytes: number }>, readonly accuracy: Accuracy[] }

const say = (line: string): void => { process.stderr.write(`${line}\n`) }

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '9' },
    hours: { type: 'string', default: '24' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
    docs: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false }
  }
})
if (values.help) process.stdout.write(HELP)
else process.exitCode = await run(wholeNumber('rounds', values.rounds), wholeNumber('hours', values.hours), wholeNumber('seed', values.seed))

async function run (rounds: number, hours: number, seed: number): Promise<number> {
  const server = await startPrivateRedis()
  if (server === null) throw new Error(`${NO_REDIS_SERVER}: its own count of microseconds is reset, so it must be one of our own`)
  const redis = new Redis(server.url)
  try {
    const costs = await measureCosts(redis, PREFIX, rounds, seededRandom(seed), say)
    const bytes = await bytesPerFullKey(redis, PREFIX)
    say('accuracy')
    const accuracy = [...judgeProcess(hours, seed), ...await judgeScript(redis, PREFIX, Math.ceil(hours / SCRIPT_HOURS_SHARE), seed)]
    const version = /^redis_version:(\S+)/m.exec(await redis.info('server'))?.[1] ?? 'unknown'
    const result: WindowResult = { redis: version, seed, costs, bytes, accuracy }
    process.stdout.write(values.json ? `${JSON.stringify(result, null, 2)}\n` : text(result))
    if (values.docs) writeSection('window', 'npm run bench:window', { redis: version }, text(result))
    return isKept(result) ? 0 : 1
  } finally {
    redis.disconnect()
    await server.close()
  }
}

function isKept ({ accuracy, bytes }: WindowResult): boolean {
  return accuracy.every(({ overAdmitted, wronglyRefused }) => overAdmitted === 0 && wronglyRefused === 0) && (bytes[0]?.bytes ?? Infinity) <= BYTES_MAX
}

function text ({ redis, seed, costs, bytes, accuracy }: WindowResult): string {
  return `Redis ${redis}, seed ${seed}; microseconds are Redis' own

${aligned([['', 'state', 'µs a call', 'of trivial'], ...costs.map(({ script, state, microsPerCall, timesTrivial }) => [script, state, microsPerCall.toFixed(1), `${timesTrivial.toFixed(1)}x`])])}

${aligned([['', 'bytes per full key'], ...bytes.map(({ script, bytes: size }) => [script, String(size)])])}

${aligned([['', 'in', 'requests', 'admitted', 'over-admitted', 'wrongly refused', 'worst 60 s', 'worst 3600 s'], ...accuracy.map((row) =>
  [row.pattern, row.where, ...[row.requests, row.admitted, row.overAdmitted, row.wronglyRefused, row.worstMinute, row.worstHour].map(String)])])}
`
}
