/**
 * Says why a signature was refused: which part differed, and what the signer must change. It tries the mistakes that signers make and
 * names the first whose signature is the one that was sent. Pure; it accepts nothing. What it finds is for the operator and for whoever
 * holds the key: nothing of it goes to a client.
 */
import { createHash } from 'node:crypto'
import { parseHardenedHeader, type SigningProfile } from './hardened-signature.ts'
import { parseSignatureHeader, TOLERANCE_SECONDS } from './hmac.ts'
import { headerMistakeOf, HEADER_ADVICE } from './signature-header-mistakes.ts'
import { isSignatureOf, partsOf, type MessageParts } from './signature-message.ts'
import { MISTAKES, type Mistake, type Part, type Surroundings } from './signature-mistakes.ts'

const SHOWN_BYTES_MAX = 4096
const HALF_HOUR_SECONDS = 1800
const ZONES_SECONDS_MAX = 14 * 3600

export interface Evidence {
  readonly profile: SigningProfile
  readonly header: string
  readonly method: string
  /** As sent. */
  readonly target: string
  readonly host: string
  /** Null when it was not read. */
  readonly body: Buffer | null
  readonly nowSeconds: number
  /** What the caller signs with: the API key, or the valid signing secrets. */
  readonly keys: ReadonlyArray<MessageParts['key']>
  readonly apiKey: string | null
  /** Default `/api/public/v1`. */
  readonly prefix?: string
}

export interface Diagnosis {
  readonly part: Part
  /** Names of the mistakes; two when only both together explain the signature. */
  readonly mistakes: readonly string[]
  /** Seconds that the signer's clock is ahead, when that is the mistake. */
  readonly aheadSeconds?: number
}

/** Null when nothing is wrong with the signature. */
export function diagnoseSignature (evidence: Evidence): Diagnosis | null {
  const { profile, header, nowSeconds, body } = evidence
  const parsed: { timestamp: string, timestampSeconds: number, nonce?: string, macs: Buffer[] } | null = profile === 'hardened' ? parseHardenedHeader(header) : parseSignatureHeader(header)
  if (parsed === null) return { ...headerMistakeOf(header, profile) }
  const clock = clockMistake(parsed.timestampSeconds - nowSeconds)
  if (body === null) return clock ?? { part: 'unknown', mistakes: ['body_not_read'] }
  const { method, target } = evidence
  const right = evidence.keys.map((key) => partsOf(profile, { key, time: parsed.timestamp, nonce: parsed.nonce ?? '', method, target, body }))
  if (right.some((parts) => isSignatureOf(parts, parsed.macs))) return clock
  const around: Surroundings = { profile, target, host: evidence.host, prefix: evidence.prefix ?? '/api/public/v1', apiKey: profile === 'hardened' ? evidence.apiKey : null }
  for (const parts of right) {
    const found = firstMistake(parts, around, parsed.macs) ?? firstPair(parts, around, parsed.macs)
    if (found !== null) return found
  }
  return { part: 'unknown', mistakes: ['unexplained'] }
}

/** The text that must be signed, where the header can be read and the body is text of moderate length; null otherwise. */
export function messageFor ({ profile, header, method, target, body }: Evidence): string | null {
  const parsed: { timestamp: string, nonce?: string } | null = profile === 'hardened' ? parseHardenedHeader(header) : parseSignatureHeader(header)
  if (parsed === null || body === null) return null
  const { time, nonce, target: covered, method: upper } = partsOf(profile, { key: '', time: parsed.timestamp, nonce: parsed.nonce ?? '', method, target, body })
  if (profile === 'hardened') return `v2.${time}.${nonce}.${upper}.${covered}.${createHash('sha256').update(body).digest('hex')}`
  const text = body.toString('utf8')
  return body.length > SHOWN_BYTES_MAX || !Buffer.from(text).equals(body) ? null : `${time}.${upper}.${covered}.${text}`
}

function firstMistake (parts: MessageParts, around: Surroundings, macs: readonly Buffer[]): Diagnosis | null {
  const mistake = MISTAKES.find(({ changes }) => changes(parts, around).some((change) => isSignatureOf({ ...parts, ...change }, macs)))
  return mistake === undefined ? null : { part: mistake.part, mistakes: [mistake.code] }
}

/** Two common mistakes at once, in different places. */
function firstPair (parts: MessageParts, around: Surroundings, macs: readonly Buffer[]): Diagnosis | null {
  const common = MISTAKES.filter(({ isCommon }) => isCommon === true)
  for (const [index, first] of common.entries()) {
    const changed = first.changes(parts, around).map((change) => ({ ...parts, ...change }))
    for (const second of common.slice(index + 1)) {
      if (changed.some((one) => explains(second, one, around, macs))) return { part: first.part, mistakes: [first.code, second.code] }
    }
  }
  return null
}

function explains (mistake: Mistake, parts: MessageParts, around: Surroundings, macs: readonly Buffer[]): boolean {
  return mistake.changes(parts, around).some((change) => isSignatureOf({ ...parts, ...change }, macs))
}

function clockMistake (aheadSeconds: number): Diagnosis | null {
  if (Math.abs(aheadSeconds) <= TOLERANCE_SECONDS) return null
  const zones = Math.round(aheadSeconds / HALF_HOUR_SECONDS) * HALF_HOUR_SECONDS
  const isZone = zones !== 0 && Math.abs(zones) <= ZONES_SECONDS_MAX && Math.abs(aheadSeconds - zones) <= 60
  const sign = aheadSeconds > 0 ? 'clock_ahead' : 'clock_behind'
  return { part: 'clock', mistakes: [isZone ? 'clock_time_zone' : sign], aheadSeconds }
}

const OTHER_ADVICE: Readonly<Record<string, string>> = {
  ...HEADER_ADVICE,
  clock_ahead: 'Set the signer\'s clock: t is more than 300 seconds ahead of the server\'s, whose time stands in the Date header of the refusal.',
  clock_behind: 'Sign just before sending, with the current time: t is more than 300 seconds behind the server\'s, whose time stands in the Date header of the refusal.',
  clock_time_zone: 'Take Unix time, which has no time zone: t is off by whole half hours, as when local time is taken for UTC.',
  replayed: 'Sign each request afresh (with a nonce of its own on the hardened profile): this one was accepted before.',
  rotated: 'Sign with the new signing secret: the one before has stopped being valid.',
  body_not_read: 'The body was not read, so only time and header could be judged; both are right.',
  body_too_large: 'The body is too large to try mistakes on; send a small one, or give the request to fb doctor.',
  busy: 'Too many refusals at once to explain each; look at another one.',
  unexplained: 'No known mistake gives this signature: compare the signed text with the vectors of the documentation, and make sure that it was this key.'
}

const ADVICE = new Map([...Object.entries(OTHER_ADVICE), ...MISTAKES.map(({ code, advice }): [string, string] => [code, advice])])

/** What the signer must change, in one sentence for each mistake; null for a name that is none. */
export function adviceFor (mistakes: readonly string[]): string | null {
  const sentences = mistakes.map((code) => ADVICE.get(code))
  return sentences.length === 0 || sentences.includes(undefined) ? null : sentences.join(' ')
}

/** All names of mistakes, for documentation and tests. */
export function mistakeNames (): string[] {
  return [...ADVICE.keys()]
}

/** For an audit row: the check that refused, the part that differed, the mistakes; `mac/query/query_signed`. */
export function reasonOf (check: string, { part, mistakes, aheadSeconds }: Diagnosis): string {
  return `${check}/${part}/${mistakes.join('+')}${aheadSeconds === undefined ? '' : `:${aheadSeconds}`}`
}

/** The way back from an audit row's reason; null when it explains nothing. */
export function readReason (reason: string): Diagnosis & { check: string } | null {
  const match = /^([a-z]+)\/([a-z]+)\/([a-z0-9_+]+)(?::(-?\d{1,11}))?$/.exec(reason)
  if (match === null) return null
  const [, check = '', part = '', mistakes = '', ahead] = match
  return { check, part: part as Part, mistakes: mistakes.split('+'), ...(ahead === undefined ? {} : { aheadSeconds: Number(ahead) }) }
}

/** True so many times a second. */
export function budgetPerSecond (countMax: number, now: () => number): () => boolean {
  let second = 0
  let count = 0
  return () => {
    const current = Math.floor(now() / 1000)
    if (current !== second) [second, count] = [current, 0]
    return ++count <= countMax
  }
}
