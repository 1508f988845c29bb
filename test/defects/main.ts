/**
 * `npm run defects [-- --only NAME] [--from K] [--take N] [--all]`: plants one defect after the other in a copy of the sources, compiles it and
 * runs the tests that must notice; with `--all` also every other test, until one does. Prints a table. Exit code 0 when every defect was noticed
 * by an assertion, 1 when one survived, did not compile, or its tests fail without it, 2 for a usage error. A test that is skipped on this
 * machine proves nothing, and is said to.
 */
import { readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { real } from '../helper/service.ts'
import type { Defect } from './defect.ts'
import { DEFECTS } from './list.ts'
import { runTest, type Stores, type TestOutcome } from './run.ts'
import { openScratch, type Scratch } from './scratch.ts'

const ROOT = resolve(fileURLToPath(new URL('../../..', import.meta.url)))
const EXIT = { survived: 1, usage: 2 } as const

/** `noticed` by the test that is named; anything but it and `skipped` is a survivor. */
interface Result { readonly defect: Defect, readonly outcome: 'noticed' | 'SURVIVED' | 'BROKEN' | 'skipped', readonly by: string, readonly seconds: number }

process.exitCode = await main()

async function main (): Promise<number> {
  const request = readArguments(process.argv.slice(2))
  if (typeof request === 'string') {
    process.stderr.write(`${request}\nusage: npm run defects [-- --only NAME] [--from K] [--take N] [--all]\n`)
    return EXIT.usage
  }
  const { chosen, all } = request
  const servers = await real()
  await servers?.drop()
  const scratch = openScratch(ROOT)
  process.once('SIGINT', () => {
    scratch.close()
    process.exit(130)
  })
  try {
    /** How tests end without any defect. */
    const sound = new Map<string, TestOutcome>()
    const results: Result[] = []
    for (const defect of chosen) {
      const result = await judge({ scratch, sound, all, hasServers: servers !== null }, defect)
      results.push(result)
      process.stderr.write(`${String(DEFECTS.indexOf(defect) + 1).padStart(3)}/${DEFECTS.length}  ${result.outcome.padEnd(8)}  ${defect.name}  (${result.by}, ${result.seconds} s)\n`)
    }
    process.stdout.write(table(results))
    return results.some(({ outcome }) => outcome === 'SURVIVED' || outcome === 'BROKEN') ? EXIT.survived : 0
  } finally {
    scratch.close()
  }
}

function readArguments (args: string[]): { chosen: readonly Defect[], all: boolean } | string {
  try {
    const { values } = parseArgs({ args, options: { only: { type: 'string' }, from: { type: 'string' }, take: { type: 'string' }, all: { type: 'boolean', default: false } } })
    for (const [name, value] of Object.entries({ from: values.from, take: values.take })) {
      if (value !== undefined && !/^[1-9]\d{0,3}$/.test(value)) return `--${name} takes a whole number from 1.`
    }
    const from = Number(values.from ?? 1) - 1
    const chosen = values.only === undefined ? DEFECTS.slice(from, from + Number(values.take ?? DEFECTS.length)) : DEFECTS.filter(({ name }) => name === values.only)
    if (chosen.length === 0) return values.only === undefined ? `There are ${DEFECTS.length} defects.` : `There is no defect named ${values.only}. There are: ${DEFECTS.map(({ name }) => name).join(', ')}`
    return { chosen, all: values.all }
  } catch (err) {
    return err instanceof Error ? err.message : 'unreadable arguments'
  }
}

interface Course {
  readonly scratch: Scratch
  readonly sound: Map<string, TestOutcome>
  readonly all: boolean
  /** Whether the tests find PostgreSQL and Redis here. */
  readonly hasServers: boolean
}

async function judge ({ scratch, sound, all, hasServers }: Course, defect: Defect): Promise<Result> {
  const startedMs = performance.now()
  const ended = (outcome: Result['outcome'], by: string): Result => ({ defect, outcome, by, seconds: Math.round((performance.now() - startedMs) / 100) / 10 })
  let isSkipped = false
  for (const stores of ['embedded', 'servers'] as const) {
    isSkipped = false
    for (const test of all && stores === 'servers' ? [...defect.tests, ...otherTests(scratch, defect)] : defect.tests) {
      const { kind, detail } = await withDefect(scratch, defect, test, stores)
      if (kind === 'broken') return ended('BROKEN', `${test} does not run: ${detail}`)
      isSkipped ||= kind === 'skipped'
      if (kind !== 'failed') continue
      // A test that fails anyway notices nothing.
      const without = sound.get(`${test} ${stores}`) ?? await runTest(scratch.folder, test, stores)
      sound.set(`${test} ${stores}`, without)
      return without.kind === 'failed' || without.kind === 'broken' ? ended('BROKEN', `${test} fails without it: ${without.detail}`) : ended('noticed', test)
    }
    // Servers would add nothing.
    if (!isSkipped && !all) break
  }
  return isSkipped && !hasServers ? ended('skipped', `${defect.tests.join(', ')} did not run here as a whole: no PostgreSQL and Redis answered`) : ended('SURVIVED', defect.tests.join(', '))
}

async function withDefect (scratch: Scratch, defect: Defect, test: string, stores: Stores): Promise<TestOutcome> {
  try {
    scratch.plant(defect)
    return await runTest(scratch.folder, test, stores)
  } catch (err) {
    return { kind: 'broken', detail: err instanceof Error ? err.message : 'error' }
  } finally {
    scratch.restore(defect)
  }
}

function otherTests ({ folder }: Scratch, { tests }: Defect): string[] {
  return readdirSync(join(folder, 'test'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.ts'))
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .filter((test) => !tests.includes(test) && !test.startsWith('test/defects/'))
    .sort()
}

function table (results: readonly Result[]): string {
  const width = Math.max(...results.map(({ defect }) => defect.name.length))
  const lines = results.map(({ defect, outcome, by }) => `${outcome.padEnd(8)}  ${defect.name.padEnd(width)}  ${defect.breaks}\n${' '.repeat(10)}${defect.file}; ${by}`)
  const count = (outcome: Result['outcome']): number => results.filter((one) => one.outcome === outcome).length
  return `${lines.join('\n')}\n\n${results.length} defects: ${count('noticed')} noticed, ${count('SURVIVED')} survived, ${count('BROKEN')} broken, ${count('skipped')} not judged here\n`
}
