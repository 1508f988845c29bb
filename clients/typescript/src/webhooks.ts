/** Verifies webhooks from their raw bytes. Parse nothing before. */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { WebhookVerificationError, type WebhookProblem } from './errors.ts'
import type { EvaluationCompleteEvent, EvaluationErrorEvent, WebhookDisabledEvent, WebhookPingEvent } from './types.ts'

export type WebhookEventBody = EvaluationCompleteEvent | EvaluationErrorEvent | WebhookDisabledEvent | WebhookPingEvent
export type HeadersLike = Headers | Readonly<Record<string, string | string[] | undefined>>

export interface VerifyOptions {
  /** Seconds that the signed time may be off, either way. Default 300. */
  toleranceSeconds?: number
  /** Unix milliseconds. Default now. */
  nowMs?: number
}

export interface VerifiedWebhook {
  event: WebhookEventBody
  /** The `webhook-id`, the same whenever this event is sent again: deduplicate on it. Null when the Standard Webhooks headers are not there. */
  messageId: string | null
}

const TOLERANCE_SECONDS = 300
const SECRET = /^whsec_([0-9a-f]{48})$/
const TIMESTAMP = /^[1-9]\d{0,10}$/
const HEX_MAC = /^[0-9a-f]{64}$/
const SIGNATURES_MAX = 16

/**
 * Returns the event of an authentic webhook; throws WebhookVerificationError for any other. Of the two forms of signature
 * (`X-FB-Signature`, Standard Webhooks) one must be there, and each that is there must hold.
 *
 * @param rawBody the bytes as they came, before any parser
 * @param secret `whsec_…`, or two of them while you rotate
 */
export function verifyWebhook (rawBody: Uint8Array | string, headers: HeadersLike, secret: string | readonly [string, string], options: VerifyOptions = {}): VerifiedWebhook {
  const secrets = typeof secret === 'string' ? [secret] : [...secret]
  if (secrets.length === 0 || !secrets.every((one) => SECRET.test(one))) throw new TypeError('a signing secret is whsec_ and 48 lowercase hex digits')
  const { toleranceSeconds = TOLERANCE_SECONDS, nowMs = Date.now() } = options
  if (!Number.isFinite(toleranceSeconds) || toleranceSeconds < 0) throw new TypeError('toleranceSeconds must be a number of seconds')
  const body = typeof rawBody === 'string' ? Buffer.from(rawBody) : rawBody
  const isFresh = (timestamp: string): boolean => Math.abs(nowMs / 1000 - Number(timestamp)) <= toleranceSeconds

  const published = headerOf(headers, 'x-fb-signature')
  const [messageId, timestamp, standard] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) => headerOf(headers, name))
  if (published === null && standard === null) refuse('signature_missing')
  if (published !== null) verifyPublished(published, body, secrets, isFresh)
  if (standard !== null) verifyStandard({ messageId: messageId ?? '', timestamp: timestamp ?? '', header: standard ?? '' }, body, secrets, isFresh)
  return { event: parse(body), messageId: standard === null ? null : messageId ?? null }
}

function verifyPublished (header: string, body: Uint8Array, secrets: readonly string[], isFresh: (timestamp: string) => boolean): void {
  const parts = header.split(',').map((part) => part.trim())
  const times = parts.filter((part) => part.startsWith('t=')).map((part) => part.slice(2))
  const macs = parts.filter((part) => part.startsWith('v1=')).map((part) => part.slice(3))
  const [timestamp = ''] = times
  if (times.length !== 1 || !TIMESTAMP.test(timestamp) || macs.length === 0 || macs.length > SIGNATURES_MAX || !macs.every((mac) => HEX_MAC.test(mac))) refuse('signature_malformed')
  const expected = secrets.map((secret) => createHmac('sha256', secret).update(`${timestamp}.`).update(body).digest())
  judge(macs.map((mac) => Buffer.from(mac, 'hex')), expected)
  if (!isFresh(timestamp)) refuse('timestamp_out_of_tolerance')
}

function verifyStandard ({ messageId, timestamp, header }: { messageId: string, timestamp: string, header: string }, body: Uint8Array, secrets: readonly string[], isFresh: (timestamp: string) => boolean): void {
  const macs = header.split(' ').filter((part) => part.startsWith('v1,')).map((part) => Buffer.from(part.slice(3), 'base64'))
  if (messageId === '' || messageId.includes('.') || !TIMESTAMP.test(timestamp) || macs.length === 0 || macs.length > SIGNATURES_MAX) refuse('signature_malformed')
  const expected = secrets.map((secret) => createHmac('sha256', Buffer.from(secret.slice('whsec_'.length), 'base64')).update(`${messageId}.${timestamp}.`).update(body).digest())
  judge(macs, expected)
  if (!isFresh(timestamp)) refuse('timestamp_out_of_tolerance')
}

/** Every pair is compared, each in constant time. */
function judge (macs: readonly Buffer[], expected: readonly Buffer[]): void {
  let isAuthentic = false
  for (const mac of macs) for (const one of expected) isAuthentic = (mac.length === one.length && timingSafeEqual(mac, one)) || isAuthentic
  if (!isAuthentic) refuse('signature_invalid')
}

function headerOf (headers: HeadersLike, name: string): string | null {
  if (headers instanceof Headers) return headers.get(name)
  const found = Object.entries(headers).filter(([one, value]) => one.toLowerCase() === name && value !== undefined)
  if (found.length === 0) return null
  const [[, value] = []] = found
  if (found.length > 1 || typeof value !== 'string') refuse('signature_malformed')
  return value
}

function parse (body: Uint8Array): WebhookEventBody {
  try {
    const json: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
    if (typeof json === 'object' && json !== null && 'event' in json && typeof json.event === 'string') return json as WebhookEventBody
  } catch {
    refuse('body_malformed')
  }
  return refuse('body_malformed')
}

function refuse (problem: WebhookProblem): never {
  throw new WebhookVerificationError(problem)
}
