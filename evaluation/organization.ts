/**
 * What a judgement may know beside the graph: what else the organization does with the same connections, what it allows, and from where on
 * something is too much for it. Plain data, so that it can be handed to a thread; the same graph and organization give the same bytes.
 */
import type { FactGraph, FlowNode, Platform } from './graph/types.ts'

/** What is done with one connection. `consequential`: money or identities. */
export interface ConnectionUse { writes: boolean, consequential: boolean }
/** The same over all scenarios of the organization; scenarios of one name are imports of one scenario. */
export interface ConnectionReach extends ConnectionUse { scenarios: number }

export interface GovernanceOptions {
  /** Apps such as `notion` or `httpRequest`, and whole types such as `app#acme-1x2:getThing`, that somebody reviewed. Default none. */
  allowed: readonly string[]
  /** From this many scenarios on a connection carries too many. Default 10. */
  connection_scenarios: number
  /** More modules, levels or decisions than these are too many to review. Defaults 50, 4 and 25. */
  modules: number
  nesting: number
  decisions: number
}

export interface Organization {
  /** By `connectionKey`. What is not in it is used by the judged scenario alone. */
  reach: Readonly<Record<string, ConnectionReach>>
  options: GovernanceOptions
}

export const OPTIONS_DEFAULT: GovernanceOptions = Object.freeze({ allowed: [], connection_scenarios: 10, modules: 50, nesting: 4, decisions: 25 })
export const NO_ORGANIZATION: Organization = Object.freeze({ reach: {}, options: OPTIONS_DEFAULT })

const ALLOWED_MAX = 500
const ALLOWED_CHARS_MAX = 200
const LIMIT_MAX = 100_000
const LIMITS = ['connection_scenarios', 'modules', 'nesting', 'decisions'] as const

/** Numbers of hooks, keychain entries and connections are numbers of three lists: the same number is not the same thing. */
export function connectionKey (platform: Platform, { slot, ref }: FlowNode['connections'][number]): string | null {
  if (ref === null || /^(?:hook|__IMTHOOK__)$/.test(slot)) return null
  return platform === 'make' && /Keychain$|^(?:key|auth|__IMTKEY__)$/.test(slot) ? `keychain:${ref}` : ref
}

/** What one scenario does with each of its connections. */
export function connectionUses ({ platform, nodes }: FactGraph): Map<string, ConnectionUse> {
  const uses = new Map<string, ConnectionUse>()
  for (const { connections, effects } of nodes) {
    for (const connection of connections) {
      const key = connectionKey(platform, connection)
      if (key === null) continue
      const use = uses.get(key) ?? { writes: false, consequential: false }
      uses.set(key, use)
      if (effects.includes('MONEY') || effects.includes('IDENTITY')) use.consequential = true
      else if (effects.includes('WRITE')) use.writes = true
    }
  }
  return uses
}

/** Whether the organization allows the app or the whole type. */
export function isAllowed ({ app, type }: FlowNode, { options: { allowed } }: Organization): boolean {
  return allowed.includes(app) || allowed.includes(type)
}

/** Options as somebody gave them, completed by the defaults; or the reason why they are none. Nothing is guessed or dropped. */
export function parseOptions (given: unknown): { ok: true, options: GovernanceOptions } | { ok: false, reason: string } {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return { ok: false, reason: 'options must be an object' }
  const options = { ...OPTIONS_DEFAULT }
  for (const [name, value] of Object.entries(given)) {
    const limit = LIMITS.find((one) => one === name)
    if (limit !== undefined) {
      if (!Number.isInteger(value) || value < 1 || value > LIMIT_MAX) return { ok: false, reason: `${limit} must be a whole number from 1 to ${LIMIT_MAX}` }
      options[limit] = value
    } else if (name === 'allowed') {
      if (!isNameList(value)) return { ok: false, reason: `allowed must be a list of at most ${ALLOWED_MAX} names of apps or types` }
      options.allowed = [...new Set(value)].sort()
    } else {
      return { ok: false, reason: `options must be among allowed, ${LIMITS.join(', ')}` }
    }
  }
  return { ok: true, options }
}

function isNameList (value: unknown): value is string[] {
  return Array.isArray(value) && value.length <= ALLOWED_MAX && value.every((one) => typeof one === 'string' && one !== '' && one.length <= ALLOWED_CHARS_MAX && !/\p{Cc}/u.test(one))
}
