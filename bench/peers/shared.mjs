// What every peer does in the same way, because none of its packages brings it: the key by its SHA-256, the signature over the exact
// bytes, the answer. BENCH_KEYS is a file with one API key a line; a peer holds them all in memory, where the chain reads a database.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'

export const PATH = '/api/public/v1/bench'
export const LIMIT = 1000
/** Of the key in BENCH_SMALL_KEY, which is asked for more than it has before anything is measured. */
export const SMALL_LIMIT = 3
export const WINDOW_MS = 3_600_000
const TOLERANCE_SECONDS = 300
const SIGNATURE = /^t=([1-9]\d{0,10}),v1=([0-9a-f]{64})$/

const keys = new Map(readFileSync(process.env.BENCH_KEYS, 'utf8').split('\n').filter(Boolean).map((key, at) => [digestOf(key), { id: `key_${at}`, key, limit: LIMIT * 100 }]))
const smallKey = readFileSync(process.env.BENCH_SMALL_KEY, 'utf8')
keys.set(digestOf(smallKey), { id: 'key_small', key: smallKey, limit: SMALL_LIMIT })

function digestOf (key) {
  return createHash('sha256').update(key).digest('hex')
}

/** The record of a bearer key, or null. */
export function findKey (bearerKey) {
  return keys.get(digestOf(bearerKey)) ?? null
}

/** Whether the header signs this request now. */
export function isSigned (header, key, method, path, body) {
  const [, time, hex] = SIGNATURE.exec(header ?? '') ?? []
  if (time === undefined || Math.abs(Math.floor(Date.now() / 1000) - Number(time)) > TOLERANCE_SECONDS) return false
  const expected = createHmac('sha256', key).update(`${time}.${method}.${path}.`).update(body).digest()
  return timingSafeEqual(expected, Buffer.from(hex, 'hex'))
}

const ITEMS = ['one', 'two', 'three'].map((name) => ({ code: `BEN-${name}`, title: `A row of an answer, number ${name}`, severity: 'medium' }))

export function answerFor (number) {
  return { ok: true, data: { number, items: ITEMS }, meta: { watermark: '' } }
}

export const RESPONSE_SCHEMA = {
  type: 'object',
  properties: {
    ok: { type: 'boolean' },
    data: {
      type: 'object',
      properties: {
        number: { type: 'string' },
        items: { type: 'array', items: { type: 'object', properties: { code: { type: 'string' }, title: { type: 'string' }, severity: { type: 'string' } } } }
      }
    },
    meta: { type: 'object', properties: { watermark: { type: 'string' } } }
  }
}

export const BODY_SCHEMA = {
  type: 'object',
  required: ['run', 'number', 'text'],
  additionalProperties: false,
  properties: { run: { type: 'string' }, number: { type: 'string' }, text: { type: 'string' } }
}
