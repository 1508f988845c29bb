import { EncryptJWT, type JWTPayload } from 'jose'
import { sessionKeyOf, SESSION_COOKIE } from '../../plugins/lib/session-token.ts'
import { send, type Answer } from './service.ts'

export const C = '/api/v1'
export const CONSOLE_SECRET = 'a-secret-of-nextauth-for-the-tests-0123456789'
export const SAME_ORIGIN = { 'sec-fetch-site': 'same-origin' }

export interface TokenOptions { secret?: string, alg?: string, enc?: string, header?: object, nowMs?: number, lifeSeconds?: number }

// As NextAuth v4 makes it: the same header, claims and key.
export async function sessionToken (claims: JWTPayload, options: TokenOptions = {}): Promise<string> {
  const nowSeconds = Math.floor((options.nowMs ?? Date.now()) / 1000)
  const payload = { sub: 'user-1', name: 'A person', iat: nowSeconds, exp: nowSeconds + (options.lifeSeconds ?? 3600), jti: 'c0ffee', ...claims }
  return await new EncryptJWT(Object.fromEntries(Object.entries(payload).filter(([, value]) => value !== undefined)))
    .setProtectedHeader({ alg: options.alg ?? 'dir', enc: options.enc ?? 'A256GCM', ...options.header })
    .encrypt(sessionKeyOf(options.secret ?? CONSOLE_SECRET))
}

export const cookieOf = (token: string): string => `${SESSION_COOKIE}=${token}`

export interface Person { orgId: string, cookie: string }

export async function signIn (orgId: string, claims: JWTPayload = {}, options: TokenOptions = {}): Promise<Person> {
  return { orgId, cookie: cookieOf(await sessionToken({ org_id: orgId, role: 'admin', ...claims }, options)) }
}

export async function ask (url: string, person: Person | null, method: string, path: string, body?: unknown, headers: Record<string, string> = SAME_ORIGIN): Promise<Answer> {
  const text = body === undefined ? undefined : JSON.stringify(body)
  return await send(url, method, C + path, { ...(person === null ? {} : { cookie: person.cookie }), ...(text === undefined ? {} : { 'content-type': 'application/json' }), ...headers }, text)
}
