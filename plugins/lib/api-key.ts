/** The bearer key: `fb_live_` and 48 lowercase hex characters (192 random bits). Only its SHA-256 is stored. */
import { hash, randomBytes } from 'node:crypto'

const API_KEY = /^fb_live_[0-9a-f]{48}$/
/** The scheme's case does not matter (RFC 9110 section 11.1), the key's does. */
const BEARER = /^[Bb][Ee][Aa][Rr][Ee][Rr] fb_live_[0-9a-f]{48}$/
const SCHEME_CHARS = 'Bearer '.length
const RANDOM_BYTES = 24

/** Characters of a key that may be logged or displayed. */
export const PREFIX_CHARS = 12

export interface GeneratedKey { key: string, prefix: string, digest: Buffer }

/** A new key from the system's random source. Show `key` once; store `prefix` and `digest`. */
export function generateApiKey (): GeneratedKey {
  const key = `fb_live_${randomBytes(RANDOM_BYTES).toString('hex')}`
  return { key, prefix: key.slice(0, PREFIX_CHARS), digest: digestOf(key) }
}

/** Whether a text has the exact shape of a key. */
export function isApiKey (text: string): boolean {
  return API_KEY.test(text)
}

/** The key in an `Authorization` header (RFC 6750 section 2.1), or null when there is none of our shape. */
export function bearerKeyOf (header: string | undefined): string | null {
  return header !== undefined && BEARER.test(header) ? header.slice(SCHEME_CHARS) : null
}

/** SHA-256 of the key's characters: what the store is asked for. */
export function digestOf (key: string): Buffer {
  return Buffer.from(digestHexOf(key), 'hex')
}

/** The same as 64 lowercase hex characters. */
export function digestHexOf (key: string): string {
  // A key is ASCII; the one-shot digest takes text as UTF-8, which is the same bytes.
  return hash('sha256', key, 'hex')
}
