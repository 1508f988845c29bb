/**
 * The hardened signature profile, opt-in per key: HMAC-SHA-256 (RFC 2104), keyed with a signing secret that never travels, over
 *
 *     v2.{t}.{n}.{METHOD}.{path?query as sent}.{SHA-256 of the body, lowercase hex}
 *
 * sent as `X-FB-Signature: t=<unix seconds>,n=<nonce>,v2=<64 lowercase hex>`. Unlike the published profile it covers the query, proves
 * possession of a second secret, and is accepted once on every method. The message has one reading: neither the time, the nonce, the method
 * nor the hash can hold a point. A nonce is 16 to 64 characters of `A-Z a-z 0-9 - _`: 24 random hex digits, a UUID, a ULID.
 */
import { createHash, createHmac, createSecretKey, randomBytes, type KeyObject } from 'node:crypto'
import { readSignatureParts, TIMESTAMP } from './hmac.ts'
import { openSecret, sealSecret, type MasterKeys } from './sealed-secret.ts'

export const SIGNING_PROFILES = ['published', 'hardened'] as const
export type SigningProfile = typeof SIGNING_PROFILES[number]

const SECRET = /^fbs_[0-9a-f]{64}$/
const SECRET_BYTES = 32
const NONCE = /^[A-Za-z0-9_-]{16,64}$/
const NONCE_BYTES = 12
const REPLAY_ID_CHARS = 32

export interface HardenedHeader { timestampSeconds: number, timestamp: string, nonce: string, macs: Buffer[] }

const HARDENED_PARTS = new Map([['t', TIMESTAMP], ['n', NONCE]])

/** Reads `t=<unix seconds>,n=<nonce>,v2=<64 lowercase hex>`; see `readSignatureParts`. Parts of the published profile are unknown ones here. */
export function parseHardenedHeader (header: string): HardenedHeader | null {
  const parts = readSignatureParts(header, 'v2', HARDENED_PARTS)
  const timestamp = parts?.values.get('t')
  const nonce = parts?.values.get('n')
  return parts === null || timestamp === undefined || nonce === undefined ? null : { timestamp, timestampSeconds: Number(timestamp), nonce, macs: parts.macs }
}

export interface HardenedParts {
  /** The whole signing secret, its prefix included; it is not decoded. */
  secret: string | KeyObject
  /** As written in the header. */
  timestamp: string
  nonce: string
  method: string
  /** Path and query as sent. */
  target: string
  body: Buffer
}

/** The 32 bytes that a signature of these parts must equal. */
export function hardenedMacOf (parts: HardenedParts): Buffer {
  const bodyHash = createHash('sha256').update(parts.body).digest('hex')
  return createHmac('sha256', parts.secret)
    .update(`v2.${parts.timestamp}.${parts.nonce}.${parts.method.toUpperCase()}.${parts.target}.${bodyHash}`, 'latin1')
    .digest()
}

export interface SignHardenedOptions {
  /** The signing secret, `fbs_` and 64 hex characters. */
  secret: string
  /** Default now. */
  timestampSeconds?: number
  /** Default 24 random hex digits. Never use one twice. */
  nonce?: string
  method: string
  /** Path and query, exactly as they are sent. */
  target: string
  /** Default empty. */
  body?: Buffer
}

/** The value of `X-FB-Signature` for a request of a hardened key. Throws a `TypeError` for what the service would not read. */
export function signHardened (options: SignHardenedOptions): string {
  const { secret, method, target } = options
  if (!isSigningSecret(secret)) throw new TypeError('secret must be fbs_ and 64 lowercase hex characters')
  const timestamp = String(options.timestampSeconds ?? Math.floor(Date.now() / 1000))
  if (!TIMESTAMP.test(timestamp)) throw new TypeError('timestampSeconds must be whole Unix seconds')
  // What is sent is ASCII: another character would be signed as something else than it is sent as.
  if (!/^\/[\x21-\x7e]*$/.test(target)) throw new TypeError('target must begin with / and be percent-encoded, as it is sent')
  const nonce = options.nonce ?? randomBytes(NONCE_BYTES).toString('hex')
  if (!NONCE.test(nonce)) throw new TypeError('nonce must be 16 to 64 characters of A-Z a-z 0-9 - _')
  const mac = hardenedMacOf({ secret, timestamp, nonce, method, target, body: options.body ?? Buffer.alloc(0) })
  return `t=${timestamp},n=${nonce},v2=${mac.toString('hex')}`
}

/** What makes a nonce of one key accepted once: 32 hex characters, whatever its length. */
export function replayIdOfNonce (nonce: string): string {
  return createHash('sha256').update(`n.${nonce}`, 'latin1').digest('hex').slice(0, REPLAY_ID_CHARS)
}

/** Whether a text has the exact shape of a signing secret. */
export function isSigningSecret (text: string): boolean {
  return SECRET.test(text)
}

/** A new signing secret for a key: show `secret` once, store `sealed`. */
export function newSigningSecret (keyId: string, masterKeys: MasterKeys): { secret: string, sealed: string } {
  const secret = `fbs_${randomBytes(SECRET_BYTES).toString('hex')}`
  return { secret, sealed: sealSigningSecret(secret, keyId, masterKeys) }
}

export function sealSigningSecret (secret: string, keyId: string, masterKeys: MasterKeys): string {
  return sealSecret(secret, signingContext(keyId), masterKeys)
}

/** The secret as a key that no log shows. Throws when it is damaged, another key's, or its master key is not there. */
export function openSigningSecret (sealed: string, keyId: string, masterKeys: MasterKeys): KeyObject {
  return createSecretKey(openSecret(sealed, signingContext(keyId), masterKeys), 'latin1')
}

/** What a key's signing secrets are sealed with, so that no other row's opens in their place. */
export function signingContext (keyId: string): string {
  return `signing ${keyId}`
}
