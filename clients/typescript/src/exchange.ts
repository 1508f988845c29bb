/** One request and what is tried when it fails: waits that the service asks for, a clock that is off, connections that break. */
import { setTimeout as delay } from 'node:timers/promises'
import { ConnectionError, RefusedError } from './errors.ts'
import { signatureOf, SigningClock, type Credentials } from './signing.ts'
import type { Refusal } from './types.ts'

/** A clock that is less far off than this is not why a signature is refused: 300 seconds are tolerated. */
const SKEW_MS_MIN = 60_000
const BACKOFF_MS = 250
const BACKOFF_MS_MAX = 8000
const MS = 1000

export interface ExchangeOptions {
  /** Origin of the service. */
  origin: string
  credentials: Credentials
  /** Milliseconds for one attempt, its body included. */
  timeoutMs: number
  /** Attempts after the first, for each kind of failure together. */
  retriesMax: number
  /** Milliseconds; a longer `Retry-After` is left to the caller. */
  retryAfterMsMax: number
  userAgent: string
  /** Unix milliseconds. */
  now: () => number
}

export interface RequestOptions {
  /** Ends the attempt under way and every wait. */
  signal?: AbortSignal
  /** Milliseconds for one attempt. Default the client's. */
  timeoutMs?: number
}

export interface Call {
  operation: string
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** Path and query. */
  target: string
  /** False for what needs no key. */
  isSigned: boolean
  body?: unknown
  idempotencyKey?: string
}

export interface Reply {
  json: unknown
  headers: Headers
  /** Attempts made, this one included. */
  attempts: number
}

interface Attempt { status: number, headers: Headers, json: unknown }

export class Exchange {
  readonly #options: ExchangeOptions
  readonly #clock: SigningClock

  constructor (options: ExchangeOptions) {
    this.#options = options
    this.#clock = new SigningClock(options.now)
  }

  /** Resolves to a 2xx. Rejects with RefusedError, ConnectionError or the signal's reason. */
  async send (call: Call, options: RequestOptions = {}): Promise<Reply> {
    // A second arrival of these does no harm: they change nothing, or the service knows them again.
    const isRepeatable = call.method === 'GET' || call.idempotencyKey !== undefined
    const body = call.body === undefined ? new Uint8Array() : new TextEncoder().encode(JSON.stringify(call.body))
    let isClockCorrected = false
    for (let attempts = 1; ; attempts++) {
      options.signal?.throwIfAborted()
      const isLast = attempts > this.#options.retriesMax
      const outcome = await this.#attempt(call, body, options)
      if (outcome instanceof ConnectionError) {
        if (isLast || !isRepeatable) throw outcome
        await this.#wait(backoffMs(attempts), options.signal)
        continue
      }
      if (outcome.status >= 200 && outcome.status < 300) return { json: outcome.json, headers: outcome.headers, attempts }
      const refusal = refusalOf(call.operation, outcome, attempts)
      if (refusal.code === 'signature_invalid' && !isClockCorrected && this.#correctClock(outcome.headers)) {
        isClockCorrected = true
        continue
      }
      const waitMs = this.#waitBefore(refusal, attempts, isRepeatable)
      if (isLast || waitMs === null) throw refusal
      await this.#wait(waitMs, options.signal)
    }
  }

  /** Milliseconds until it makes sense to try again; null when it makes none. */
  #waitBefore ({ status, retryAfterSeconds }: RefusedError, attempts: number, isRepeatable: boolean): number | null {
    const askedMs = retryAfterSeconds === null ? null : retryAfterSeconds * MS
    if (askedMs !== null && askedMs > this.#options.retryAfterMsMax) return null
    // It was not admitted, so nothing happened, whatever it was.
    if (status === 429) return askedMs ?? backoffMs(attempts)
    if (status === 503 && isRepeatable) return Math.max(askedMs ?? 0, backoffMs(attempts))
    return null
  }

  async #wait (ms: number, signal: AbortSignal | undefined): Promise<void> {
    await delay(ms, undefined, signal === undefined ? {} : { signal }).catch((err: unknown) => {
      signal?.throwIfAborted()
      throw err
    })
  }

  #correctClock (headers: Headers): boolean {
    const serverMs = Date.parse(headers.get('date') ?? '')
    if (Number.isNaN(serverMs) || Math.abs(serverMs - this.#clock.nowMs()) < SKEW_MS_MIN) return false
    this.#clock.correct(serverMs)
    return true
  }

  async #attempt (call: Call, body: Uint8Array<ArrayBuffer>, { signal, timeoutMs = this.#options.timeoutMs }: RequestOptions): Promise<Attempt | ConnectionError> {
    const deadline = AbortSignal.timeout(timeoutMs)
    try {
      const answer = await fetch(`${this.#options.origin}${call.target}`, {
        method: call.method,
        headers: this.#headersFor(call, body),
        ...(call.body === undefined ? {} : { body }),
        // A redirect would carry the key to wherever it points.
        redirect: 'error',
        signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline])
      })
      const json = parse(await answer.text())
      if (!isObject(json) || typeof json['ok'] !== 'boolean' || json['ok'] !== answer.ok) return new ConnectionError(call.operation, 'not_understood', answer.status)
      return { status: answer.status, headers: answer.headers, json }
    } catch (err) {
      signal?.throwIfAborted()
      return new ConnectionError(call.operation, deadline.aborted ? 'timeout' : 'connection_failed', null, causeOf(err))
    }
  }

  #headersFor ({ method, target, isSigned, idempotencyKey, body: json }: Call, body: Uint8Array): Record<string, string> {
    const { credentials, userAgent } = this.#options
    return {
      accept: 'application/json',
      'user-agent': userAgent,
      ...(json === undefined ? {} : { 'content-type': 'application/json' }),
      ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
      ...(isSigned
        ? { authorization: `Bearer ${credentials.apiKey}`, 'x-fb-signature': signatureOf(credentials, { timestampSeconds: this.#clock.timestampFor(method, target, body), method, target, body }) }
        : {})
    }
  }
}

function refusalOf (operation: string, { status, headers, json }: Attempt, attempts: number): RefusedError {
  const { error, code, detail, meta } = json as Refusal
  const seconds = Number(headers.get('retry-after') ?? Number.NaN)
  return new RefusedError({
    operation,
    status,
    code,
    sentence: error,
    detail,
    watermark: meta?.watermark ?? headers.get('x-fb-watermark'),
    retryAfterSeconds: Number.isFinite(seconds) && seconds >= 0 ? seconds : null,
    attempts
  })
}

/** Full jitter over a doubling bound. */
function backoffMs (attempts: number): number {
  return Math.ceil((0.5 + Math.random() / 2) * Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** (attempts - 1)))
}

/** What the runtime says of a broken connection: its code. The address that was called may hold a result token. */
function causeOf (err: unknown): { code: string } | undefined {
  const inner: unknown = err instanceof Error && err.cause instanceof Error ? err.cause : err
  return inner instanceof Error && 'code' in inner && typeof inner.code === 'string' ? { code: inner.code } : undefined
}

function parse (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

export function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
