/** `fb trace`: from a leaked mark, or any text that holds some, back to where they came from. */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import type { Command } from 'commander'
import { OperationError } from '../../evaluation/operator.ts'
import type { TracedMark } from '../../evaluation/operator-trace.ts'
import { findMarks, type FoundMarks } from './marks.ts'
import { EXIT, note, printAnswer, progress } from './output.ts'
import { withStore, type Store } from './store.ts'

const BATCH = 500
const SINGLE = /^(wm|vr)_[0-9A-Za-z]+$/
const PROGRESS_STEPS = 100

interface Options { json?: boolean }

export function addTraceCommand (program: Command): void {
  program.command('trace').description('lead leaked marks back to the answers that they came from')
    .argument('<mark|file|->', 'a watermark wm_…, a reference vr_…, or a text that may hold some: a file, or - for standard input')
    .option('--json', 'print one JSON object instead of words')
    .addHelpText('after', '\nIn a text, watermarks, references of findings and key prefixes are found, also broken over lines or escaped; each MAC is checked first.\n' +
      'Verdicts: known; forged (this service never made it); unrecorded (ours, but only counted, or its row is gone); key_unknown.\n' +
      'Exit codes: 0 every mark is known; 1 one is not, or there is none; 2 the command line was wrong; 3 a store is away.\n\n' +
      'Examples:\n  $ fb trace wm_0m8x…\n  $ fb trace leaked.log --json\n  $ pbpaste | fb trace -')
    .action(async (what: string, options: Options) => {
      if (SINGLE.test(what)) await traceMark(what, options.json === true)
      else await traceText(what, options.json === true)
    })
}

async function traceMark (mark: string, json: boolean): Promise<void> {
  const row = await withStore((store) => store.run('trace', { watermark: mark }))
  printAnswer(json, row, () => Object.entries(row).map(([name, value]) => `${name.padEnd(12)} ${typeof value === 'object' ? JSON.stringify(value) : String(value ?? '-')}`).join('\n'))
}

async function traceText (path: string, json: boolean): Promise<void> {
  const found = await readMarks(path)
  const marks = found.marks.length === 0 ? [] : await withStore((store) => lookUp(store, found))
  printAnswer(json, { marks, whole_keys: found.wholeKeys }, () => marks.length === 0 ? 'no marks were found' : marks.map(describe).join('\n'))
  for (const prefix of found.wholeKeys) note(`warning: a whole key ${prefix}… stands in this text; revoke it: fb key revoke ${prefix}`)
  if (found.isCut) note('warning: the text holds more different marks than are looked up; split it')
  if (marks.length === 0 || marks.some(({ verdict }) => verdict !== 'known')) process.exitCode = EXIT.failed
}

async function readMarks (path: string): Promise<FoundMarks> {
  const size = path === '-' ? 0 : (await stat(path).catch(() => null))?.size
  if (size === undefined) throw new OperationError('usage', `no such file: ${path}`)
  const source: Readable = path === '-' ? process.stdin : createReadStream(path)
  const bar = progress(PROGRESS_STEPS, 'reading')
  try {
    return await findMarks(source.setEncoding('utf8'), (chars) => { if (size > 0) bar.step(Math.min(PROGRESS_STEPS, Math.round(chars / size * PROGRESS_STEPS))) })
  } catch (err) {
    throw new OperationError('usage', `${path} cannot be read (${err instanceof Error && 'code' in err ? String(err.code) : 'error'})`, { cause: err })
  } finally {
    bar.done()
  }
}

async function lookUp (store: Store, found: FoundMarks): Promise<TracedMark[]> {
  const traced: TracedMark[] = []
  for (let from = 0; from < found.marks.length; from += BATCH) {
    const { marks } = await store.run('trace.marks', { marks: found.marks.slice(from, from + BATCH) }) as { marks: TracedMark[] }
    traced.push(...marks)
  }
  // Pieces that make no mark together, and a part of a longer word, need not have been one.
  const whole = traced.filter(({ mark, verdict }) => verdict !== 'forged' || !found.rejoined.has(mark))
  if (whole.length < traced.length) note(`${traced.length - whole.length} pieces that look like parts of marks are none of this service`)
  return whole
}

function describe (one: TracedMark): string {
  const head = `${one.verdict.padEnd(11)} ${one.mark}`
  if (one.verdict !== 'known') return head
  const owner = `  organization ${one.org_id ?? '-'} (${one.org_name ?? 'unknown'})`
  const key = one.key_prefix == null ? '' : `\n  key ${one.key_id ?? '-'} ${one.key_prefix}… (${one.key_name ?? 'unknown'}, ${one.key_state ?? 'unknown'})`
  if (one.kind === 'key_prefix') return `${head}\n${owner}${key}`
  const answer = one.source === 'webhook'
    ? `\n  webhook ${one.webhook_id ?? ''}, delivery ${one.delivery_id ?? ''}, ${one.event ?? ''}, ${one.at ?? ''}`
    : `\n  ${one.method ?? ''} ${one.route ?? ''} → ${one.status ?? ''} at ${one.at ?? ''} from ${one.ip ?? ''} (${one.user_agent ?? 'no user agent'})`
  const finding = one.finding === undefined ? '' : `\n  finding ${one.finding.code} in ${one.finding.scenario}${one.finding.module === null ? '' : `, module ${one.finding.module}`}`
  return `${head}\n${owner}${key}${answer}${finding}`
}
