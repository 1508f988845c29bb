/**
 * The two surfaces that have a document each. They are two because their readers are: a partner's generated client must not offer what only a
 * person may do, and a partner need not know how an organization's people keep its keys.
 */
import { CONSOLE_CODES, ERROR_CATALOGUE, type ErrorCode } from '../errors.ts'
import type { JsonObject } from './components.ts'
import { CONSOLE_OPERATIONS, CONSOLE_PARAMETERS, CONSOLE_TAGS } from './console-operations.ts'
import { OPERATIONS, PARAMETERS, TAGS, type Operation, type Parameter, type Tag } from './operations.ts'
import { CONSOLE_INTRODUCTION, CONSOLE_SCHEMES, PARTNER_INTRODUCTION, PARTNER_SCHEMES } from './prose.ts'
import { consoleRoutes, publicRoutes, type DeclaredRoute } from './routes.ts'

export interface Surface {
  /** The committed document. */
  readonly file: string
  readonly prefix: string
  readonly title: string
  readonly summary: string
  readonly introduction: string
  readonly routes: () => Promise<DeclaredRoute[]>
  /** By method and path after the prefix. */
  readonly operations: Readonly<Record<string, Operation>>
  readonly tags: readonly Tag[]
  readonly parameters: Readonly<Record<string, Parameter>>
  readonly securitySchemes: JsonObject
  readonly securityOf: (route: DeclaredRoute) => JsonObject[]
  /** Refusals that can be met anywhere on it, in the order of the catalogue. */
  readonly codes: readonly ErrorCode[]
  /** Largest body, in words. */
  readonly bodyMax: string
  /** Describes the webhooks that are sent. */
  readonly hasEvents: boolean
}

const CODES = Object.keys(ERROR_CATALOGUE) as ErrorCode[]
const ONLY_CONSOLE: ReadonlySet<ErrorCode> = new Set(CONSOLE_CODES)
const ONLY_PARTNERS: ReadonlySet<ErrorCode> = new Set([
  'invalid_api_key', 'result_token_invalid', 'signature_missing', 'signature_invalid', 'signature_replayed', 'ip_not_allowed', 'organization_mismatch', 'insufficient_permission',
  'evaluation_incomplete', 'idempotency_conflict', 'result_token_used'
])

export const PARTNER: Surface = {
  file: 'docs/openapi.json',
  prefix: '/api/public/v1',
  title: 'FlowBeacon Public API',
  summary: 'Automation governance for Make and n8n, server to server.',
  introduction: PARTNER_INTRODUCTION,
  routes: publicRoutes,
  operations: OPERATIONS,
  tags: TAGS,
  parameters: PARAMETERS,
  securitySchemes: PARTNER_SCHEMES,
  securityOf ({ access, scope }) {
    const scopes = scope === null ? [] : [scope]
    return access === 'key' ? [{ key: scopes, signature: [] }, { key: scopes, hardened_signature: [] }] : []
  },
  codes: CODES.filter((code) => !ONLY_CONSOLE.has(code)),
  bodyMax: '10 MB',
  hasEvents: true
}

export const CONSOLE: Surface = {
  file: 'docs/openapi-console.json',
  prefix: '/api/v1',
  title: 'FlowBeacon Console API',
  summary: "What an organization's people do with their session.",
  introduction: CONSOLE_INTRODUCTION,
  routes: consoleRoutes,
  operations: CONSOLE_OPERATIONS,
  tags: CONSOLE_TAGS,
  parameters: CONSOLE_PARAMETERS,
  securitySchemes: CONSOLE_SCHEMES,
  securityOf: () => [{ session: [] }],
  codes: CODES.filter((code) => !ONLY_PARTNERS.has(code)),
  bodyMax: '64 KB',
  hasEvents: false
}
