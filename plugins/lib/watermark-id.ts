/**
 * The watermark: `wm_`, then 36 characters of `[0-9a-z]`: nine of time (milliseconds, base 36), nineteen random (about 98 bits) and
 * eight of a MAC under a server key, so that a forged one is recognised without a database, and the time finds the partition.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { hmacSha256Hex } from './hmac-sha256.ts'

const TIME_CHARS = 9
const RANDOM_CHARS = 19
const WATERMARK = /^wm_([0-9a-z]{28})([0-9a-z]{8})$/
const DIGITS = '0123456789abcdefghijklmnopqrstuvwxyz'
const DIGIT_BYTES = Buffer.from(DIGITS)
/** Every two digits: looked up, a number is written in a third of the time that dividing it digit by digit takes. */
const PAIRS = [...DIGITS].flatMap((high) => [...DIGITS].map((low) => high + low))
const TWO_DIGITS = 36 ** 2
const FOUR_DIGITS = 36 ** 4
const POOL_BYTES = 4096
const MAC_BYTES = 6
const DIGIT_0 = 0x30
const LETTER_A = 0x61

// Random bytes are drawn in blocks: a call a watermark costs more than the rest of it.
let pool = Buffer.alloc(0)
let used = 0
const random = Buffer.alloc(RANDOM_CHARS)
// Many watermarks are minted in one millisecond.
let time = { ms: -1, text: '' }

/** A new watermark; unguessable and unique. */
export function mintWatermark (secret: Buffer, nowMs: number = Date.now()): string {
  const ms = Math.floor(nowMs)
  if (time.ms !== ms) time = { ms, text: ms.toString(36).padStart(TIME_CHARS, '0') }
  const body = time.text + randomBase36(RANDOM_CHARS)
  return `wm_${body}${macOf(body, secret)}`
}

/** Whether this server key made the watermark. Constant time in the MAC; false for any other text. */
export function verifyWatermark (text: string, secret: Buffer): boolean {
  const match = WATERMARK.exec(text)
  if (match === null) return false
  const [, body = '', mac = ''] = match
  return timingSafeEqual(Buffer.from(mac), Buffer.from(macOf(body, secret)))
}

/** Time and random part of a watermark, or null for any other text. */
export function bodyOf (text: string): string | null {
  return WATERMARK.exec(text)?.[1] ?? null
}

/** The watermark of a body that is known to be ours: an opened reference holds one. */
export function sealBody (body: string, secret: Buffer): string {
  return `wm_${body}${macOf(body, secret)}`
}

/** Unix milliseconds at which a watermark was minted. NaN when the text is none. */
export function watermarkTime (text: string): number {
  return WATERMARK.test(text) ? Number.parseInt(text.slice(3, 3 + TIME_CHARS), 36) : Number.NaN
}

/** The last eight digits of the number in base 36 that the first bytes of the MAC are. */
function macOf (body: string, secret: Buffer): string {
  const digest = hmacSha256Hex(secret, body)
  let mac = 0
  for (let at = 0; at < 2 * MAC_BYTES; at++) mac = mac * 16 + nibbleOf(digest.charCodeAt(at))
  const above = Math.floor(mac / FOUR_DIGITS)
  return fourDigits(above % FOUR_DIGITS) + fourDigits(mac - above * FOUR_DIGITS)
}

/** Of a lowercase hex digit. */
function nibbleOf (code: number): number {
  return code < LETTER_A ? code - DIGIT_0 : code - LETTER_A + 10
}

function fourDigits (number: number): string {
  return `${PAIRS[Math.floor(number / TWO_DIGITS)]}${PAIRS[number % TWO_DIGITS]}`
}

/** The random part goes into a buffer first: a text that grows by characters is a chain of pieces, and each of its readers walks it. */
function randomBase36 (chars: number): string {
  let at = 0
  while (at < chars) {
    if (used === pool.length) {
      pool = randomBytes(POOL_BYTES)
      used = 0
    }
    const byte = pool[used++] ?? 255
    // 252 is the largest multiple of 36 in a byte; what lies above it would favour the first characters.
    if (byte < 252) random[at++] = DIGIT_BYTES[byte % 36] ?? 0
  }
  return random.toString('latin1', 0, chars)
}
