/** Organizations; operators make and list them. */
import { eq } from 'drizzle-orm';
import { organizations } from "../schema.js";
export async function createOrganization(db, organization) {
    await db.insert(organizations).values(organization);
}
export async function findOrganization(db, orgId) {
    const [row] = await db.select({ id: organizations.id, name: organizations.name }).from(organizations).where(eq(organizations.id, orgId));
    return row ?? null;
}
export async function listOrganizations(db) {
    return await db.select({ id: organizations.id, name: organizations.name }).from(organizations).orderBy(organizations.id);
}
//# sourceMappingURL=organizations.js.map