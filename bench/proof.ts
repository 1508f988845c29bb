/**
 * Proves the promises by count, at full size: `npm run proof` lists the proofs, `npm run proof -- NAME [--count N] [--seed S] [--json]` runs
 * one. Each file in `bench/proof/` is one proof, named for what it proves. Exit code 0 when every figure met its bar, 1 when one did
 * not, 2 for a usage error, 3 when what it needs is not on this machine. `TEST_DATABASE_URL` and `TEST_REDIS_URL` as in the tests.
 */
import { randomInt } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { NotHereError, type Figure, type Proof } from './proof-definition.ts'

const EXIT = { missed: 1, usage: 2, notHere: 3 } as const
const PROGRESS_MS = 1000
const FOLDER = new URL('./proof/', import.meta.url)

const names = readdirSync(FOLDER).filter((file) => file.endsWith('.js')).map((file) => file.slice(0, -'.js'.length)).sort()
process.exitCode = await main(process.argv.slice(2))

async function main (args: string[]): Promise<number> {
  const request = readArguments(args)
  if (typeof request === 'string') {
    process.stderr.write(`${request}\n`)
    return EXIT.usage
  }
  const { name, help, json } = request
  if (help || name === undefined) {
    process.stdout.write(await usage())
    return name === undefined && !help ? EXIT.usage : 0
  }
  if (!names.includes(name)) {
    process.stderr.write(`There is no proof named ${name}. There are: ${names.join(', ')}\n`)
    return EXIT.usage
  }
  const proof = await load(name)
  return await run(name, proof, request.count ?? proof.count, request.seed ?? randomInt(2 ** 31), json)
}

interface Request { name: string | undefined, count: number | undefined, seed: number | undefined, json: boolean, help: boolean }

/** What was asked for, or the sentence that says what is wrong with it. */
function readArguments (args: string[]): Request | string {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { count: { type: 'string' }, seed: { type: 'string' }, json: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h', default: false } }
    })
    if (positionals.length > 1) return 'Name one proof at a time.'
    for (const [name, value] of Object.entries({ count: values.count, seed: values.seed })) {
      if (value !== undefined && !/^\d{1,9}$/.test(value)) return `--${name} takes a whole number.`
    }
    if (values.count !== undefined && Number(values.count) === 0) return '--count takes at least 1.'
    const numberOf = (text: string | undefined): number | undefined => text === undefined ? undefined : Number(text)
    return { name: positionals[0], count: numberOf(values.count), seed: numberOf(values.seed), json: values.json, help: values.help }
  } catch (err) {
    return err instanceof Error ? err.message : 'unreadable arguments'
  }
}

async function load (name: string): Promise<Proof> {
  const module = await import(new URL(`${name}.js`, FOLDER).href) as { default: Proof }
  return module.default
}

async function usage (): Promise<string> {
  const lines = await Promise.all(names.map(async (name) => {
    const { summary, count, unit } = await load(name)
    return `  ${name.padEnd(18)} ${summary} (default ${count.toLocaleString('en-US')} ${unit})`
  }))
  return ['usage: npm run proof -- NAME [--count N] [--seed S] [--json]', '', ...lines, ''].join('\n')
}

async function run (name: string, proof: Proof, count: number, seed: number, json: boolean): Promise<number> {
  const startedMs = performance.now()
  let spokenMs = startedMs
  const progress = (done: number, note = ''): void => {
    if (performance.now() - spokenMs < PROGRESS_MS) return
    spokenMs = performance.now()
    process.stderr.write(`${name}: ${done} of ${count} ${proof.unit}, ${Math.round((spokenMs - startedMs) / 1000)} s ${note}\n`)
  }
  try {
    const figures = await proof.run({ count, seed, progress })
    const seconds = Math.round((performance.now() - startedMs) / 100) / 10
    process.stdout.write(json ? `${JSON.stringify({ name, count, seed, seconds, figures })}\n` : report(name, figures, count, seed, seconds, proof.unit))
    return figures.every((figure) => figure.ok !== false) ? 0 : EXIT.missed
  } catch (err) {
    if (!(err instanceof NotHereError)) throw err
    process.stderr.write(`${name} cannot run here: ${err.message}\n`)
    return EXIT.notHere
  }
}

function report (name: string, figures: readonly Figure[], count: number, seed: number, seconds: number, unit: string): string {
  const width = Math.max(...figures.map(({ what }) => what.length))
  const lines = figures.map(({ what, value, bar, ok }) => {
    const verdict = ok === undefined ? '' : ok ? 'ok' : 'MISSED'
    return `  ${what.padEnd(width)}  ${String(value).padStart(12)}  ${(bar ?? '').padEnd(16)} ${verdict}`.trimEnd()
  })
  return [`${name}: ${count} ${unit}, seed ${seed}, ${seconds} s`, ...lines, ''].join('\n')
}
