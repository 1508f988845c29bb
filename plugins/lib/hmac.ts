/**
 * The published request signature: HMAC-SHA-256 (RFC 2104), keyed with the raw API key, over `{t}.{METHOD}.{path}.{raw body}`.
 * Bytes stay bytes: the body is fed to the hash as it came, never joined with the head and never decoded.
 */
import { timingSafeEqual } from 'node:crypto'
import { hmacSha256Hex } from './hmac-sha256.ts'

/** Seconds that the signed time may differ from ours, either way. */
export const TOLERANCE_SECONDS = 300

const TIMESTAMP = /^[1-9]\d{0,10}$/
const HEX_MAC = /^[0-9a-f]{64}$/
/** RFC 9110 section 5.6.1: blanks and tabs may stand around a member of a list, and nothing else. */
const OPTIONAL_WHITESPACE = /^[ \t]+|[ \t]+$/g
const SIGNATURES_MAX = 2
const HEADER_CHARS_MAX = 1024

export interface SignatureHeader { timestampSeconds: number, timestamp: string, macs: Buffer[] }

/**
 * Reads `t=<unix seconds>,v1=<64 lowercase hex>`. One `t`, one or two `v1`, in any order; unknown parts are ignored.
 * Null when it is anything else.
 */
export function parseSignatureHeader (header: string): SignatureHeader | null {
  if (header.length > HEADER_CHARS_MAX) return null
  let timestamp: string | null = null
  const macs: Buffer[] = []
  for (const part of header.split(',')) {
    const text = part.replace(OPTIONAL_WHITESPACE, '')
    const equals = text.indexOf('=')
    const name = equals < 0 ? text : text.slice(0, equals)
    const value = equals < 0 ? '' : text.slice(equals + 1)
    if (name === 't') {
      if (timestamp !== null || !TIMESTAMP.test(value)) return null
      timestamp = value
    } else if (name === 'v1') {
      if (!HEX_MAC.test(value) || macs.length === SIGNATURES_MAX) return null
      macs.push(Buffer.from(value, 'hex'))
    }
  }
  if (timestamp === null || macs.length === 0) return null
  return { timestamp, timestampSeconds: Number(timestamp), macs }
}

export interface SignedParts {
  key: string
  /** As written in the header. */
  timestamp: string
  method: string
  /** As sent, without the query. */
  path: string
  body: Buffer
}

/** The 32 bytes that a signature of these parts must equal. */
export function macOf (parts: SignedParts): Buffer {
  const head = `${parts.timestamp}.${parts.method.toUpperCase()}.${parts.path}.`
  return Buffer.from(hmacSha256Hex(parts.key, head, parts.body), 'hex')
}

/** Whether any of the header's signatures equals the expected one. All are compared, each in constant time. */
export function anyMacMatches (macs: readonly Buffer[], expected: Buffer): boolean {
  let matches = false
  for (const mac of macs) matches = (mac.length === expected.length && timingSafeEqual(mac, expected)) || matches
  return matches
}

export interface SignOptions { key: string, timestampSeconds: number, method: string, path: string, body: Buffer }

/** The value of `X-FB-Signature` for a request. `path` is taken without its query, as the signature does not cover it. */
export function signRequest (options: SignOptions): string {
  const timestamp = String(options.timestampSeconds)
  const mac = macOf({ ...options, timestamp, path: pathOf(options.path) })
  return `t=${timestamp},v1=${mac.toString('hex')}`
}

/** A request target up to its query (RFC 9112 section 3.2.1). */
export function pathOf (target: string): string {
  const query = target.indexOf('?')
  return query < 0 ? target : target.slice(0, query)
}
