/** Refusals in the document: a schema for each entry of the catalogue, and which of them an operation can meet. */
import { CONSOLE_CODES, ERROR_CATALOGUE, type PublicErrorCode } from '../errors.ts'
import type { JsonObject } from './components.ts'
import type { DeclaredRoute } from './routes.ts'

/** When each refusal is met. docs/errors.md says the same at more length. */
export const WHEN: Readonly<Record<PublicErrorCode, string>> = {
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
  unavailable: 'A store that is needed to decide is away. Try again after `Retry-After` seconds.'
}

const CODES = Object.keys(ERROR_CATALOGUE).filter(isCode)
/** Met on no operation: on pre-flights, and on methods that a path does not have. */
const OFF_OPERATIONS: readonly PublicErrorCode[] = ['browser_refused', 'method_not_allowed']
const ANYWHERE: readonly PublicErrorCode[] = ['malformed_request', 'https_required', 'not_found', 'uri_too_long', 'headers_too_large', 'internal_error', 'api_disabled', 'unavailable']
const KEYED: readonly PublicErrorCode[] = ['invalid_api_key', 'signature_missing', 'signature_invalid', 'ip_not_allowed', 'insufficient_permission', 'rate_limited']
const WITH_BODY: readonly PublicErrorCode[] = ['request_timeout', 'payload_too_large', 'unsupported_media_type']
const RESULT_TOKEN: readonly PublicErrorCode[] = ['result_token_invalid', 'result_token_used', 'evaluation_incomplete', 'rate_limited']
const NAMES_A_RECORD = /\{/
const RECORD_PARAMETER = /\{(?!code|watermark|token)/

function isCode (text: string): text is PublicErrorCode {
  return text in ERROR_CATALOGUE && !CONSOLE_CODES.some((code) => code === text)
}

/** The refusals that a route can meet, `more` being its own, in the order of the catalogue. */
export function refusalsOf (route: DeclaredRoute, more: readonly PublicErrorCode[]): PublicErrorCode[] {
  const met = new Set<PublicErrorCode>([
    ...ANYWHERE,
    ...(route.access === 'key' ? KEYED : []),
    ...(route.access === 'result-token' ? RESULT_TOKEN : []),
    ...(route.access === 'key' && RECORD_PARAMETER.test(route.path) ? ['organization_mismatch'] as const : []),
    // Reading changes nothing, so the same signature may ask again.
    ...(route.access === 'key' && route.method !== 'GET' ? ['signature_replayed'] as const : []),
    // A body that a route has no use for is read and judged all the same.
    ...(route.access === 'key' && !['GET', 'DELETE'].includes(route.method) ? WITH_BODY : []),
    ...more
  ])
  if (route.access !== 'key' || !NAMES_A_RECORD.test(route.path)) met.delete('not_found')
  return CODES.filter((code) => met.has(code))
}

export function refusalSchemas (): JsonObject {
  const each = CODES.filter((code) => !OFF_OPERATIONS.includes(code)).map((code): [string, JsonObject] => [schemaNameOf(code), {
    description: WHEN[code],
    allOf: [
      { $ref: '#/components/schemas/Refusal' },
      { type: 'object', properties: { error: { const: ERROR_CATALOGUE[code].sentence }, code: { const: code } }, required: ['error', 'code'] }
    ]
  }])
  return {
    ErrorCode: { description: 'What a program matches on. Never changes its meaning.', type: 'string', enum: [...CODES] },
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
        error: { description: 'The fixed sentence of the code. Never changes.', type: 'string', enum: CODES.map((code) => ERROR_CATALOGUE[code].sentence) },
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
export function refusalResponses (codes: readonly PublicErrorCode[], isKeyed: boolean): JsonObject {
  const statuses = [...new Set(codes.map((code) => ERROR_CATALOGUE[code].status))]
  const byStatus = statuses.map((status) => ({ status, met: codes.filter((code) => ERROR_CATALOGUE[code].status === status) }))
  return Object.fromEntries(byStatus.map(({ status, met }) => [String(status), {
    description: met.map((code) => `\`${code}\`: ${WHEN[code]}`).join('\n\n'),
    headers: headersOf(status, met, isKeyed),
    content: { 'application/json': { schema: schemaOf(met), examples: Object.fromEntries(met.map((code) => [code, { summary: ERROR_CATALOGUE[code].sentence, value: exampleOf(code) }])) } }
  }]))
}

function schemaOf (codes: readonly PublicErrorCode[]): JsonObject {
  const [first, ...others] = codes.map((code) => ({ $ref: `#/components/schemas/${schemaNameOf(code)}` }))
  return first !== undefined && others.length === 0 ? first : { oneOf: codes.map((code) => ({ $ref: `#/components/schemas/${schemaNameOf(code)}` })) }
}

function headersOf (status: number, codes: readonly PublicErrorCode[], isKeyed: boolean): JsonObject {
  const names = ['X-FB-Watermark']
  if (isKeyed && ![401, 414, 431].includes(status)) names.push('X-RateLimit-Limit', 'X-RateLimit-Remaining', 'X-RateLimit-Reset')
  if (codes.includes('invalid_api_key') || codes.includes('insufficient_permission')) names.push('WWW-Authenticate')
  if (status === 403) names.push('Date')
  if (status === 429 && isKeyed) names.push('RateLimit', 'RateLimit-Policy')
  if (codes.includes('rate_limited') || codes.includes('evaluation_incomplete') || codes.includes('unavailable')) names.push('Retry-After')
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]))
}

function schemaNameOf (code: PublicErrorCode): string {
  return `Refusal${code.split('_').map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('')}`
}

function exampleOf (code: PublicErrorCode): JsonObject {
  return { ok: false, error: ERROR_CATALOGUE[code].sentence, code, meta: { watermark: 'wm_0m8x2k7v9q4t1c6z3b5n8r0w2y4h6j8d1f3s' } }
}
