/** `fb doctor`: says in one sentence what the signer of a refused request must change. */
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import type { Command } from 'commander'
import { OperationError } from '../../evaluation/operator.ts'
import { bearerKeyOf, isApiKey, PREFIX_CHARS } from '../../plugins/lib/api-key.ts'
import { isSigningSecret, parseHardenedHeader, type SigningProfile } from '../../plugins/lib/hardened-signature.ts'
import { adviceFor, diagnoseSignature, messageFor, readReason } from '../../plugins/lib/signature-doctor.ts'
import { readDump, type DumpedRequest } from './http-dump.ts'
import { EXIT, note, printAnswer } from './output.ts'
import { fieldsOf, withStore } from './store.ts'

const DUMP_BYTES_MAX = 11 * 1024 * 1024
const WATERMARK = /^wm_[0-9a-z]{36}$/
const ISO_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/

interface Options { json?: boolean, keyFile?: string, secretFile?: string, at?: string }

interface Finding {
  verdict: 'right' | 'refused'
  part: string | null
  mistakes: readonly string[]
  advice: string
  ahead_seconds?: number
}

export function addDoctorCommand (program: Command): void {
  program.command('doctor').description('say what the signer of a refused request must change')
    .argument('<watermark|file|->', 'the watermark of the refusal, or the request as it was sent: a file, or - for standard input')
    .option('--key-file <path>', 'file that holds the API key (default: FB_API_KEY, the Authorization header of the request, or a prompt)')
    .option('--secret-file <path>', 'file that holds the signing secret of a hardened key (default: FB_SIGNING_SECRET)')
    .option('--at <time>', 'when the request arrived, such as 2027-01-31T12:00:00Z (default: now)')
    .option('--json', 'print one JSON object instead of words')
    .addHelpText('after', '\nA watermark is looked up: its audit row says what differed when the key was being debugged (fb key debug) or outside production.\n' +
      'A request is judged here, without any store: request line, headers, an empty line, the body byte for byte. Keys are taken from the\n' +
      'environment, a file or a prompt, never from the command line.\n' +
      'Exit codes: 0 the signature is right; 1 it is not, or its refusal is not explained; 2 the command line or the request cannot be read; 3 a store is away.\n\n' +
      'Examples:\n  $ fb doctor wm_0m8x…\n  $ FB_API_KEY=fb_live_… fb doctor request.http --at 2027-01-31T12:00:00Z\n  $ fb doctor - --secret-file secret.txt --json < request.http')
    .action(async (what: string, options: Options) => {
      const finding = what.startsWith('wm_') ? await ofWatermark(what) : await ofRequest(what, options)
      printAnswer(options.json === true, finding, () => finding.advice + ('message' in finding ? `\n\nWhat must be signed:\n${String(finding.message)}` : ''))
      if (finding.verdict !== 'right') process.exitCode = EXIT.failed
    })
}

async function ofWatermark (watermark: string): Promise<Finding> {
  if (!WATERMARK.test(watermark)) throw new OperationError('usage', 'a watermark is wm_ and 36 characters of 0-9 and a-z')
  const row = fieldsOf(await withStore((store) => store.run('trace', { watermark })))
  const refused = (mistake: string, part: string | null = null): Finding => ({ verdict: 'refused', part, mistakes: [mistake], advice: adviceFor([mistake]) ?? '' })
  if (row['code'] === 'signature_missing') return refused('header_absent', 'grammar')
  if (row['code'] === 'signature_replayed') return refused('replayed', 'message')
  if (row['code'] !== 'signature_invalid') return { verdict: 'right', part: null, mistakes: [], advice: `Nothing about its signature: the request was answered with ${String(row['status'])}${row['code'] === null ? '' : ` ${String(row['code'])}`}.` }
  const reason = String(row['reason'] ?? '')
  const read = readReason(reason)
  const advice = read === null ? null : adviceFor(read.mistakes)
  if (read === null || advice === null) {
    return { verdict: 'refused', part: reason === 'clock' ? 'clock' : null, mistakes: [], advice: `The check "${reason}" refused it, and what differed was not recorded: run fb key debug ${String(row['key_id'])} --for 30m, have the request sent again, and give the new watermark.` }
  }
  return { verdict: 'refused', part: read.part, mistakes: read.mistakes, advice, ...(read.aheadSeconds === undefined ? {} : { ahead_seconds: read.aheadSeconds }) }
}

async function ofRequest (path: string, options: Options): Promise<Finding & { profile: SigningProfile, message?: string }> {
  const request = readDump(await readInput(path))
  const secret = await credential('signing secret', options.secretFile, process.env['FB_SIGNING_SECRET'], isSigningSecret)
  const header = request.headers.get('x-fb-signature')
  const profile = secret === null ? 'published' : 'hardened'
  if (header === undefined) return { verdict: 'refused', profile, part: 'grammar', mistakes: ['header_absent'], advice: adviceFor(['header_absent']) ?? '' }
  if (secret === null && parseHardenedHeader(header) !== null) throw new OperationError('usage', 'the request is signed with the hardened profile: give its signing secret in FB_SIGNING_SECRET or --secret-file; a key that has none must send t and v1')
  const apiKey = await apiKeyFor(request, options, secret !== null || path === '-')
  if (secret === null && apiKey === null) throw new OperationError('usage', 'a key is needed: set FB_API_KEY, or give --key-file')
  const { method, target, body } = request
  const evidence = { profile, header, method, target, host: request.headers.get('host') ?? '', body, nowSeconds: arrivalOf(options.at), keys: [secret ?? apiKey ?? ''], apiKey } as const
  const found = diagnoseSignature(evidence)
  if (found === null) return { verdict: 'right', profile, part: null, mistakes: [], advice: 'Nothing: the signature is right.' }
  const { part, mistakes, aheadSeconds } = found
  const message = part === 'clock' && aheadSeconds !== undefined ? null : messageFor(evidence)
  return { verdict: 'refused', profile, part, mistakes, advice: adviceFor(mistakes) ?? '', ...(aheadSeconds === undefined ? {} : { ahead_seconds: aheadSeconds }), ...(message === null ? {} : { message }) }
}

async function readInput (path: string): Promise<Buffer> {
  const bytes = path === '-' ? Buffer.concat(await process.stdin.toArray() as Buffer[]) : await readFile(path).catch((cause: unknown) => { throw new OperationError('usage', `no such file: ${path}`, { cause }) })
  if (bytes.length > DUMP_BYTES_MAX) throw new OperationError('usage', `the request has more than ${DUMP_BYTES_MAX} bytes`)
  return bytes
}

/** The request's own key unless another one is given; then both must be the same. */
async function apiKeyFor (request: DumpedRequest, options: Options, isOptional: boolean): Promise<string | null> {
  const sent = bearerKeyOf(request.headers.get('authorization'))
  const given = await credential('API key', options.keyFile, process.env['FB_API_KEY'], isApiKey)
  if (given !== null && sent !== null && given !== sent) throw new OperationError('usage', `the request carries another key (${sent.slice(0, PREFIX_CHARS)}…) than the one that is given`)
  if (sent !== null) note(`warning: the request holds a whole key ${sent.slice(0, PREFIX_CHARS)}…; if others have seen it, revoke it: fb key revoke ${sent.slice(0, PREFIX_CHARS)}`)
  return given ?? sent ?? (isOptional || !process.stdin.isTTY ? null : await askFor('API key', isApiKey))
}

async function credential (what: string, file: string | undefined, variable: string | undefined, isOne: (text: string) => boolean): Promise<string | null> {
  const text = file === undefined
    ? variable
    : await readFile(file, 'utf8').then((content) => content.trim(), (cause: unknown) => { throw new OperationError('usage', `the file with the ${what} cannot be read: ${file}`, { cause }) })
  if (text === undefined || text === '') return null
  if (!isOne(text)) throw new OperationError('usage', `the ${what} does not have the shape of one`)
  return text
}

async function askFor (what: string, isOne: (text: string) => boolean): Promise<string> {
  process.stderr.write(`${what}: `)
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const prompt = createInterface({ input: process.stdin, output: nowhere, terminal: true })
  const text = (await prompt.question('')).trim()
  prompt.close()
  process.stderr.write('\n')
  if (!isOne(text)) throw new OperationError('usage', `the ${what} does not have the shape of one`)
  return text
}

function arrivalOf (text: string | undefined): number {
  if (text === undefined) return Math.floor(Date.now() / 1000)
  const ms = ISO_TIME.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(ms)) throw new OperationError('usage', '--at must be an ISO 8601 time with its zone, such as 2027-01-31T12:00:00Z')
  return Math.floor(ms / 1000)
}
