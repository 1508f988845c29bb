/** What the document says once, for all operations: the introduction, credentials, headers. */
import { ERROR_CATALOGUE } from '../errors.ts'
import type { JsonObject } from './components.ts'
import { WHEN } from './refusals.ts'

export function introduction (): string {
  const refusals = Object.entries(WHEN).map(([code, when]) => {
    const { status, sentence } = ERROR_CATALOGUE[code as keyof typeof WHEN]
    return `| ${status} | \`${sentence}\` | \`${code}\` | ${when} |`
  })
  return `${INTRODUCTION}\n\n## Refusals\n\n\`{ ok: false, error, code, detail?, meta: { watermark } }\`; the sentence and the code never change.\n\n` +
    `| status | error | code | when |\n| --- | --- | --- | --- |\n${refusals.join('\n')}\n`
}

const INTRODUCTION = `Judges the shape of Make and n8n automations against a governance catalogue, server to server.

## Signing

Every request but health and the redemption of a result token carries \`Authorization: Bearer <key>\` and
\`X-FB-Signature: t=<unix seconds>,v1=<hex>\`: HMAC-SHA-256 in lowercase hex, keyed with the whole key as text, of
\`{t}.{METHOD}.{path}.{raw body}\`. The path begins with \`/api/public/v1\`, as sent and without the query; the body is the very bytes that
are sent, empty when there is none. \`t\` may be 300 seconds off, not more. A request that changes state is admitted once per signature; one
that got 429 was not admitted and may be sent again unchanged.

## Limits

Per key, 60 requests a minute and 1000 an hour unless agreed otherwise, in windows that slide. A refused request spends nothing.

## Watermarks

Every answer carries \`X-FB-Watermark\`, the same as \`meta.watermark\`. Quote it to support.

## Changes

Fields and event types may be added; a client ignores those it does not know. What is described here is not taken away or given another meaning.`

export const SECURITY_SCHEMES: JsonObject = {
  key: { type: 'http', scheme: 'bearer', bearerFormat: 'fb_live_ and 48 lowercase hex digits', description: 'The API key. Permissions: `governance:read`, `governance:evaluate`, `admin`, which includes the other two. Never in a query or a body.' },
  signature: { type: 'apiKey', in: 'header', name: 'X-FB-Signature', description: '`t=<unix seconds>,v1=<64 lowercase hex digits>`, HMAC-SHA-256 keyed with the API key of `{t}.{METHOD}.{path}.{raw body}`.' }
}

export const HEADERS: JsonObject = {
  'X-FB-Watermark': { description: 'Marks this answer, and is its id in logs and support.', required: true, schema: { type: 'string', pattern: '^wm_[0-9a-z]{24,}$' } },
  'X-RateLimit-Limit': { description: 'Requests a minute.', schema: { type: 'integer' } },
  'X-RateLimit-Remaining': { description: 'Requests left now, the fewer of the minute and the hour.', schema: { type: 'integer' } },
  'X-RateLimit-Reset': { description: 'Unix seconds when the minute is whole again.', schema: { type: 'integer' } },
  'RateLimit-Policy': { description: 'Both windows, as draft-ietf-httpapi-ratelimit-headers has it.', schema: { type: 'string' } },
  RateLimit: { description: 'The window that refused, as draft-ietf-httpapi-ratelimit-headers has it.', schema: { type: 'string' } },
  'Retry-After': { description: 'Seconds to wait.', schema: { type: 'integer', minimum: 1 } },
  'WWW-Authenticate': { description: '`Bearer`, or with the scope that is needed.', schema: { type: 'string' } },
  Date: { description: 'Time of the server (RFC 9110 section 6.6.1).', schema: { type: 'string' } },
  ETag: { description: 'Give it as `If-None-Match`.', schema: { type: 'string' } },
  'Referrer-Policy': { description: 'The address holds a token.', schema: { type: 'string', const: 'no-referrer' } },
  'Cache-Control': { description: '`no-store`, but for the catalogue.', schema: { type: 'string' } }
}

export const WEBHOOK_HEADERS: JsonObject[] = [
  { name: 'X-FB-Event', in: 'header', required: true, description: 'Name of the event.', schema: { type: 'string' } },
  { name: 'X-FB-Signature', in: 'header', required: true, description: '`t=<unix seconds>,v1=<hex>`: HMAC-SHA-256 of `{t}.{raw body}`, keyed with the whole `whsec_…` text. Refuse when `t` is more than 300 seconds off; compare in constant time.', schema: { type: 'string' } },
  { name: 'X-FB-Watermark', in: 'header', required: true, description: 'Marks this delivery.', schema: { type: 'string' } },
  { name: 'webhook-id', in: 'header', required: true, description: 'Standard Webhooks: the same whenever this event is sent again. Deduplicate on it.', schema: { type: 'string' } },
  { name: 'webhook-timestamp', in: 'header', required: true, description: 'Standard Webhooks: unix seconds.', schema: { type: 'string' } },
  { name: 'webhook-signature', in: 'header', required: true, description: 'Standard Webhooks: `v1,<base64>`.', schema: { type: 'string' } }
]
