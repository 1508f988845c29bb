/** Refusals in a document: a schema for each entry of the catalogue, and which of them an operation can meet. */
import { ERROR_CATALOGUE, type ErrorCode } from '../errors.ts'
import type { JsonObject } from './components.ts'
import type { Operation } from './operations.ts'
import type { DeclaredRoute } from './routes.ts'

/** When each refusal is met. docs/errors.md says the same at more length. */
export const WHEN: Readonly<Record<ErrorCode, string>> = {
  malformed_request: 'The body is not JSON, not UTF-8 or not as described (nothing is coerced or dropped), the query or a cursor is not, or the framing is ambiguous. `detail` names each place.',
  invalid_api_key: 'No key, or one that is malformed, unknown, inactive, suspended, revoked or expired.',
  result_token_invalid: 'The result token is forged, malformed or expired.',
  signature_missing: 'No `X-FB-Signature`.',
  signature_invalid: 'The signature does not match, is malformed, or its time is more than 300 seconds off; `Date` has the time of the server.',
  signature_replayed: 'The same signed request was admitted before.',
  ip_not_allowed: "The client's address is not on the key's list; `detail` names the address that was seen.",
  organization_mismatch: '`org_id` or a record id belongs to another organization.',
  insufficient_permission: '`detail` names the permission that the key lacks.',
  browser_refused: 'A CORS pre-flight. Keys belong on servers.',
  https_required: 'Plain HTTP in production.',
  not_found: 'No such route, or no such record of the own organization.',
  method_not_allowed: 'The path has no such method; `Allow` names those it has.',
  request_timeout: 'Headers or body took too long; the connection ends.',
  evaluation_incomplete: 'The result token came too early. Nothing is spent; try again after `Retry-After` seconds.',
  idempotency_conflict: 'The idempotency key was used with another body.',
  result_token_used: 'The result token was redeemed before.',
  payload_too_large: 'The body is larger than 10 MB.',
  uri_too_long: 'The request target is longer than 8192 characters.',
  unsupported_media_type: 'The body is not `application/json`.',
  blueprint_invalid: 'A blueprint is neither of Make nor of n8n; `detail` says what is missing.',
  rate_limited: 'A limit is reached. One request will be admitted after `Retry-After` seconds; `detail` names the window.',
  headers_too_large: 'More than 100 header lines, or more than 16 KB of them.',
  internal_error: 'A fault of the service. Support finds it by the watermark.',
  api_disabled: 'The API is switched off, for everybody or for the caller.',
  unavailable: 'A store that is needed to decide is away. Try again after `Retry-After` seconds.',
  organization_required: 'The session names no organization.',
  key_not_rotatable: 'The key is revoked, expired, suspended or inactive, or a rotation is under way; `detail` says which.',
  not_signed_in: 'No session, or one that is forged, expired or malformed.',
  role_required: 'The session is of neither an admin nor an owner.',
  cross_origin_refused: "The request does not come from the console's own pages.",
  key_not_found: 'The organization has no such key.',
  key_revoked: 'A revoked key is not changed.',
  allowlist_unconfirmed: 'The list leaves out addresses that the key was used from in the last 7 days; `detail` names them, `confirm` goes on.'
}

const CODES = Object.keys(ERROR_CATALOGUE) as ErrorCode[]
/** Met on no operation: on pre-flights, and on methods that a path does not have. */
const OFF_OPERATIONS: readonly ErrorCode[] = ['browser_refused', 'method_not_allowed']
const ANYWHERE: readonly ErrorCode[] = ['malformed_request', 'https_required', 'uri_too_long', 'headers_too_large', 'internal_error', 'unavailable']
const KEYED: readonly ErrorCode[] = ['invalid_api_key', 'signature_missing', 'signature_invalid', 'signature_replayed', 'ip_not_allowed', 'insufficient_permission', 'rate_limited']
const WITH_BODY: readonly ErrorCode[] = ['payload_too_large', 'unsupported_media_type', 'request_timeout']
const SESSION: readonly ErrorCode[] = ['not_signed_in', 'organization_required', 'role_required', 'rate_limited']
const RESULT_TOKEN: readonly ErrorCode[] = ['result_token_invalid', 'result_token_used', 'evaluation_incomplete', 'rate_limited']
const NAMES_A_RECORD = /\{/
const RECORD_PARAMETER = /\{(?!code|watermark|token)/

/** The refusals that a route can meet, those of its own words included, in the order of the catalogue. */
export function refusalsOf (route: DeclaredRoute, words: Pick<Operation, 'refusals' | 'isServedDuringKill'>): ErrorCode[] {
  const { access, method, path } = route
  const isKeyed = access === 'key'
  const changes = method !== 'GET'
  const met = new Set<ErrorCode>([
    ...ANYWHERE,
    ...(isKeyed ? KEYED : []),
    ...(access === 'session' ? SESSION : []),
    ...(access === 'result-token' ? RESULT_TOKEN : []),
    ...(isKeyed && NAMES_A_RECORD.test(path) ? ['not_found'] as const : []),
    ...(isKeyed && RECORD_PARAMETER.test(path) ? ['organization_mismatch'] as const : []),
    ...(access === 'session' && NAMES_A_RECORD.test(path) ? ['key_not_found'] as const : []),
    ...(access === 'session' && changes ? ['cross_origin_refused'] as const : []),
    // The console is read, and rights are taken away there, whatever is switched off.
    ...(access === 'session' && (!changes || words.isServedDuringKill === true) ? [] : ['api_disabled'] as const),
    // A body that a route has no use for is read and judged all the same.
    ...(['key', 'session'].includes(access) && !['GET', 'DELETE'].includes(method) ? WITH_BODY : []),
    ...words.refusals ?? []
  ])
  return CODES.filter((code) => met.has(code))
}

export function refusalSchemas (codes: readonly ErrorCode[]): JsonObject {
  const each = codes.filter((code) => !OFF_OPERATIONS.includes(code)).map((code): [string, JsonObject] => [schemaNameOf(code), {
    description: WHEN[code],
    allOf: [
      { $ref: '#/components/schemas/Refusal' },
      { type: 'object', properties: { error: { const: ERROR_CATALOGUE[code].sentence }, code: { const: code } }, required: ['error', 'code'] }
    ]
  }])
  return {
    ErrorCode: { description: 'What a program matches on. Never changes its meaning.', type: 'string', enum: [...codes] },
    FieldProblem: {
      description: 'One place that was refused.',
      type: 'object',
      properties: { path: { description: 'RFC 6901 pointer into the body, or the name of a header.', type: 'string' }, reason: { description: 'What is wrong with it.', type: 'string' } },
      required: ['path', 'reason']
    },
    Refusal: {
      description: 'The envelope of every refusal.',
      type: 'object',
      properties: {
        ok: { type: 'boolean', const: false },
        error: { description: 'The fixed sentence of the code. Never changes.', type: 'string', enum: codes.map((code) => ERROR_CATALOGUE[code].sentence) },
        code: { $ref: '#/components/schemas/ErrorCode' },
        detail: { description: 'Only where it is of use.', anyOf: [{ type: 'string' }, { type: 'array', items: { $ref: '#/components/schemas/FieldProblem' } }] },
        meta: { $ref: '#/components/schemas/Meta' }
      },
      required: ['ok', 'error', 'code', 'meta']
    },
    ...Object.fromEntries(each)
  }
}

/** The refusals of an operation as responses, one for each status. */
export function refusalResponses (codes: readonly ErrorCode[], isKeyed: boolean): JsonObject {
  const statuses = [...new Set(codes.map((code) => ERROR_CATALOGUE[code].status))]
  const byStatus = statuses.map((status) => ({ status, met: codes.filter((code) => ERROR_CATALOGUE[code].status === status) }))
  return Object.fromEntries(byStatus.map(({ status, met }) => [String(status), {
    description: met.map((code) => `\`${code}\`: ${WHEN[code]}`).join('\n\n'),
    headers: headersOf(status, met, isKeyed),
    content: { 'application/json': { schema: schemaOf(met), examples: Object.fromEntries(met.map((code) => [code, { summary: ERROR_CATALOGUE[code].sentence, value: exampleOf(code) }])) } }
  }]))
}

function schemaOf (codes: readonly ErrorCode[]): JsonObject {
  const [first, ...others] = codes.map((code) => ({ $ref: `#/components/schemas/${schemaNameOf(code)}` }))
  return first !== undefined && others.length === 0 ? first : { oneOf: codes.map((code) => ({ $ref: `#/components/schemas/${schemaNameOf(code)}` })) }
}

function headersOf (status: number, codes: readonly ErrorCode[], isKeyed: boolean): JsonObject {
  const names = ['X-FB-Watermark']
  if (isKeyed && ![401, 414, 431].includes(status)) names.push('X-RateLimit-Limit', 'X-RateLimit-Remaining', 'X-RateLimit-Reset', 'Deprecation', 'Sunset')
  if (codes.includes('invalid_api_key') || codes.includes('insufficient_permission')) names.push('WWW-Authenticate')
  if (status === 403) names.push('Date')
  if (status === 429 && isKeyed) names.push('RateLimit', 'RateLimit-Policy')
  if (codes.includes('rate_limited') || codes.includes('evaluation_incomplete') || codes.includes('unavailable')) names.push('Retry-After')
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]))
}

function schemaNameOf (code: ErrorCode): string {
  return `Refusal${code.split('_').map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('')}`
}

function exampleOf (code: ErrorCode): JsonObject {
  return { ok: false, error: ERROR_CATALOGUE[code].sentence, code, meta: { watermark: 'wm_0m8x2k7v9q4t1c6z3b5n8r0w2y4h6j8d1f3s' } }
}
