/** What the document says once, for all operations: the introduction, credentials, headers. */
import { ERROR_CATALOGUE } from '../errors.ts'
import { signHardened } from '../plugins/lib/hardened-signature.ts'
import { signRequest } from '../plugins/lib/hmac.ts'
import type { JsonObject } from './components.ts'
import { WHEN } from './refusals.ts'
import type { Surface } from './surfaces.ts'

// Keys of the test vectors (test/vectors): they open nothing.
const SAMPLE_KEY = `fb_live_${'0123456789abcdef'.repeat(3)}`
const SAMPLE_SECRET = `fbs_${'0123456789abcdef'.repeat(4)}`
const SAMPLE_SECONDS = 1_800_000_000
const SAMPLE_PATH = '/api/public/v1/governance/policies'
const SAMPLE_NONCE = '0123456789abcdef01234567'
const published = signRequest({ key: SAMPLE_KEY, timestampSeconds: SAMPLE_SECONDS, method: 'GET', path: SAMPLE_PATH, body: Buffer.alloc(0) })
const hardened = signHardened({ secret: SAMPLE_SECRET, timestampSeconds: SAMPLE_SECONDS, nonce: SAMPLE_NONCE, method: 'GET', target: SAMPLE_PATH })

export function introduction ({ introduction: words, codes }: Surface): string {
  const refusals = codes.map((code) => {
    const { status, sentence } = ERROR_CATALOGUE[code]
    return `| ${status} | \`${sentence}\` | \`${code}\` | ${WHEN[code]} |`
  })
  return `${words}\n\n## Refusals\n\n\`{ ok: false, error, code, detail?, meta: { watermark } }\`; the sentence and the code never change.\n\n` +
    `| status | error | code | when |\n| --- | --- | --- | --- |\n${refusals.join('\n')}\n`
}

export const PARTNER_INTRODUCTION = `Judges the shape of Make and n8n automations against a governance catalogue, server to server.

## Signing

Every request but health and the redemption of a result token carries \`Authorization: Bearer <key>\` and
\`X-FB-Signature: t=<unix seconds>,v1=<hex>\`: HMAC-SHA-256 in lowercase hex, keyed with the whole key as text, of
\`{t}.{METHOD}.{path}.{raw body}\`. The path begins with \`/api/public/v1\`, as sent and without the query; the body is the very bytes that
are sent, empty when there is none. \`t\` may be 300 seconds off, not more. A request that changes state is admitted once per signature; one
that got 429 was not admitted and may be sent again unchanged.

\`\`\`sh
key=${SAMPLE_KEY}; body='{"scenario_ids":["scn_01KAZ5A0R2W6P9K4T8D1J3G7YB"],"org_id":"org_01KAZ59H5M8Q1S4W7Y0B3D6F9J"}'
t=$(date +%s); path=/api/public/v1/evaluate
v1=$(printf '%s' "$t.POST.$path.$body" | openssl dgst -sha256 -hmac "$key" -r | cut -d' ' -f1)
curl -X POST "https://api.flowbeacon.dev$path" -H "Authorization: Bearer $key" \\
  -H "X-FB-Signature: t=$t,v1=$v1" -H 'Content-Type: application/json' --data-binary "$body"
\`\`\`

To check a signer of your own: with the key above, a GET of \`${SAMPLE_PATH}\` at ${SAMPLE_SECONDS} and without a body is signed

\`\`\`
X-FB-Signature: ${published}
\`\`\`

## Signing with the hardened profile

A key that was made with \`signing_profile\` hardened has a signing secret of its own (\`fbs_\` and 64 hex digits), which never travels, and refuses
the signature above. It takes \`X-FB-Signature: t=<unix seconds>,n=<nonce>,v2=<hex>\`: HMAC-SHA-256, keyed with the whole secret as text, of
\`v2.{t}.{n}.{METHOD}.{path?query}.{SHA-256 of the raw body in lowercase hex}\`, path and query as sent. The nonce is 16 to 64 of
\`A-Z a-z 0-9 - _\` and is accepted once, on every method: a request that is sent again needs a new one, unless it got 429. With the secret
\`${SAMPLE_SECRET}\`
the same GET is signed

\`\`\`
X-FB-Signature: ${hardened}
\`\`\`

## Answers

\`\`\`
{ "ok": true, "data": { … }, "meta": { "watermark": "wm_…" } }
\`\`\`

Times are RFC 3339 in UTC. Lists are read by cursor.

## Limits

Per key, 60 requests a minute and 1000 an hour unless agreed otherwise, in windows that slide. A refused request spends nothing.

## Watermarks

Every answer carries \`X-FB-Watermark\`, the same as \`meta.watermark\`. Quote it to support.

## Changes

Fields and event types may be added; a client ignores those it does not know. What is described here is not taken away or given another meaning.`

export const PARTNER_SCHEMES: JsonObject = {
  key: { 'x-example': `Authorization: Bearer ${SAMPLE_KEY}`, type: 'http', scheme: 'bearer', bearerFormat: 'fb_live_ and 48 lowercase hex digits', description: 'The API key. Permissions: `governance:read`, `governance:evaluate`, `admin`, which includes the other two. Never in a query or a body.' },
  signature: { 'x-example': `X-FB-Signature: ${published}`, type: 'apiKey', in: 'header', name: 'X-FB-Signature', description: '`t=<unix seconds>,v1=<64 lowercase hex digits>`, HMAC-SHA-256 keyed with the API key of `{t}.{METHOD}.{path}.{raw body}`.' },
  hardened_signature: { 'x-example': `X-FB-Signature: ${hardened}`, type: 'apiKey', in: 'header', name: 'X-FB-Signature', description: 'Of a key with the hardened profile, and of no other: `t=<unix seconds>,n=<nonce>,v2=<64 lowercase hex digits>`, HMAC-SHA-256 keyed with the signing secret of `v2.{t}.{n}.{METHOD}.{path?query}.{SHA-256 of the raw body}`. A nonce is accepted once, on every method.' }
}

export const CONSOLE_INTRODUCTION = `What an organization's people do with their session: keys, imports, and the trail of both. A key is not accepted here, a session not on the
public surface.

## Session

The cookie of the console's NextAuth v4, with \`org_id\` and the \`role\` \`admin\` or \`owner\`. A request that changes something must come from the console's
own pages (\`Sec-Fetch-Site\`, \`Origin\`), and its body is JSON.

## Secrets

A key and a signing secret are in the answer that makes them, and in no other.

## Watermarks

Every answer carries \`X-FB-Watermark\`, the same as \`meta.watermark\`, and has its row in the audit trail with the person who asked.`

export const CONSOLE_SCHEMES: JsonObject = {
  session: { 'x-example': 'Cookie: __Secure-next-auth.session-token=eyJhbGciOiJkaXIi…', type: 'apiKey', in: 'cookie', name: '__Secure-next-auth.session-token', description: "The encrypted session of the console's NextAuth v4, whole or in chunks." }
}

export const HEADERS: JsonObject = {
  'X-FB-Watermark': { description: 'Marks this answer, and is its id in logs and support.', required: true, schema: { type: 'string', pattern: '^wm_[0-9a-z]{24,}$' } },
  'X-RateLimit-Limit': { description: 'Requests a minute.', schema: { type: 'integer' } },
  'X-RateLimit-Remaining': { description: 'Requests left now, the fewer of the minute and the hour.', schema: { type: 'integer' } },
  'X-RateLimit-Reset': { description: 'Unix seconds when the minute is whole again.', schema: { type: 'integer' } },
  'RateLimit-Policy': { description: 'Both windows, as draft-ietf-httpapi-ratelimit-headers has it.', schema: { type: 'string' } },
  RateLimit: { description: 'The window that refused, as draft-ietf-httpapi-ratelimit-headers has it.', schema: { type: 'string' } },
  Deprecation: { description: 'Only to a key that another one replaces: since when (RFC 9745).', schema: { type: 'string', pattern: '^@[0-9]+$' } },
  Sunset: { description: 'Only to a key that another one replaces: when it stops working (RFC 8594).', schema: { type: 'string' } },
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
