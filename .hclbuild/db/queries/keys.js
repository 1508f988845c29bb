/** Keys of one organization. The digest goes in and never comes out. */
import { and, desc, eq, inArray } from 'drizzle-orm';
import { apiKeys } from "../schema.js";
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
    revokedAt: apiKeys.revokedAt
};
export async function insertKey(db, orgId, key) {
    await db.insert(apiKeys).values({ ...key, orgId, permissions: [...key.permissions], ipAllowlist: [...key.ipAllowlist] });
}
export async function listKeys(db, orgId) {
    return await db.select(PUBLIC_COLUMNS).from(apiKeys).where(eq(apiKeys.orgId, orgId)).orderBy(desc(apiKeys.id));
}
/** Revokes for good. False when the key is unknown to the organization or was revoked before. Bump its epoch afterwards. */
export async function revokeKey(db, orgId, keyId, by) {
    const rows = await db.update(apiKeys)
        .set({ state: 'revoked', revokedAt: new Date(), revokedBy: by.actor, revokedReason: by.reason })
        .where(and(eq(apiKeys.orgId, orgId), eq(apiKeys.id, keyId), inArray(apiKeys.state, ['active', 'suspended', 'inactive'])))
        .returning({ id: apiKeys.id });
    return rows.length === 1;
}
//# sourceMappingURL=keys.js.map