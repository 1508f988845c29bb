/**
 * The published request signature: HMAC-SHA-256 (RFC 2104), keyed with the raw API key, over `{t}.{METHOD}.{path}.{raw body}`.
 * Bytes stay bytes: the body is fed to the hash as it came, never joined with the head and never decoded.
 */
import { timingSafeEqual } from 'node:crypto'
import { hmacSha256Hex } from './hmac-sha256.ts'

/** Seconds that the signed time may differ from ours, either way. */
export const TOLERANCE_SECONDS = 300

/** Whole Unix seconds. */
export const TIMESTAMP = /^[1-9]\d{0,10}$/
const HEX_MAC = /^[0-9a-f]{64}$/
/** RFC 9110 section 5.6.1: blanks and tabs may stand around a member of a list, and nothing else. */
const OPTIONAL_WHITESPACE = /^[ \t]+|[ \t]+$/g
const SIGNATURES_MAX = 2
const HEADER_CHARS_MAX = 1024

export interface SignatureHeader { timestampSeconds: number, timestamp: string, macs: Buffer[] }

/**
 * The grammar of both profiles: parts with a comma between them, those of `once` exactly once and in their form, one or two MACs of 64
 * lowercase hex characters, in any order; unknown parts are ignored. Null when the header is anything else.
 */
export function readSignatureParts (header: string, macName: 'v1' | 'v2', once: ReadonlyMap<string, RegExp>): { values: ReadonlyMap<string, string>, macs: Buffer[] } | null {
  if (header.length > HEADER_CHARS_MAX) return null
  const values = new Map<string, string>()
  const macs: Buffer[] = []
  for (const part of header.split(',')) {
    const text = part.replace(OPTIONAL_WHITESPACE, '')
    const equals = text.indexOf('=')
    const name = equals < 0 ? text : text.slice(0, equals)
    const value = equals < 0 ? '' : text.slice(equals + 1)
    const form = once.get(name)
    if (form !== undefined) {
      if (values.has(name) || !form.test(value)) return null
      values.set(name, value)
    } else if (name === macName) {
      if (!HEX_MAC.test(value) || macs.length === SIGNATURES_MAX) return null
      macs.push(Buffer.from(value, 'hex'))
    }
  }
  return values.size === once.size && macs.length > 0 ? { values, macs } : null
}

const PUBLISHED_PARTS = new Map([['t', TIMESTAMP]])
/** The header as nearly everybody writes it: read at once, to the same result. */
const USUAL = /^t=([1-9]\d{0,10}),v1=([0-9a-f]{64})$/

/** Reads `t=<unix seconds>,v1=<64 lowercase hex>`; see `readSignatureParts`. */
export function parseSignatureHeader (header: string): SignatureHeader | null {
  const usual = USUAL.exec(header)
  if (usual?.[1] !== undefined && usual[2] !== undefined) return { timestamp: usual[1], timestampSeconds: Number(usual[1]), macs: [Buffer.from(usual[2], 'hex')] }
  const parts = readSignatureParts(header, 'v1', PUBLISHED_PARTS)
  const timestamp = parts?.values.get('t')
  return parts === null || timestamp === undefined ? null : { timestamp, timestampSeconds: Number(timestamp), macs: parts.macs }
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
