/**
 * Secrets that must be readable again are stored sealed: AES-256-GCM (NIST SP 800-38D) under a versioned master key that the
 * database never holds. The context (whose secret it is) is authenticated with it, so a sealed text copied to another row does not
 * open. Shape: `<version>.<nonce>.<ciphertext and tag>`, base64url.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'

const ALGORITHM = 'aes-256-gcm'
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
const SEALED = /^([1-9]\d{0,5})\.([A-Za-z0-9_-]{16})\.([A-Za-z0-9_-]{22,})$/

/** Master keys by version; the highest version seals, every one opens. */
export type MasterKeys = ReadonlyMap<number, Buffer>

/** Reads `<version>:<64 hex characters>`, comma-separated. Throws with the reason; never with a key. */
export function parseMasterKeys (text: string): MasterKeys {
  const keys = new Map<number, Buffer>()
  for (const part of text.split(',')) {
    const match = /^\s*([1-9]\d{0,5}):([0-9a-fA-F]{64})\s*$/.exec(part)
    if (match === null) throw new Error('must be a comma-separated list of <version>:<64 hex characters>')
    const [, version = '', hex = ''] = match
    if (keys.has(Number(version))) throw new Error(`names version ${version} twice`)
    const key = Buffer.from(hex, 'hex')
    if (new Set(key).size < 8) throw new Error(`has a key that is not random (version ${version}); make one with: openssl rand -hex 32`)
    keys.set(Number(version), key)
  }
  return keys
}

/** The version that seals. */
export function currentVersion (keys: MasterKeys): number {
  return Math.max(...keys.keys())
}

export function sealSecret (secret: string, context: string, keys: MasterKeys): string {
  const version = currentVersion(keys)
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(ALGORITHM, keyOf(keys, version), nonce).setAAD(Buffer.from(context))
  const sealed = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final(), cipher.getAuthTag()])
  return `${version}.${nonce.toString('base64url')}.${sealed.toString('base64url')}`
}

/** The secret. Throws when the text is damaged, belongs to another context, or its master key is not there. */
export function openSecret (text: string, context: string, keys: MasterKeys): string {
  const match = SEALED.exec(text)
  if (match === null) throw new Error('a sealed secret is damaged')
  const [, version = '', nonce = '', body = ''] = match
  const bytes = Buffer.from(body, 'base64url')
  const decipher = createDecipheriv(ALGORITHM, keyOf(keys, Number(version)), Buffer.from(nonce, 'base64url'), { authTagLength: TAG_BYTES })
    .setAAD(Buffer.from(context)).setAuthTag(bytes.subarray(-TAG_BYTES))
  return Buffer.concat([decipher.update(bytes.subarray(0, -TAG_BYTES)), decipher.final()]).toString('utf8')
}

/** The master key version that a sealed text needs; NaN when it is none. */
export function versionOf (text: string): number {
  return Number(SEALED.exec(text)?.[1] ?? Number.NaN)
}

function keyOf (keys: MasterKeys, version: number): Buffer {
  const key = keys.get(version)
  if (key === undefined) throw new Error(`the master key of version ${version} is not configured`)
  if (key.length !== KEY_BYTES) throw new Error(`the master key of version ${version} is not ${KEY_BYTES} bytes`)
  return key
}
