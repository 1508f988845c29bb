/** Checks of what an operator typed. Each refusal says what was expected; none repeats a value that could be a secret. */
import type { Database } from '../db/client.ts'
import { findOrganization } from '../db/queries/organizations.ts'
import type { Permission } from '../plugins/context.ts'
import { parseCidr } from '../plugins/lib/cidr.ts'
import { SIGNING_PROFILES, type SigningProfile } from '../plugins/lib/hardened-signature.ts'
import { LIMIT_MAX } from '../plugins/lib/sliding-window.ts'

const PERMISSIONS: readonly Permission[] = ['governance:read', 'governance:evaluate', 'admin']
const TEXT_CHARS_MAX = 200
const RANGES_MAX = 100
const PER_MINUTE_DEFAULT = 60
const PER_HOUR_DEFAULT = 1000
const DURATION = /^([1-9]\d{0,5})([smhd])$/
const UNIT_MS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const ISO_DATE = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2}))?$/

/** `usage`: the operator's input; `failed`: the state of the records; `unavailable`: a store is away. */
export type OperationErrorKind = 'usage' | 'failed' | 'unavailable'

export class OperationError extends Error {
  readonly kind: OperationErrorKind

  constructor (kind: OperationErrorKind, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'OperationError'
    this.kind = kind
  }
}

export interface KeyOptions {
  name: string
  permissions: Permission[]
  ipAllowlist: string[]
  perMinute: number
  perHour: number
  expiresAt: Date | null
  /** Where a canary key is planted; null for a key that is to work. */
  canaryLabel: string | null
  signingProfile: SigningProfile
}

/** The options of a new key. Defaults: every address, 60 a minute, 1000 an hour, no expiry, the published signature profile. */
export function parseKeyOptions (args: Record<string, unknown>, nowMs: number): KeyOptions {
  const perMinute = readLimit(args['rpm'], 'rpm', PER_MINUTE_DEFAULT)
  const perHour = readLimit(args['rph'], 'rph', PER_HOUR_DEFAULT)
  const signingProfile = readSigningProfile(args['signing_profile'])
  if (signingProfile === 'hardened' && args['canary_label'] !== undefined) throw new OperationError('usage', 'a canary key never works, so it takes no signing profile')
  return {
    signingProfile,
    name: readText(args, 'name'),
    permissions: readPermissions(args['permissions']),
    canaryLabel: args['canary_label'] === undefined ? null : readText(args, 'canary_label'),
    ipAllowlist: readRanges(args['ip_allow']),
    perMinute,
    perHour,
    expiresAt: readExpiry(args['expires'], nowMs)
  }
}

function readSigningProfile (value: unknown): SigningProfile {
  const known = SIGNING_PROFILES.find((one) => one === (value ?? 'published'))
  if (known === undefined) throw new OperationError('usage', `signing_profile must be one of ${SIGNING_PROFILES.join(', ')}`)
  return known
}

export function readObject (value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new OperationError('usage', 'arguments must be an object')
  return value as Record<string, unknown>
}

/** A text of 1 to 200 characters without control characters. */
export function readText (args: Record<string, unknown>, name: string): string {
  const value = args[name]
  if (typeof value !== 'string' || value.trim() === '') throw new OperationError('usage', `${name} must not be empty`)
  // The organization's and the key's name are shown on terminals: no escape sequence may hide in one.
  if (value.length > TEXT_CHARS_MAX || /\p{Cc}/u.test(value)) throw new OperationError('usage', `${name} must have at most ${TEXT_CHARS_MAX} characters and no control characters`)
  return value.trim()
}

/** The organization that the arguments name. Rejects when there is none. */
export async function existingOrg (database: Database, args: Record<string, unknown>): Promise<string> {
  const orgId = readText(args, 'org')
  if (await findOrganization(database.db, orgId) === null) throw new OperationError('failed', 'no organization has this id')
  return orgId
}

export function readFiles (args: Record<string, unknown>): { path: string, text: string }[] {
  const files = args['files']
  if (!Array.isArray(files)) throw new OperationError('usage', 'files must be a list')
  return files.map((file: unknown) => {
    const { path, text } = readObject(file)
    if (typeof path !== 'string' || typeof text !== 'string') throw new OperationError('usage', 'each file needs a path and a text')
    return { path, text }
  })
}

/** One permission. */
export function readPermission (value: unknown): Permission {
  const [permission] = readPermissions([value])
  if (permission === undefined) throw new OperationError('usage', `a permission is one of ${PERMISSIONS.join(', ')}`)
  return permission
}

/** A list of address ranges that is not empty. */
export function readRangesOf (value: unknown): string[] {
  const ranges = readRanges(value)
  if (ranges.length === 0) throw new OperationError('usage', 'ip_allow must name at least one range')
  return ranges
}

/** A whole number from 1, or null when it is not given. */
export function readLimitOrNull (value: unknown, name: string, max = LIMIT_MAX): number | null {
  if (value === undefined || value === null) return null
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1 || value > max) throw new OperationError('usage', `${name} must be a whole number from 1 to ${max}`)
  return value
}

/** A duration such as 90s, 30m, 12h or 7d, in milliseconds; null when none is given. */
export function readDuration (value: unknown, name: string, max: { ms: number, text: string }): number | null {
  if (value === undefined || value === null) return null
  const [, count = '', unit = ''] = typeof value === 'string' ? DURATION.exec(value) ?? [] : []
  const ms = Number(count) * (UNIT_MS[unit] ?? Number.NaN)
  if (count === '' || !(ms <= max.ms)) throw new OperationError('usage', `${name} must be a whole number with s, m, h or d, such as 30m, and at most ${max.text}`)
  return ms
}

function readPermissions (value: unknown): Permission[] {
  const named = readTexts(value, 'permissions')
  const unknown = named.filter((one) => !PERMISSIONS.some((known) => known === one))
  if (unknown.length > 0) throw new OperationError('usage', `unknown permission ${unknown.map((one) => JSON.stringify(one)).join(', ')}; known: ${PERMISSIONS.join(', ')}`)
  if (named.length === 0) throw new OperationError('usage', `permissions must name at least one of ${PERMISSIONS.join(', ')}`)
  return PERMISSIONS.filter((known) => named.includes(known))
}

/** A list of address ranges; empty for every address. */
export function readRanges (value: unknown): string[] {
  const ranges = [...new Set(readTexts(value ?? [], 'ip_allow'))]
  if (ranges.length > RANGES_MAX) throw new OperationError('usage', `ip_allow takes at most ${RANGES_MAX} ranges`)
  for (const range of ranges) {
    try {
      parseCidr(range)
    } catch (cause) {
      throw new OperationError('usage', `ip_allow: ${cause instanceof Error ? cause.message : 'not a range'}`, { cause })
    }
  }
  return ranges
}

function readTexts (value: unknown, name: string): string[] {
  if (!Array.isArray(value) || !value.every((one): one is string => typeof one === 'string')) throw new OperationError('usage', `${name} must be a list of texts`)
  return value
}

function readLimit (value: unknown, name: string, fallback: number): number {
  return readLimitOrNull(value, name) ?? fallback
}

/** Null when none is given. */
export function readExpiry (value: unknown, nowMs: number): Date | null {
  if (value === undefined || value === null) return null
  const at = typeof value === 'string' && ISO_DATE.test(value) ? new Date(value) : null
  if (at === null || Number.isNaN(at.getTime())) throw new OperationError('usage', 'expires must be an ISO 8601 date with its zone, such as 2027-01-31 or 2027-01-31T12:00:00Z')
  if (at.getTime() <= nowMs) throw new OperationError('usage', 'expires must lie in the future')
  return at
}
