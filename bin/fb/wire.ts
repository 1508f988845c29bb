/** Commands that speak as a partner: `sign` and `call`. */
import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { OperationError } from '../../evaluation/operator.ts'
import { isApiKey } from '../../plugins/lib/api-key.ts'
import { isSigningSecret, SIGNING_PROFILES } from '../../plugins/lib/hardened-signature.ts'
import { hardenedSignatureFor, send, signatureFor, SURFACE_PREFIX, withPrefix, type Answer } from './http.ts'
import { EXIT, note, printAnswer } from './output.ts'

const URL_DEFAULT = 'http://127.0.0.1:3000'
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS']
const BODILESS = ['GET', 'HEAD', 'DELETE']
const OPEN_PATHS = /^\/api\/public\/v1\/(governance\/health$|results\/)/

interface WireOptions { json?: boolean, key?: string, data?: string, bodyFile?: string, url?: string, profile: string, secretFile?: string }

export function addWireCommands (program: Command): void {
  withWireOptions(program.command('sign').description('print the signature header for a request'))
    .addHelpText('after', '\nThe signature covers time, method, path (with /api/public/v1, without the query) and the exact bytes of the body; it is good for 300 s.\n' +
      'With --profile hardened it covers the query as well, is keyed with the signing secret, and is good once: sign every request anew.\n\n' +
      'Example:\n  $ export FB_API_KEY=fb_live_…\n  $ fb sign POST /evaluate --body-file request.json\n  X-FB-Signature: t=1767225600,v1=…\n' +
      '  $ curl "$URL/api/public/v1/scenarios" -H "Authorization: Bearer $FB_API_KEY" -H "$(fb sign GET /scenarios)"')
    .action(sign)
  withWireOptions(program.command('call').description('sign a request, send it, print the answer'))
    .option('--url <url>', `where the service is (default: FB_API_URL or ${URL_DEFAULT})`)
    .addHelpText('after', '\nExit 1 when the answer is not 2xx, 3 when there is none.\n\nExamples:\n  $ fb call GET /governance/policies\n' +
      '  $ fb call POST /evaluate --data \'{"org_id":"org_01J…","scenario_ids":["scn_01J…"]}\'')
    .action(call)
}

function withWireOptions (command: Command): Command {
  return command.argument('<method>', 'GET, POST, PATCH or DELETE').argument('<path>', 'path; /api/public/v1 is put before it when it is missing')
    .option('--data <text>', 'body as it stands').option('--body-file <path>', 'body from a file, byte for byte; - reads standard input')
    .option('--key <key>', 'API key (better: the environment variable FB_API_KEY, which other users of the machine cannot see)')
    .option('--profile <profile>', 'signature profile of the key: published or hardened', 'published')
    .option('--secret-file <path>', 'file that holds the signing secret of a hardened key (default: FB_SIGNING_SECRET); never on the command line')
    .option('--json', 'print one JSON object instead of words')
}

interface Prepared { method: string, target: string, body: Buffer | undefined, key: string | undefined, secret: string | undefined }

async function sign (methodText: string, path: string, options: WireOptions): Promise<void> {
  const { method, target, body, key, secret } = await prepare(methodText, path, options)
  // The hardened profile signs with its secret alone; the key only travels.
  if (key === undefined && secret === undefined) throw new OperationError('usage', 'a key is needed: set FB_API_KEY, or give --key')
  const value = secret === undefined ? signatureFor(key ?? '', method, target, body ?? Buffer.alloc(0)) : hardenedSignatureFor(secret, method, target, body ?? Buffer.alloc(0))
  const signedPath = secret === undefined ? target.split('?', 1)[0] ?? target : target
  printAnswer(options.json === true, { header: 'X-FB-Signature', value, method, path: signedPath, body_bytes: body?.length ?? 0 }, () => `X-FB-Signature: ${value}`)
}

async function call (methodText: string, path: string, options: WireOptions): Promise<void> {
  const { method, target, body, key, secret } = await prepare(methodText, path, options)
  if (key === undefined && !OPEN_PATHS.test(target.split('?', 1)[0] ?? '')) throw new OperationError('usage', 'a key is needed: set FB_API_KEY, or give --key')
  const origin = originOf(options.url ?? process.env['FB_API_URL'] ?? URL_DEFAULT)
  // The parser of URLs may rewrite a path (dot segments, spaces); what is signed must be what is sent.
  const { pathname, search } = new URL(origin + target)
  const answer = await send({ origin, method, target: pathname + search, ...(key === undefined ? {} : { key }), ...(secret === undefined ? {} : { secret }), ...(body === undefined ? {} : { body }) })
    .catch((cause: unknown) => { throw new OperationError('unavailable', `no answer from ${origin}: ${reasonOf(cause)}`, { cause }) })
  printAnswer(options.json === true, { status: answer.status, headers: Object.fromEntries(answer.headers), body: answer.json ?? answer.text }, () => describe(answer))
  if (answer.status < 200 || answer.status > 299) process.exitCode = EXIT.failed
}

async function prepare (methodText: string, path: string, options: WireOptions): Promise<Prepared> {
  const method = methodText.toUpperCase()
  if (!METHODS.includes(method)) throw new OperationError('usage', `unknown method; known: ${METHODS.join(', ')}`)
  if (!/^\/[\x21-\x7e]*$/.test(path) || path.includes('#')) throw new OperationError('usage', 'the path must begin with / and hold neither spaces nor #; percent-encode other characters')
  if (options.data !== undefined && options.bodyFile !== undefined) throw new OperationError('usage', 'give --data or --body-file, not both')
  const body = await readBody(options)
  if (body !== undefined && BODILESS.includes(method)) throw new OperationError('usage', `${method} takes no body`)
  const key = options.key ?? process.env['FB_API_KEY']
  if (key !== undefined && !isApiKey(key)) throw new OperationError('usage', 'the key must be fb_live_ and 48 lowercase hex characters')
  const target = withPrefix(path)
  if (target !== path && options.json !== true) note(`${SURFACE_PREFIX} was put before the path`)
  return { method, target, body, key, secret: await readSecret(options) }
}

/** The signing secret where the profile has one. */
async function readSecret ({ profile, secretFile }: WireOptions): Promise<string | undefined> {
  if (!SIGNING_PROFILES.some((one) => one === profile)) throw new OperationError('usage', `unknown profile; known: ${SIGNING_PROFILES.join(', ')}`)
  if (profile !== 'hardened') {
    if (secretFile !== undefined) throw new OperationError('usage', '--secret-file belongs to --profile hardened')
    return undefined
  }
  const text = secretFile === undefined
    ? process.env['FB_SIGNING_SECRET']
    : await readFile(secretFile, 'utf8').catch((cause: unknown) => {
      throw new OperationError('usage', `the file of the signing secret cannot be read: ${secretFile}`, { cause })
    })
  if (text === undefined) throw new OperationError('usage', 'a signing secret is needed: set FB_SIGNING_SECRET, or give --secret-file')
  const secret = text.trim()
  if (!isSigningSecret(secret)) throw new OperationError('usage', 'the signing secret must be fbs_ and 64 lowercase hex characters')
  return secret
}

async function readBody (options: WireOptions): Promise<Buffer | undefined> {
  if (options.data !== undefined) return Buffer.from(options.data)
  if (options.bodyFile === undefined) return undefined
  if (options.bodyFile === '-') return Buffer.concat(await process.stdin.toArray() as Buffer[])
  return readFile(options.bodyFile).catch((cause: unknown) => {
    throw new OperationError('usage', `the body file cannot be read: ${String(options.bodyFile)}`, { cause })
  })
}

function originOf (text: string): string {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) throw new OperationError('usage', 'the URL must be http:// or https://, host and port')
  const { origin, pathname } = new URL(text)
  if (pathname.replace(/\/$/, '') !== '' && pathname.replace(/\/$/, '') !== SURFACE_PREFIX) throw new OperationError('usage', `the URL must have no path, or ${SURFACE_PREFIX}`)
  return origin
}

function describe (answer: Answer): string {
  const watermark = answer.headers.get('x-fb-watermark')
  const head = `HTTP ${answer.status}${watermark === null ? '' : `  watermark ${watermark}`}`
  const retryAfter = answer.headers.get('retry-after')
  return [head, ...(retryAfter === null ? [] : [`Retry-After: ${retryAfter}`]), answer.json === null ? answer.text : JSON.stringify(answer.json, null, 2)].join('\n')
}

function reasonOf (cause: unknown): string {
  if (!(cause instanceof Error)) return 'failed'
  const { cause: inner } = cause
  return inner instanceof Error && 'code' in inner ? String(inner.code) : cause.message
}
