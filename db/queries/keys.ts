/** Keys of one organization. The digest goes in and never comes out. */
import { and, desc, eq, inArray, lt, sql } from 'drizzle-orm'
import type { Permission } from '../../plugins/context.ts'
import type { SigningProfile } from '../../plugins/lib/hardened-signature.ts'
import type { Db } from '../client.ts'
import { apiKeys } from '../schema.ts'

export interface NewKey {
  id: string
  name: string
  prefix: string
  digest: Buffer
  permissions: readonly Permission[]
  ipAllowlist: readonly string[]
  perMinute: number
  perHour: number
  expiresAt: Date | null
  createdBy: string
  /** Set: a canary key, which never works. */
  canaryLabel?: string | null
  /** Default published. */
  signingProfile?: SigningProfile
  /** With the hardened profile, and only with it: the signing secret, sealed (`newSigningSecret`). */
  sealedSigningSecret?: string | null
  /** The key that this one takes the place of. */
  replaces?: string | null
  /** Default: now, by the database's clock. */
  createdAt?: Date
}

/** What may be changed of a key, but for its state. */
export interface KeyChange {
  name?: string
  ipAllowlist?: string[]
  perMinute?: number
  perHour?: number
}

/** `previousUntil` is null when no earlier secret is valid any more. */
export interface RotatedSecret { previousUntil: Date | null }

const PUBLIC_COLUMNS = {
  id: apiKeys.id,
  orgId: apiKeys.orgId,
  name: apiKeys.name,
  prefix: apiKeys.prefix,
  permissions: apiKeys.permissions,
  ipAllowlist: apiKeys.ipAllowlist,
  perMinute: apiKeys.perMinute,
  perHour: apiKeys.perHour,
  state: apiKeys.state,
  expiresAt: apiKeys.expiresAt,
  createdAt: apiKeys.createdAt,
  createdBy: apiKeys.createdBy,
  revokedAt: apiKeys.revokedAt,
  canaryLabel: apiKeys.canaryLabel,
  suspendedReason: apiKeys.suspendedReason,
  signingProfile: apiKeys.signingProfile,
  previousSigningSecretUntil: apiKeys.previousSigningSecretUntil,
  debugUntil: apiKeys.debugUntil,
  replaces: apiKeys.replaces,
  replacedBy: apiKeys.replacedBy,
  replacedAt: apiKeys.replacedAt,
  graceUntil: apiKeys.graceUntil
}

export type KeyRow = Pick<typeof apiKeys.$inferSelect, keyof typeof PUBLIC_COLUMNS>

export async function insertKey (db: Db, orgId: string, key: NewKey): Promise<KeyRow> {
  const values = { ...key, orgId, state: typeof key.canaryLabel === 'string' ? 'inactive' as const : 'active' as const, permissions: [...key.permissions], ipAllowlist: [...key.ipAllowlist] }
  const [row] = await db.insert(apiKeys).values(values).returning(PUBLIC_COLUMNS)
  if (row === undefined) throw new Error('an inserted key was not returned')
  return row
}

/** The key for a change; nobody else changes it until the transaction ends. Null when the organization has no such key. */
export async function lockKey (tx: Db, orgId: string, keyId: string): Promise<KeyRow | null> {
  const [row] = await tx.select(PUBLIC_COLUMNS).from(apiKeys).where(and(eq(apiKeys.orgId, orgId), eq(apiKeys.id, keyId))).for('update')
  return row ?? null
}

/** Changes a locked key that is not revoked. Bump its epoch afterwards. */
export async function updateKey (tx: Db, orgId: string, keyId: string, change: KeyChange & Partial<Pick<KeyRow, 'expiresAt' | 'replacedBy' | 'replacedAt' | 'graceUntil'>>): Promise<KeyRow> {
  const [row] = await tx.update(apiKeys).set(change).where(and(eq(apiKeys.orgId, orgId), eq(apiKeys.id, keyId))).returning(PUBLIC_COLUMNS)
  if (row === undefined) throw new Error('a locked key was not there')
  return row
}

/** Ends a locked key that is not revoked, for good. Bump its epoch afterwards. */
export async function endKey (tx: Db, orgId: string, keyId: string, by: { actor: string, reason: string, at: Date }): Promise<KeyRow> {
  const [row] = await tx.update(apiKeys).set({ state: 'revoked', revokedAt: by.at, revokedBy: by.actor, revokedReason: by.reason })
    .where(and(eq(apiKeys.orgId, orgId), eq(apiKeys.id, keyId))).returning(PUBLIC_COLUMNS)
  if (row === undefined) throw new Error('a locked key was not there')
  return row
}

/** Whether the organization has such a key, in whatever state. */
export async function hasKey (db: Db, orgId: string, keyId: string): Promise<boolean> {
  const [row] = await db.select({ id: apiKeys.id }).from(apiKeys).where(and(eq(apiKeys.orgId, orgId), eq(apiKeys.id, keyId)))
  return row !== undefined
}

/** Newest first; ids are time-ordered, so the id is the cursor. */
export async function pageKeys (db: Db, orgId: string, page: { limit: number, afterId: string | null }): Promise<KeyRow[]> {
  return await db.select(PUBLIC_COLUMNS).from(apiKeys)
    .where(and(eq(apiKeys.orgId, orgId), page.afterId === null ? undefined : lt(apiKeys.id, page.afterId))).orderBy(desc(apiKeys.id)).limit(page.limit)
}

export async function listKeys (db: Db, orgId: string): Promise<KeyRow[]> {
  return await db.select(PUBLIC_COLUMNS).from(apiKeys).where(eq(apiKeys.orgId, orgId)).orderBy(desc(apiKeys.id))
}

/**
 * Makes a sealed secret the signing secret of a hardened key. The one before stays valid for `graceSeconds`, 0 for not at all; one before
 * that stops at once: at most two are valid. Null when the organization has no such key, or it is of the published profile or revoked.
 * Bump its epoch afterwards.
 */
export async function rotateSigningSecret (db: Db, orgId: string, keyId: string, change: { sealedSecret: string, graceSeconds: number }): Promise<RotatedSecret | null> {
  const keeps = change.graceSeconds > 0
  const [row] = await db.update(apiKeys).set({
    sealedSigningSecret: change.sealedSecret,
    sealedPreviousSigningSecret: keeps ? sql`${apiKeys.sealedSigningSecret}` : null,
    // Whole milliseconds, as every instance compares it.
    previousSigningSecretUntil: keeps ? sql`date_trunc('milliseconds', now() + ${change.graceSeconds} * interval '1 second')` : null
  }).where(and(eq(apiKeys.orgId, orgId), eq(apiKeys.id, keyId), eq(apiKeys.signingProfile, 'hardened'), inArray(apiKeys.state, ['active', 'suspended', 'inactive'])))
    .returning({ previousUntil: apiKeys.previousSigningSecretUntil })
  return row ?? null
}
