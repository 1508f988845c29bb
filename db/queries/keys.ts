/** Keys of one organization. The digest goes in and never comes out. */
import { and, desc, eq, inArray } from 'drizzle-orm'
import type { Permission } from '../../plugins/context.ts'
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
}

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
  revokedAt: apiKeys.revokedAt,
  canaryLabel: apiKeys.canaryLabel,
  suspendedReason: apiKeys.suspendedReason
}

export type KeyRow = Pick<typeof apiKeys.$inferSelect, keyof typeof PUBLIC_COLUMNS>

export async function insertKey (db: Db, orgId: string, key: NewKey): Promise<void> {
  await db.insert(apiKeys).values({ ...key, orgId, state: typeof key.canaryLabel === 'string' ? 'inactive' : 'active', permissions: [...key.permissions], ipAllowlist: [...key.ipAllowlist] })
}

export async function listKeys (db: Db, orgId: string): Promise<KeyRow[]> {
  return await db.select(PUBLIC_COLUMNS).from(apiKeys).where(eq(apiKeys.orgId, orgId)).orderBy(desc(apiKeys.id))
}

/** Revokes for good. False when the key is unknown to the organization or was revoked before. Bump its epoch afterwards. */
export async function revokeKey (db: Db, orgId: string, keyId: string, by: { actor: string, reason: string }): Promise<boolean> {
  const rows = await db.update(apiKeys)
    .set({ state: 'revoked', revokedAt: new Date(), revokedBy: by.actor, revokedReason: by.reason })
    .where(and(eq(apiKeys.orgId, orgId), eq(apiKeys.id, keyId), inArray(apiKeys.state, ['active', 'suspended', 'inactive'])))
    .returning({ id: apiKeys.id })
  return rows.length === 1
}
