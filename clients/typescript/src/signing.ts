/** Both signature profiles. The bytes that are signed are the bytes that are sent. */
import { createHash, createHmac, randomBytes } from 'node:crypto'

export interface Credentials {
  /** `fb_live_` and 48 lowercase hex digits. */
  apiKey: string
  /** `fbs_` and 64 lowercase hex digits, for a key on the hardened profile. */
  signingSecret: string | null
}

export interface Signed {
  timestampSeconds: number
  /** Upper case. */
  method: string
  /** Path and query, as they are sent. */
  target: string
  body: Uint8Array
}

const NONCE_BYTES = 18

/** The value of `X-FB-Signature`: of the hardened profile where there is a secret for it, else of the published one. */
export function signatureOf ({ apiKey, signingSecret }: Credentials, request: Signed): string {
  return signingSecret === null ? published(apiKey, request) : hardened(signingSecret, request)
}

function published (apiKey: string, { timestampSeconds, method, target, body }: Signed): string {
  const [path] = target.split('?', 1)
  const mac = createHmac('sha256', apiKey).update(`${timestampSeconds}.${method}.${path}.`).update(body).digest('hex')
  return `t=${timestampSeconds},v1=${mac}`
}

function hardened (secret: string, { timestampSeconds, method, target, body }: Signed): string {
  const nonce = randomBytes(NONCE_BYTES).toString('hex')
  const digest = createHash('sha256').update(body).digest('hex')
  const mac = createHmac('sha256', secret).update(`v2.${timestampSeconds}.${nonce}.${method}.${target}.${digest}`).digest('hex')
  return `t=${timestampSeconds},n=${nonce},v2=${mac}`
}

/**
 * The time to sign with: now as the service has it. Two equal requests that change state must not have one signature (the second would
 * be refused as a replay), so the later of two in one second is signed for the next.
 */
export class SigningClock {
  readonly #now: () => number
  readonly #lastByRequest = new Map<string, number>()
  #offsetMs = 0

  /** @param now Unix milliseconds. */
  constructor (now: () => number) {
    this.#now = now
  }

  /** Unix milliseconds as the service has them. */
  nowMs (): number {
    return this.#now() + this.#offsetMs
  }

  /** Takes the service's time over. Returns by how many milliseconds the clock was off. */
  correct (serverMs: number): number {
    const offByMs = serverMs - this.nowMs()
    this.#offsetMs += offByMs
    // What was signed by the wrong clock says nothing about the right one.
    this.#lastByRequest.clear()
    return offByMs
  }

  timestampFor (method: string, target: string, body: Uint8Array): number {
    const nowSeconds = Math.floor(this.nowMs() / 1000)
    if (method === 'GET') return nowSeconds
    for (const [id, last] of this.#lastByRequest) if (last < nowSeconds - 1) this.#lastByRequest.delete(id)
    const id = createHash('sha256').update(`${method} ${target}\n`).update(body).digest('base64url')
    const timestamp = Math.max(nowSeconds, (this.#lastByRequest.get(id) ?? 0) + 1)
    this.#lastByRequest.set(id, timestamp)
    return timestamp
  }
}
