/**
 * What a webhook carries so that its receiver can tell it from a forged one. Two headers over one secret: the published
 * `X-FB-Signature: t=<unix>,v1=<hex>`, HMAC-SHA-256 of `{t}.{raw body}` under the whole `whsec_` text; and the three headers of
 * the Standard Webhooks specification, HMAC-SHA-256 of `{id}.{t}.{raw body}` under the base64 decoding of what follows `whsec_`.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { parseSignatureHeader, TOLERANCE_SECONDS } from './hmac.ts'

const SECRET_BYTES = 24
const SIGNING_SECRET = /^whsec_([0-9a-f]{48})$/

export interface SignWebhookOptions {
  /** `whsec_` and 48 lowercase hex characters. */
  secret: string
  /** The same for every attempt and resend of one event; without a dot. */
  messageId: string
  timestampSeconds: number
  /** The exact bytes that are sent. */
  body: Buffer
}

/** A new signing secret. 48 hex characters are also valid base64, of 36 bytes. */
export function generateSigningSecret (): string {
  return `whsec_${randomBytes(SECRET_BYTES).toString('hex')}`
}

/** The four signature headers of one attempt. Throws TypeError for a secret of another shape or an id with a dot. */
export function signWebhook (options: SignWebhookOptions): Record<string, string> {
  const { secret, messageId, timestampSeconds, body } = options
  const encoded = SIGNING_SECRET.exec(secret)?.[1]
  if (encoded === undefined) throw new TypeError('a signing secret is whsec_ and 48 lowercase hex characters')
  if (messageId.includes('.')) throw new TypeError('a message id must not contain a dot')
  const standard = createHmac('sha256', Buffer.from(encoded, 'base64')).update(`${messageId}.${timestampSeconds}.`).update(body).digest('base64')
  return {
    'x-fb-signature': `t=${timestampSeconds},v1=${macOf(secret, String(timestampSeconds), body).toString('hex')}`,
    'webhook-id': messageId,
    'webhook-timestamp': String(timestampSeconds),
    'webhook-signature': `v1,${standard}`
  }
}

/** Whether the published header belongs to these bytes and is at most 300 seconds old or ahead. What a receiver has to do. */
export function verifyWebhook (header: string, secret: string, body: Buffer, nowSeconds: number): boolean {
  const parsed = parseSignatureHeader(header)
  if (parsed === null || Math.abs(nowSeconds - parsed.timestampSeconds) > TOLERANCE_SECONDS) return false
  const expected = macOf(secret, parsed.timestamp, body)
  return parsed.macs.some((mac) => timingSafeEqual(mac, expected))
}

function macOf (secret: string, timestamp: string, body: Buffer): Buffer {
  return createHmac('sha256', secret).update(`${timestamp}.`).update(body).digest()
}
