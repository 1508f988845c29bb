/** What an operator does about an organization's governance options: what it allows, and from where on something is too much. */
import type { Database } from '../db/client.ts'
import { readOptions, writeOptions } from '../db/queries/connections.ts'
import { existingOrg, OperationError } from './operator-arguments.ts'
import { parseOptions, type GovernanceOptions } from './organization.ts'

export interface OptionsDeps { readonly database: Database }

export async function showOptions ({ database }: OptionsDeps, args: Record<string, unknown>): Promise<{ org: string, options: GovernanceOptions }> {
  const orgId = await existingOrg(database, args)
  return { org: orgId, options: await database.asOrganization(orgId, (tx) => readOptions(tx, orgId)) }
}

/** Replaces all of them: what is left out has its default again. Judgements made from now on follow them. */
export async function setOptions ({ database }: OptionsDeps, args: Record<string, unknown>): Promise<{ org: string, options: GovernanceOptions }> {
  const orgId = await existingOrg(database, args)
  const parsed = parseOptions(args['options'])
  if (!parsed.ok) throw new OperationError('usage', parsed.reason)
  if (!await writeOptions(database.db, orgId, parsed.options)) throw new OperationError('failed', 'there is no such organization')
  return { org: orgId, options: parsed.options }
}
