/** What a signer put together, in parts, so that the doctor can put them together as a mistaken signer would. */
import { createHash, createHmac, timingSafeEqual, type KeyObject } from 'node:crypto'
import type { SigningProfile } from './hardened-signature.ts'

type Field = 'version' | 'time' | 'nonce' | 'method' | 'target' | 'body'

export interface MessageParts {
  readonly key: string | Buffer | KeyObject
  readonly version: string
  readonly time: string
  readonly nonce: string
  readonly method: string
  /** Published: the path; hardened: path and query. */
  readonly target: string
  readonly body: Buffer
  /** How the body stands in the message. */
  readonly bodyForm: 'raw' | 'hex' | 'upper_hex' | 'base64_hash' | 'base64'
  readonly order: readonly Field[]
  readonly separator: string
  /** After everything. */
  readonly suffix: string
  readonly encoding: 'utf8' | 'utf16le'
  readonly algorithm: 'hmac' | 'sha256' | 'sha256_key_first'
}

export interface RequestParts { key: string | Buffer | KeyObject, time: string, nonce: string, method: string, target: string, body: Buffer }

const ORDERS: Readonly<Record<SigningProfile, readonly Field[]>> = {
  published: ['time', 'method', 'target', 'body'],
  hardened: ['version', 'time', 'nonce', 'method', 'target', 'body']
}

/** The parts as the profile wants them. */
export function partsOf (profile: SigningProfile, { key, time, nonce, method, target, body }: RequestParts): MessageParts {
  const isHardened = profile === 'hardened'
  return {
    key,
    version: 'v2',
    time,
    nonce,
    method: method.toUpperCase(),
    target: isHardened ? target : target.split('?', 1)[0] ?? '',
    body,
    bodyForm: isHardened ? 'hex' : 'raw',
    order: ORDERS[profile],
    separator: '.',
    suffix: '',
    encoding: 'utf8',
    algorithm: 'hmac'
  }
}

/** Whether a signature is over these parts. */
export function isSignatureOf (parts: MessageParts, macs: readonly Buffer[]): boolean {
  const mac = digestOf(parts)
  return macs.some((one) => one.length === mac.length && timingSafeEqual(one, mac))
}

function digestOf (parts: MessageParts): Buffer {
  const { algorithm, key, separator, suffix, encoding } = parts
  const hash = algorithm === 'hmac' ? createHmac('sha256', key) : createHash('sha256')
  if (algorithm === 'sha256_key_first' && (typeof key === 'string' || Buffer.isBuffer(key))) hash.update(key)
  for (const [index, field] of parts.order.entries()) {
    if (index > 0) hash.update(separator, encoding)
    const value = field === 'body' ? bodyIn(parts) : parts[field]
    if (typeof value === 'string') hash.update(value, encoding)
    else hash.update(value)
  }
  return hash.update(suffix, encoding).digest()
}

function bodyIn ({ body, bodyForm }: MessageParts): string | Buffer {
  const hash = (): Buffer => createHash('sha256').update(body).digest()
  switch (bodyForm) {
    case 'raw': return body
    case 'hex': return hash().toString('hex')
    case 'upper_hex': return hash().toString('hex').toUpperCase()
    case 'base64_hash': return hash().toString('base64')
    case 'base64': return body.toString('base64')
  }
}
