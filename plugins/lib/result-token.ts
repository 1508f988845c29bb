/**
 * The result token: an HS256 JWT (RFC 7519, RFC 8725) of 900 seconds, bound to one evaluation. Whether it was used before is not
 * its business. The header is compared byte for byte, so there is no algorithm to choose, and the signature as the very text that
 * this server would have written, so that no second spelling of a token exists.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'

export const TOKEN_TTL_SECONDS = 900
const ISSUER = 'flowbeacon'
const AUDIENCE = 'flowbeacon-public-api/results'
const HEADER = Buffer.from('{"alg":"HS256","typ":"JWT"}').toString('base64url')
const TOKEN_CHARS_MAX = 2048
const SEGMENT = /^[A-Za-z0-9_-]+$/

export interface ResultTokenClaims { evaluationId: string, orgId: string, jti: string }

/** How far another instance's clock may be ahead of ours: a token from further ahead would outlive its fifteen minutes. */
const CLOCK_SKEW_SECONDS = 30

/** A token that expires 900 seconds after `iatSeconds` (Unix seconds). */
export function mintResultToken (claims: ResultTokenClaims & { iatSeconds: number }, secret: Buffer): string {
  const payload = Buffer.from(JSON.stringify({
    iss: ISSUER, aud: AUDIENCE, sub: claims.evaluationId, org: claims.orgId, jti: claims.jti, iat: claims.iatSeconds, exp: claims.iatSeconds + TOKEN_TTL_SECONDS
  })).toString('base64url')
  return `${HEADER}.${payload}.${macOf(payload, secret)}`
}

/** The claims of a token that this server made and that has not expired, or null for anything else. */
export function verifyResultToken (token: string, secret: Buffer, nowSeconds: number): ResultTokenClaims | null {
  const [header, payload, mac, ...more] = token.length > TOKEN_CHARS_MAX ? [] : token.split('.')
  if (header !== HEADER || payload === undefined || mac === undefined || more.length > 0 || !SEGMENT.test(payload)) return null
  const expected = Buffer.from(macOf(payload, secret))
  const given = Buffer.from(mac)
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return null
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as Record<string, unknown>
  const { iss, aud, sub, org, jti, iat, exp } = claims
  if (iss !== ISSUER || aud !== AUDIENCE || typeof iat !== 'number' || exp !== iat + TOKEN_TTL_SECONDS || exp <= nowSeconds || iat > nowSeconds + CLOCK_SKEW_SECONDS) return null
  return typeof sub === 'string' && typeof org === 'string' && typeof jti === 'string' ? { evaluationId: sub, orgId: org, jti } : null
}

function macOf (payload: string, secret: Buffer): string {
  return createHmac('sha256', secret).update(`${HEADER}.${payload}`, 'latin1').digest('base64url')
}
