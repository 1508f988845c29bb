/**
 * The error catalogue: every refusal a partner can meet, with its status and its fixed public sentence (docs/errors.md).
 * Nothing else constructs an HTTP error. What went wrong inside goes to `cause` and the log, never to the wire.
 */

export interface ErrorEntry {
  readonly status: number
  /** The published sentence; a partner may match on it, so it never changes. */
  readonly sentence: string
}

export const ERROR_CATALOGUE = {
  malformed_request: { status: 400, sentence: 'Malformed request' },
  organization_required: { status: 400, sentence: 'Organization context required' },
  key_not_rotatable: { status: 400, sentence: 'Key cannot be rotated' },
  invalid_api_key: { status: 401, sentence: 'Invalid or expired API key' },
  result_token_invalid: { status: 401, sentence: 'Invalid or expired result token' },
  not_signed_in: { status: 401, sentence: 'Not signed in' },
  signature_missing: { status: 403, sentence: 'Missing request signature' },
  signature_invalid: { status: 403, sentence: 'Invalid request signature' },
  signature_replayed: { status: 403, sentence: 'Request signature already used' },
  ip_not_allowed: { status: 403, sentence: 'IP address not allowed' },
  organization_mismatch: { status: 403, sentence: 'Organization mismatch' },
  insufficient_permission: { status: 403, sentence: 'Insufficient permission' },
  role_required: { status: 403, sentence: 'Admin or owner role required' },
  cross_origin_refused: { status: 403, sentence: 'Cross-origin requests are not allowed' },
  browser_refused: { status: 403, sentence: 'Browser requests are not allowed' },
  https_required: { status: 403, sentence: 'HTTPS required' },
  not_found: { status: 404, sentence: 'Not found' },
  key_not_found: { status: 404, sentence: 'Key not found' },
  method_not_allowed: { status: 405, sentence: 'Method not allowed' },
  request_timeout: { status: 408, sentence: 'Request timeout' },
  evaluation_incomplete: { status: 409, sentence: 'Evaluation is not complete' },
  idempotency_conflict: { status: 409, sentence: 'Idempotency key already used with another request' },
  key_revoked: { status: 409, sentence: 'Key is revoked' },
  allowlist_unconfirmed: { status: 409, sentence: 'Allowlist leaves out addresses in use' },
  result_token_used: { status: 410, sentence: 'Result token already used' },
  payload_too_large: { status: 413, sentence: 'Payload too large' },
  uri_too_long: { status: 414, sentence: 'URI too long' },
  unsupported_media_type: { status: 415, sentence: 'Unsupported media type' },
  blueprint_invalid: { status: 422, sentence: 'Blueprint not understood' },
  rate_limited: { status: 429, sentence: 'Rate limit exceeded' },
  headers_too_large: { status: 431, sentence: 'Request header fields too large' },
  internal_error: { status: 500, sentence: 'Internal server error' },
  api_disabled: { status: 503, sentence: 'Public API is disabled' },
  unavailable: { status: 503, sentence: 'Service temporarily unavailable' }
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof ERROR_CATALOGUE

/** Refusals that only the console makes, never the public surface. */
export const CONSOLE_CODES = ['organization_required', 'key_not_rotatable', 'not_signed_in', 'role_required', 'cross_origin_refused', 'key_not_found', 'key_revoked',
  'allowlist_unconfirmed'] as const satisfies readonly ErrorCode[]

export type PublicErrorCode = Exclude<ErrorCode, typeof CONSOLE_CODES[number]>

/** One place in a request body that was refused: RFC 6901 pointer and reason. */
export interface FieldProblem { path: string, reason: string }

export interface ApiErrorOptions {
  /** Public: sent as `detail`. Never put a secret or a caller's value here. */
  detail?: string | readonly FieldProblem[]
  /** Public: response headers that belong to this refusal, lower case. */
  headers?: Readonly<Record<string, string>>
  /** Private: goes to the log only. */
  cause?: unknown
  /** Private: a short machine-readable reason for the audit row (`stale`, `grammar`, …). */
  reason?: string
}

/** A refusal from the catalogue. Only `plugins/support/error-handler.ts` turns it into a response. */
export class ApiError extends Error {
  readonly code: ErrorCode
  readonly statusCode: number
  readonly detail: string | readonly FieldProblem[] | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly reason: string | undefined

  constructor (code: ErrorCode, options: ApiErrorOptions = {}) {
    const entry = ERROR_CATALOGUE[code]
    // A refusal says by its code and reason where it came from. Taking down a stack costs more than all the rest of it, and a flood makes many.
    const stackFrames = Error.stackTraceLimit
    if (code !== 'internal_error') Error.stackTraceLimit = 0
    super(entry.sentence, options.cause === undefined ? undefined : { cause: options.cause })
    Error.stackTraceLimit = stackFrames
    this.name = 'ApiError'
    this.code = code
    this.statusCode = entry.status
    this.detail = options.detail
    this.headers = options.headers ?? {}
    this.reason = options.reason
  }
}
