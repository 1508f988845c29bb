/** What the vectors of both signature profiles have (test/vectors/README.md). */
export interface Vector {
  name: string
  now: number
  t: number
  method: string
  target: string
  body?: string
  body_base64?: string
  body_repeat?: { prefix: string, text: string, times: number, suffix: string }
  signed?: string
  signed_base64?: string
  signed_sha256?: string
  mac: string
  header: string
  canonical: boolean
  valid: boolean
  reason?: 'grammar' | 'clock' | 'mac'
}

export interface SignatureVector extends Vector { key: string, path: string }
export interface HardenedVector extends Vector { secret: string, n: string, previous_secret?: string, previous_until?: number }

export function bodyOf ({ body, body_base64: base64, body_repeat: repeat }: Pick<Vector, 'body' | 'body_base64' | 'body_repeat'>): Buffer {
  if (repeat !== undefined) return Buffer.from(repeat.prefix + repeat.text.repeat(repeat.times) + repeat.suffix)
  return base64 === undefined ? Buffer.from(body ?? '') : Buffer.from(base64, 'base64')
}
