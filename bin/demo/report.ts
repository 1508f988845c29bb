/** What a person sees of the demonstration: numbered steps with what was tried, expected and met, a progress line, a results table. */
import { table } from '../fb/output.ts'

const GAPS_SHOWN = 2
const NAME_CHARS = 44
const isTerminal = process.stdout.isTTY && (process.env['NO_COLOR'] ?? '') === ''

export interface Row {
  name: string
  score: number | null
  severities: Record<string, number>
  gaps: string[]
  error: string | null
}

export interface Expectation { expected: string, met: boolean, got: string }

export class Report {
  #number = 0
  #failed: string[] = []

  get failed (): readonly string[] { return this.#failed }
  get steps (): number { return this.#number }

  /** Runs one step and prints its outcome; a step that throws has failed. */
  async step (title: string, run: () => Promise<Expectation>): Promise<boolean> {
    const number = ++this.#number
    print(`\n${paint(1, `${String(number).padStart(2)}. ${title}`)}`)
    const { expected, met, got } = await run().catch((err: unknown) => ({ expected: 'an answer', met: false, got: messageOf(err) }))
    clearProgress()
    print(`    expected  ${expected}\n    got       ${got}  ${met ? paint(32, '✓') : paint(31, '✗')}`)
    if (!met) this.#failed.push(`${number}. ${title}`)
    return met
  }
}

export function print (text: string): void {
  process.stdout.write(`${text}\n`)
}

let lastProgress = ''
let lastProgressMs = 0

/** One line that is written over on a terminal; elsewhere a plain line, at most one a second. */
export function showProgress (text: string): void {
  if (text === lastProgress) return
  lastProgress = text
  if (process.stdout.isTTY) {
    process.stdout.write(`\r    ${text}\x1b[K`)
  } else if (Date.now() - lastProgressMs >= 1000) {
    lastProgressMs = Date.now()
    print(`    … ${text}`)
  }
}

function clearProgress (): void {
  if (lastProgress !== '' && process.stdout.isTTY) process.stdout.write('\r\x1b[K')
  lastProgress = ''
}

/** The verdicts, worst score first. */
export function resultsTable (rows: readonly Row[]): string {
  const sorted = [...rows].sort((a, b) => (a.score ?? -1) - (b.score ?? -1) || (a.name < b.name ? -1 : 1))
  return table(['scenario', 'score', 'C', 'H', 'M', 'L', 'I', 'gaps'], sorted.map((row) => [
    row.name.length > NAME_CHARS ? `${row.name.slice(0, NAME_CHARS - 1)}…` : row.name,
    row.score === null ? '-' : String(row.score),
    ...['critical', 'high', 'medium', 'low', 'info'].map((severity) => String(row.severities[severity] ?? 0).replace(/^0$/, '·')),
    row.error ?? describeGaps(row.gaps)
  ]))
}

export function paint (code: number, text: string): string {
  return isTerminal ? `\x1b[${code}m${text}\x1b[0m` : text
}

function describeGaps (gaps: readonly string[]): string {
  const more = gaps.length - GAPS_SHOWN
  return gaps.slice(0, GAPS_SHOWN).join(', ') + (more > 0 ? ` and ${more} more` : '')
}

function messageOf (err: unknown): string {
  return err instanceof Error ? `${err.name}: ${err.message}` : 'failure'
}
