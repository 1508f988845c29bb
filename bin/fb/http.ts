/** The partner's side of the wire: signs a request and sends it. Used by `fb call`, `fb sign` and the demonstration. */
import { signHardened } from '../../plugins/lib/hardened-signature.ts'
import { signRequest } from '../../plugins/lib/hmac.ts'

export const SURFACE_PREFIX = '/api/public/v1'
const ANSWER_DEADLINE_MS = 30_000

export interface Outgoing {
  /** Scheme, host and port. */
  origin: string
  method: string
  /** With the surface's prefix; a query is sent but not signed. */
  target: string
  /** No key: no bearer and no signature. */
  key?: string
  /** The signing secret of a hardened key, which signs in the key's place. */
  secret?: string
  /** False sends the bearer without a signature. Default true. */
  isSigned?: boolean
  body?: Buffer
  /** Signs these bytes instead of the body that is sent. */
  signedBody?: Buffer
  headers?: Record<string, string>
}

export interface Answer { status: number, headers: Headers, text: string, json: unknown }

/** The path as the surface knows it: `/evaluate` becomes `/api/public/v1/evaluate`. */
export function withPrefix (target: string): string {
  return target === SURFACE_PREFIX || target.startsWith(`${SURFACE_PREFIX}/`) ? target : SURFACE_PREFIX + target
}

/** The headers that make a request acceptable now; they are good for 300 seconds. */
export function signatureFor (key: string, method: string, target: string, body: Buffer, timestampSeconds = Math.floor(Date.now() / 1000)): string {
  return signRequest({ key, timestampSeconds, method: method.toUpperCase(), path: target.split('?', 1)[0] ?? target, body })
}

/** The same of a key with the hardened profile; good once. */
export function hardenedSignatureFor (secret: string, method: string, target: string, body: Buffer): string {
  return signHardened({ secret, method: method.toUpperCase(), target, body })
}

export async function send (request: Outgoing): Promise<Answer> {
  const { origin, method, target, key, secret, body } = request
  const headers: Record<string, string> = { ...request.headers }
  if (key !== undefined) headers['authorization'] = `Bearer ${key}`
  if (key !== undefined && request.isSigned !== false) {
    const signed = request.signedBody ?? body ?? Buffer.alloc(0)
    headers['x-fb-signature'] = secret === undefined ? signatureFor(key, method, target, signed) : hardenedSignatureFor(secret, method, target, signed)
  }
  if (body !== undefined) headers['content-type'] = 'application/json'
  const response = await fetch(origin + target, {
    method: method.toUpperCase(),
    headers,
    redirect: 'manual',
    signal: AbortSignal.timeout(ANSWER_DEADLINE_MS),
    ...(body === undefined ? {} : { body: new Uint8Array(body) })
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, text, json: parseOrNull(text) }
}

function parseOrNull (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // An answer that is not JSON is shown as it came.
    return null
  }
}
