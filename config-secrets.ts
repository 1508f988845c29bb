/**
 * The secrets of a configuration: given by the environment, or made once and kept in the data folder outside production. No message
 * ever holds one.
 */
import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseMasterKeys, type MasterKeys } from './plugins/lib/sealed-secret.ts'

const SECRET_BYTES_MIN = 32
const NEXTAUTH_CHARS_MIN = 32
const SECRET_NAMES = ['RESULT_TOKEN_SECRET', 'WATERMARK_SECRET', 'RECORD_ID_SECRET'] as const

export interface Secrets {
  readonly resultToken: Buffer
  readonly watermark: Buffer
  readonly recordId: Buffer
  /** Seal what must be readable again: the signing secrets of webhooks and of hardened keys. */
  readonly masterKeys: MasterKeys
  /** The secret of the console's sessions (NextAuth), its text as it stands; null: the console is not served. */
  readonly nextAuth: string | null
}

/** The variables, empty where they are not set. */
export type SecretTexts = Record<typeof SECRET_NAMES[number] | 'MASTER_KEYS' | 'NEXTAUTH_SECRET', string>

/** Every problem of a configuration, one a line; never a value that could be a secret. */
export class ConfigError extends Error {
  readonly problems: readonly string[]

  constructor (problems: readonly string[]) {
    super(`The configuration is refused:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`)
    this.name = 'ConfigError'
    this.problems = problems
  }
}

export function secretProblems (texts: SecretTexts, production: boolean): string[] {
  const problems: string[] = []
  const given = SECRET_NAMES.filter((name) => texts[name] !== '')
  const areNeeded = production || given.length > 0
  for (const name of areNeeded ? SECRET_NAMES : []) {
    if (texts[name] === '') problems.push(`${name} is missing; make one with: openssl rand -hex 32`)
    else if (decodeSecret(texts[name]).length < SECRET_BYTES_MIN) problems.push(`${name} must be at least ${SECRET_BYTES_MIN} bytes in hex or base64`)
    else if (new Set(decodeSecret(texts[name])).size < 8) problems.push(`${name} is not random; make one with: openssl rand -hex 32`)
  }
  if (new Set(given.map((name) => texts[name])).size < given.length) problems.push(`${SECRET_NAMES.join(', ')} must differ from each other`)
  if (texts.NEXTAUTH_SECRET !== '') problems.push(...nextAuthProblems(texts))
  if (areNeeded || texts.MASTER_KEYS !== '') problems.push(...masterKeyProblems(texts.MASTER_KEYS))
  return problems
}

// NextAuth takes the text as it stands, so its length is all that can be judged: 32 characters of base64 are 24 bytes.
function nextAuthProblems (texts: SecretTexts): string[] {
  const { NEXTAUTH_SECRET: secret } = texts
  if (secret.length < NEXTAUTH_CHARS_MIN) return [`NEXTAUTH_SECRET must have at least ${NEXTAUTH_CHARS_MIN} characters; make one with: openssl rand -base64 32`]
  if (new Set(secret).size < 8) return ['NEXTAUTH_SECRET is not random; make one with: openssl rand -base64 32']
  return SECRET_NAMES.some((name) => texts[name] === secret) ? [`NEXTAUTH_SECRET must differ from ${SECRET_NAMES.join(', ')}`] : []
}

function masterKeyProblems (text: string): string[] {
  if (text === '') return ['MASTER_KEYS is missing; make one with: echo "1:$(openssl rand -hex 32)"']
  try {
    parseMasterKeys(text)
    return []
  } catch (err) {
    return [`MASTER_KEYS ${err instanceof Error ? err.message : 'cannot be read'}`]
  }
}

/** The secrets; those that are not given are read from the folder, where they are made first. Throws `ConfigError` for a damaged file. */
export function readSecrets (texts: SecretTexts, folder: string): Secrets {
  const named = texts.RESULT_TOKEN_SECRET === '' ? kept(folder, 'secrets.json', SECRET_NAMES, randomSecret) : texts
  const masterKeys = texts.MASTER_KEYS === '' ? kept(folder, 'master-keys.json', ['MASTER_KEYS'], () => `1:${randomSecret()}`).MASTER_KEYS : texts.MASTER_KEYS
  return Object.freeze({
    resultToken: decodeSecret(named.RESULT_TOKEN_SECRET),
    watermark: decodeSecret(named.WATERMARK_SECRET),
    recordId: decodeSecret(named.RECORD_ID_SECRET),
    masterKeys: parseMasterKeys(masterKeys),
    nextAuth: texts.NEXTAUTH_SECRET === '' ? null : texts.NEXTAUTH_SECRET
  })
}

function randomSecret (): string {
  return randomBytes(SECRET_BYTES_MIN).toString('hex')
}

function decodeSecret (text: string): Buffer {
  return /^(?:[0-9a-f]{2})+$/i.test(text) ? Buffer.from(text, 'hex') : Buffer.from(text, 'base64')
}

/** Two processes may start at once: each writes a file of its own, and the first to link it under the shared name wins. */
function kept<Name extends keyof SecretTexts> (folder: string, fileName: string, names: readonly Name[], make: () => string): Record<Name, string> {
  const file = join(folder, fileName)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  if (!existsSync(file)) {
    const own = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`
    writeFileSync(own, JSON.stringify(Object.fromEntries(names.map((name) => [name, make()]))), { mode: 0o600, flag: 'wx' })
    try {
      linkSync(own, file)
    } catch (err) {
      if (!existsSync(file)) throw err
    } finally {
      rmSync(own, { force: true })
    }
  }
  chmodSync(file, 0o600)
  const texts = JSON.parse(readFileSync(file, 'utf8')) as Record<Name, string>
  const broken = names.filter((name) => typeof texts[name] !== 'string' || decodeSecret(texts[name].replace(/^\d+:/, '')).length < SECRET_BYTES_MIN)
  if (broken.length > 0) throw new ConfigError([`${file} is damaged (${broken.join(', ')}); restore it, or remove it together with the data it belongs to`])
  return texts
}
