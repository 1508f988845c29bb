/** Organizations; operators make and list them. */
import { eq } from 'drizzle-orm'
import type { Db } from '../client.ts'
import { organizations } from '../schema.ts'

export interface Organization { id: string, name: string }

export async function createOrganization (db: Db, organization: Organization): Promise<void> {
  await db.insert(organizations).values(organization)
}

export async function findOrganization (db: Db, orgId: string): Promise<Organization | null> {
  const [row] = await db.select({ id: organizations.id, name: organizations.name }).from(organizations).where(eq(organizations.id, orgId))
  return row ?? null
}

export async function listOrganizations (db: Db): Promise<Organization[]> {
  return await db.select({ id: organizations.id, name: organizations.name }).from(organizations).orderBy(organizations.id)
}
