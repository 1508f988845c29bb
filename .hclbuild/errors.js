/**
 * The error catalogue: every refusal a partner can meet, with its status and its fixed public sentence (docs/errors.md).
 * Nothing else constructs an HTTP error. What went wrong inside goes to `cause` and the log, never to the wire.
 */
export const ERROR_CATALOGUE = {
    malformed_request: { status: 400, sentence: 'Malformed request' },
    invalid_api_key: { status: 401, sentence: 'Invalid or expired API key' },
    result_token_invalid: { status: 401, sentence: 'Invalid or expired result token' },
    signature_missing: { status: 403, sentence: 'Missing request signature' },
    signature_invalid: { status: 403, sentence: 'Invalid request signature' },
    signature_replayed: { status: 403, sentence: 'Request signature already used' },
    ip_not_allowed: { status: 403, sentence: 'IP address not allowed' },
    organization_mismatch: { status: 403, sentence: 'Organization mismatch' },
    insufficient_permission: { status: 403, sentence: 'Insufficient permission' },
    browser_refused: { status: 403, sentence: 'Browser requests are not allowed' },
    https_required: { status: 403, sentence: 'HTTPS required' },
    not_found: { status: 404, sentence: 'Not found' },
    method_not_allowed: { status: 405, sentence: 'Method not allowed' },
    evaluation_incomplete: { status: 409, sentence: 'Evaluation is not complete' },
    idempotency_conflict: { status: 409, sentence: 'Idempotency key already used with another request' },
    result_token_used: { status: 410, sentence: 'Result token already used' },
    payload_too_large: { status: 413, sentence: 'Payload too large' },
    unsupported_media_type: { status: 415, sentence: 'Unsupported media type' },
    blueprint_invalid: { status: 422, sentence: 'Blueprint not understood' },
    rate_limited: { status: 429, sentence: 'Rate limit exceeded' },
    internal_error: { status: 500, sentence: 'Internal server error' },
    api_disabled: { status: 503, sentence: 'Public API is disabled' },
    unavailable: { status: 503, sentence: 'Service temporarily unavailable' }
};
/** A refusal from the catalogue. Only `plugins/support/error-handler.ts` turns it into a response. */
export class ApiError extends Error {
    code;
    statusCode;
    detail;
    headers;
    reason;
    constructor(code, options = {}) {
        const entry = ERROR_CATALOGUE[code];
        super(entry.sentence, options.cause === undefined ? undefined : { cause: options.cause });
        this.name = 'ApiError';
        this.code = code;
        this.statusCode = entry.status;
        this.detail = options.detail;
        this.headers = options.headers ?? {};
        this.reason = options.reason;
    }
}
//# sourceMappingURL=errors.js.map