/** What a run is told: options, and keys from the environment or a file, never from the command line, where other processes read them. */
import { readFileSync } from 'node:fs'
import { isApiKey } from '../../plugins/lib/api-key.ts'
import { isSigningSecret } from '../../plugins/lib/hardened-signature.ts'
import { PARTS, type Part } from './definition.ts'

const P = '/api/public/v1'
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/
const ELSEWHERE_ADDRESS = '203.0.113.7'
const NAME = /^FB_CONFORMANCE_[A-Z0-9_]+$/

/** An error in what the tool was told; its message says what to do. */
export class UsageError extends Error {}

export interface Key {
  key: string
  /** Signing secret of a hardened key, otherwise null. */
  secret: string | null
}

/** As commander hands them over. */
export interface Options {
  target?: string
  allowRemote?: boolean
  profile: string
  layers?: string
  path: string
  postPath: string
  postBody?: string
  openPath: string
  prefix: string
  adminPath: string
  recordPath: string
  tokenPath: string
  auditPath: string
  webhooksPath: string
  killedTarget?: string
  plainTarget?: string
  keysFile?: string
}

/** Paths of this service; another one names its own, or `none`. */
export const DEFAULT_PATHS = {
  path: `${P}/governance/policies`,
  postPath: `${P}/evaluate`,
  openPath: `${P}/governance/health`,
  prefix: P,
  adminPath: `${P}/requests`,
  recordPath: `${P}/evaluations/{id}`,
  tokenPath: `${P}/results/{token}`,
  auditPath: `${P}/requests?watermark={watermark}`,
  webhooksPath: `${P}/webhooks`
} as const

const KEY_NAMES = ['foreign', 'read', 'admin', 'limited', 'elsewhere', 'revoked', 'suspended', 'expired', 'canary', 'hardened'] as const
type KeyName = typeof KEY_NAMES[number]

export interface Settings {
  target: URL
  killedTarget: URL | null
  plainTarget: URL | null
  profile: 'published' | 'hardened'
  parts: ReadonlySet<Part>
  paths: Record<keyof typeof DEFAULT_PATHS, string | null>
  postBody: Readonly<Record<string, unknown>>
  /** Keys of one organization that may do what the signed GET and the signed POST need. Empty where callers are known otherwise. */
  keys: Key[]
  named: Partial<Record<KeyName, Key>>
  /** Header lines that say who calls, where that is not a bearer key. */
  callerLines: string[]
  elsewhereAddress: string
  foreignPath: string | null
  resultTokens: string[]
}

const FLOW = { name: 'Conformance', flow: [{ id: 1, module: 'gateway:CustomWebHook', version: 1, parameters: {}, mapper: {} }], metadata: { version: 1 } }
const DEFAULT_BODY = { blueprints: [{ id: 'conformance', blueprint: FLOW }] }

/** Reads options and environment. Throws a `UsageError` that says what is wrong; it never repeats a key. */
export function readSettings (options: Options, env: NodeJS.ProcessEnv): Settings {
  const values = { ...env, ...(options.keysFile === undefined ? {} : readKeysFile(options.keysFile)) }
  if (options.target === undefined) throw new UsageError('say which service is meant: --target http://127.0.0.1:3000')
  const allowRemote = options.allowRemote === true
  const parts = partsOf(options.layers)
  const keys = [...listOf(values['FB_CONFORMANCE_KEY']), ...listOf(values['FB_CONFORMANCE_KEYS'])].map((text) => keyOf('FB_CONFORMANCE_KEY', text))
  const named = Object.fromEntries(KEY_NAMES.flatMap((name) => {
    const text = values[`FB_CONFORMANCE_${name.toUpperCase()}_KEY`]
    return text === undefined || text === '' ? [] : [[name, keyOf(`FB_CONFORMANCE_${name.toUpperCase()}_KEY`, text)]]
  }))
  const callerLines = (values['FB_CONFORMANCE_HEADERS'] ?? '').split('\n').filter((line) => line !== '')
  const { profile } = options
  if (profile !== 'published' && profile !== 'hardened') throw new UsageError('--profile is published or hardened')
  if (parts.has('authentication') && keys[0] === undefined) throw new UsageError('give a key in the environment: FB_CONFORMANCE_KEY=fb_live_… (or --keys-file FILE); a service without the layer authentication says so with --layers')
  if (profile === 'hardened' && keys.some(({ secret }) => secret === null)) throw new UsageError('with --profile hardened each key comes with its signing secret: FB_CONFORMANCE_KEY=fb_live_…:fbs_…')
  if (profile === 'hardened' && keys[0] !== undefined) named['hardened'] ??= keys[0]
  return {
    target: targetOf('--target', options.target, allowRemote),
    killedTarget: options.killedTarget === undefined ? null : targetOf('--killed-target', options.killedTarget, allowRemote),
    plainTarget: options.plainTarget === undefined ? null : targetOf('--plain-target', options.plainTarget, allowRemote),
    profile,
    parts,
    paths: pathsOf(options),
    postBody: options.postBody === undefined ? DEFAULT_BODY : bodyOf(options.postBody),
    keys,
    named,
    callerLines,
    elsewhereAddress: values['FB_CONFORMANCE_ELSEWHERE_ADDRESS'] ?? ELSEWHERE_ADDRESS,
    foreignPath: values['FB_CONFORMANCE_FOREIGN_PATH'] ?? null,
    resultTokens: [values['FB_CONFORMANCE_RESULT_TOKEN'], values['FB_CONFORMANCE_RESULT_TOKEN_2']].flatMap((token) => token === undefined || token === '' ? [] : [token])
  }
}

/** An origin to attack. Only this machine's, unless the caller says that the other one is theirs to attack. */
export function targetOf (option: string, text: string, allowRemote: boolean): URL {
  if (!URL.canParse(text)) throw new UsageError(`${option} is no URL: give one such as http://127.0.0.1:3000`)
  const url = new URL(text)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new UsageError(`${option} must begin with http:// or https://`)
  if (url.username !== '' || url.password !== '' || url.pathname !== '/' || url.search !== '' || url.hash !== '') throw new UsageError(`${option} is scheme, host and port only; paths have options of their own`)
  // A name may be pointed anywhere; only addresses and localhost itself (RFC 6761 section 6.3) are known to be this machine.
  if (!LOOPBACK.test(url.hostname) && !allowRemote) throw new UsageError(`${option} leads to another machine (${url.hostname}); these are attacks: give --allow-remote if you may attack it`)
  return url
}

function partsOf (text: string | undefined): ReadonlySet<Part> {
  if (text === undefined) return new Set(PARTS)
  const names = text.split(',').map((name) => name.trim())
  const known = names.flatMap((name) => PARTS.filter((part) => part === name))
  const unknown = names.filter((name) => !known.some((part) => part === name))
  if (unknown.length > 0) throw new UsageError(`--layers: ${unknown.map((name) => JSON.stringify(name)).join(', ')} is none of ${PARTS.join(', ')}`)
  return new Set(known)
}

function pathsOf (options: Options): Settings['paths'] {
  const read = (name: keyof typeof DEFAULT_PATHS): string | null => {
    const path = options[name]
    if (path === 'none') return null
    if (!/^\/[\x21-\x7e]*$/.test(path)) throw new UsageError(`a path begins with / and is percent-encoded (or none): ${JSON.stringify(path)}`)
    return path
  }
  if (options.path === 'none') throw new UsageError('--path: every service has a route that a caller may GET; name it')
  const names = Object.keys(DEFAULT_PATHS) as Array<keyof typeof DEFAULT_PATHS>
  return Object.fromEntries(names.map((name) => [name, read(name)])) as Settings['paths']
}

function bodyOf (text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch {
    // Said below, whatever was wrong with it.
  }
  throw new UsageError('--post-body must be a JSON object')
}

function keyOf (name: string, text: string): Key {
  const [key = '', secret = null] = text.split(':')
  if (!isApiKey(key) || (secret !== null && !isSigningSecret(secret))) throw new UsageError(`${name} is no key: fb_live_ and 48 hex characters, for a hardened key followed by a colon and its signing secret`)
  return { key, secret }
}

function listOf (text: string | undefined): string[] {
  return (text ?? '').split(',').map((one) => one.trim()).filter((one) => one !== '')
}

function readKeysFile (path: string): Record<string, string> {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    throw new UsageError(`the keys cannot be read: ${path}`)
  }
  const values: Record<string, string> = {}
  for (const [at, line] of text.split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue
    const equals = line.indexOf('=')
    const name = line.slice(0, equals).trim()
    if (!NAME.test(name)) throw new UsageError(`${path}:${at + 1} is not FB_CONFORMANCE_…=value`)
    values[name] = line.slice(equals + 1).trim()
  }
  return values
}
