/**
 * The session of NextAuth v4: a compact JWE (RFC 7516), `dir` with `A256GCM`, in one cookie or in numbered chunks of it. The content key is
 * HKDF-SHA-256 (RFC 5869) of the secret's text, without salt, under NextAuth's own info string. Every reason against a token is
 * told apart here and kept private: to its bearer they are all one.
 */
import { hkdfSync } from 'node:crypto'
import { decodeProtectedHeader, jwtDecrypt, type JWTPayload } from 'jose'

export const SESSION_COOKIE = '__Secure-next-auth.session-token'
const KEY_INFO = 'NextAuth.js Generated Encryption Key'
const KEY_BYTES = 32
const TOKEN_CHARS_MAX = 16_384
const CHUNKS_MAX = 10
const COMPACT_JWE = /^[A-Za-z0-9_-]+\.\.[A-Za-z0-9_-]{16}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{22}$/
/** What may stand in a header: NextAuth writes the first two. No compression, and nothing critical that nobody here understands. */
const HEADER_NAMES = new Set(['alg', 'enc', 'typ'])
const CLAIM = /^[\x21-\x7e]{1,200}$/

export interface Session {
  /** Who is signed in: the claim `sub`. */
  readonly subject: string
  /** The claim `org_id`, or null. */
  readonly orgId: string | null
  /** The claim `role`, or null. */
  readonly role: string | null
}

/** `reason`: private, for the counters. */
export type SessionOutcome = { ok: true, session: Session } | { ok: false, reason: string }

/** The content key of all sessions under a secret (`NEXTAUTH_SECRET`, its text as it stands). */
export function sessionKeyOf (secret: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, '', KEY_INFO, KEY_BYTES))
}

/**
 * The token in a `Cookie` header (RFC 6265 section 5.4): whole, or joined from the chunks `.0`, `.1` and so on. Null when there is none, a
 * cookie stands there twice, a chunk is missing, or both forms are there: which one was meant would be a guess.
 */
export function sessionTokenOf (header: string | undefined): string | null {
  if (header === undefined) return null
  const parts = new Map<number, string>()
  for (const pair of header.split(';')) {
    const cut = pair.indexOf('=')
    const name = pair.slice(0, cut).trim()
    if (cut < 0 || !name.startsWith(SESSION_COOKIE)) continue
    const suffix = name.slice(SESSION_COOKIE.length)
    const place = suffix === '' ? -1 : /^\.(?:0|[1-9]\d?)$/.test(suffix) ? Number(suffix.slice(1)) : null
    if (place === null) continue
    if (parts.has(place)) return null
    parts.set(place, pair.slice(cut + 1).trim())
  }
  const whole = parts.get(-1)
  if (whole !== undefined) return parts.size === 1 && whole !== '' ? whole : null
  if (parts.size === 0 || parts.size > CHUNKS_MAX) return null
  let token = ''
  for (let place = 0; place < parts.size; place++) {
    const chunk = parts.get(place)
    if (chunk === undefined || chunk === '') return null
    token += chunk
  }
  return token
}

/** Opens a token at this time. Never rejects. `exp` and `sub` must be there; `nbf` counts where it is. */
export async function openSession (token: string, key: Uint8Array, nowMs: number): Promise<SessionOutcome> {
  if (token.length > TOKEN_CHARS_MAX || !COMPACT_JWE.test(token)) return { ok: false, reason: 'session_shape' }
  try {
    const header = decodeProtectedHeader(token)
    if (header.alg !== 'dir' || header['enc'] !== 'A256GCM' || !Object.keys(header).every((name) => HEADER_NAMES.has(name))) return { ok: false, reason: 'session_algorithm' }
    const { payload } = await jwtDecrypt(token, key, {
      keyManagementAlgorithms: ['dir'], contentEncryptionAlgorithms: ['A256GCM'], currentDate: new Date(nowMs), clockTolerance: 0, requiredClaims: ['exp', 'sub']
    })
    return readClaims(payload)
  } catch (err) {
    return { ok: false, reason: err instanceof Error && 'code' in err && err.code === 'ERR_JWT_EXPIRED' ? 'session_expired' : 'session_invalid' }
  }
}

function readClaims (payload: JWTPayload): SessionOutcome {
  const { sub, org_id: orgId, role } = payload
  if (!isClaim(sub) || !isAbsentOr(orgId) || !isAbsentOr(role)) return { ok: false, reason: 'session_claims' }
  return { ok: true, session: { subject: sub, orgId: orgId ?? null, role: role ?? null } }
}

function isAbsentOr (value: unknown): value is string | null | undefined {
  return value === undefined || value === null || isClaim(value)
}

// Subjects stand in audit records and on terminals.
function isClaim (value: unknown): value is string {
  return typeof value === 'string' && CLAIM.test(value)
}
