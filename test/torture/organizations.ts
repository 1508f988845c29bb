import { FLOW, operate } from '../helper/service.ts'
import type { Receiver } from './receiver.ts'
import { send, signed } from './wire.ts'
import type { World } from './world.ts'

const UNLIMITED = { rpm: 100_000, rph: 100_000 }
/** The vendor's defaults. */
export const LIMITS = { perMinute: 60, perHour: 1000 }

export interface Key { readonly id: string, readonly key: string }

export interface Organization {
  readonly id: string
  /** A word that stands in everything this organization imports and submits, and nowhere else. */
  readonly mark: string
  readonly busy: Key
  readonly limited: Key
  readonly admin: Key
  readonly scenarioId: string
  readonly subscriptionIds: readonly string[]
  /** An evaluation that is complete, for others to ask for; set once the first one is. */
  known: string | null
}

export async function createOrganization (world: World, receiver: Receiver, mark: string, subscriptions: number): Promise<Organization> {
  const { operator } = world
  const { id } = await operate(operator, 'org.create', { name: mark })
  const createKey = async (name: string, permissions: string[], limits: object): Promise<Key> => await operate(operator, 'key.create', { org: id, name, permissions, ...limits })
  const both = ['governance:read', 'governance:evaluate']
  const busy = await createKey('busy', both, UNLIMITED)
  const limited = await createKey('limited', both, {})
  const admin = await createKey('admin', ['admin'], UNLIMITED)
  const { imported } = await operate(operator, 'import', { org: id, files: [{ path: `${mark}.json`, text: JSON.stringify({ ...FLOW, name: mark }) }] })
  const subscriptionIds: string[] = []
  for (let number = 0; number < subscriptions; number++) {
    const body = JSON.stringify({ url: `${receiver.url}/${mark}-${number}`, events: ['evaluation.complete'] })
    const { json } = await send(world.servers[0], signed(admin.key, 'POST', '/webhooks', body), [])
    if (json.ok !== true) throw new Error(`a webhook could not be registered: ${JSON.stringify(json)}`)
    receiver.subscribe({ path: `/${mark}-${number}`, id: json.data.id, orgId: id, mark, secret: json.data.signing_secret })
    subscriptionIds.push(json.data.id)
  }
  return { id, mark, busy, limited, admin, scenarioId: imported[0].id, subscriptionIds, known: null }
}

// A key that is made to be revoked.
export async function createShortKey (world: World, orgId: string): Promise<Key> {
  return await operate(world.operator, 'key.create', { org: orgId, name: 'short', permissions: ['governance:read'], ...UNLIMITED })
}
