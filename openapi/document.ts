/**
 * The OpenAPI 3.1 document of the public surface: paths from the routes as they are declared, shapes from their schemas, refusals from
 * the catalogue, words from operations.ts. `npm run docs:openapi` writes it to docs/openapi.json. Throws for a route without words.
 */
import { componentSchemas, convert, type Json, type JsonObject } from './components.ts'
import { OPERATIONS, PARAMETERS, TAGS, type Operation } from './operations.ts'
import { HEADERS, introduction, SECURITY_SCHEMES, WEBHOOK_HEADERS } from './prose.ts'
import { refusalResponses, refusalSchemas, refusalsOf } from './refusals.ts'
import { publicRoutes, type DeclaredRoute } from './routes.ts'

const PUBLIC_PREFIX = '/api/public/v1'
const LIMIT_HEADERS = ['X-RateLimit-Limit', 'X-RateLimit-Remaining', 'X-RateLimit-Reset']
const EVENTS = [
  { event: 'evaluation.complete', schema: 'EvaluationCompleteEvent', summary: 'An evaluation is complete' },
  { event: 'evaluation.error', schema: 'EvaluationErrorEvent', summary: 'An evaluation could not be finished' },
  { event: 'webhook.disabled', schema: 'WebhookDisabledEvent', summary: 'Another webhook was switched off' },
  { event: 'webhook.ping', schema: 'WebhookPingEvent', summary: 'A test or a probe; need not be subscribed to' }
]

/** Builds the document. The same source gives the same object, with its members in the same order. */
export async function buildDocument (): Promise<JsonObject> {
  const responses = new SharedResponses()
  const paths: Record<string, JsonObject> = {}
  for (const route of await publicRoutes()) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operationOf(route, responses) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'FlowBeacon Public API',
      version: '1.0.0',
      summary: 'Automation governance for Make and n8n, server to server.',
      description: introduction(),
      license: { name: 'Proprietary', identifier: 'LicenseRef-Proprietary' }
    },
    servers: [{ url: 'https://{host}', description: 'The service of your contract.', variables: { host: { default: 'api.flowbeacon.dev', description: 'Host, and port if it is not 443.' } } }],
    tags: TAGS.map(({ name, description }) => ({ name, description })),
    security: [],
    paths,
    webhooks: Object.fromEntries(EVENTS.map(({ event, schema, summary }) => [event, webhookOf(event, schema, summary)])),
    components: {
      schemas: { ...envelopeSchemas(), ...componentSchemas(), ...refusalSchemas() },
      responses: responses.all(),
      headers: HEADERS,
      securitySchemes: SECURITY_SCHEMES
    }
  }
}

/** A response that several operations have stands once, named for its status. */
class SharedResponses {
  readonly #names = new Map<string, string>()
  readonly #responses: JsonObject = {}

  share (status: string, response: Json): JsonObject {
    const text = JSON.stringify(response)
    const known = this.#names.get(text)
    if (known !== undefined) return { $ref: `#/components/responses/${known}` }
    const others = [...this.#names.values()].filter((name) => name.startsWith(`Refusal${status}`)).length
    const name = `Refusal${status}${others === 0 ? '' : `-${others + 1}`}`
    this.#names.set(text, name)
    this.#responses[name] = response
    return { $ref: `#/components/responses/${name}` }
  }

  all (): JsonObject {
    return Object.fromEntries(Object.entries(this.#responses).sort(([one], [other]) => one < other ? -1 : 1))
  }
}

function operationOf (route: DeclaredRoute, responses: SharedResponses): JsonObject {
  const name = `${route.method} ${route.path.slice(PUBLIC_PREFIX.length)}`
  const words = OPERATIONS[name]
  if (words === undefined) throw new Error(`openapi/operations.ts has no entry for ${name}`)
  const isKeyed = route.access === 'key'
  const refusals = refusalResponses(refusalsOf(route, words.refusals ?? []), isKeyed)
  const parameters = parametersOf(route, words)
  return {
    operationId: words.id,
    tags: [words.tag],
    summary: words.summary,
    ...(words.description === undefined ? {} : { description: words.description }),
    security: isKeyed ? [{ key: route.scope === null ? [] : [route.scope], signature: [] }] : [],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(route.body === null ? {} : { requestBody: { required: true, description: 'JSON in UTF-8, at most 10 MB. Unknown fields are refused.', content: { 'application/json': { schema: convert(route.body) } } } }),
    responses: {
      200: answerOf(route, words),
      ...(words.isConditional === true ? { 304: { description: 'Nothing changed.', headers: headersOf([...(isKeyed ? LIMIT_HEADERS : []), 'ETag']) } } : {}),
      ...Object.fromEntries(Object.entries(refusals).map(([status, response]) => [status, responses.share(status, response)]))
    }
  }
}

function parametersOf (route: DeclaredRoute, { isConditional, isIdempotent }: Operation): JsonObject[] {
  const inPath = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name = '']): JsonObject => {
    const known = PARAMETERS[name]
    if (known === undefined) throw new Error(`openapi/operations.ts has no words for the parameter ${name} of ${route.path}`)
    return { name, in: 'path', required: true, description: known.description, schema: { type: 'string', pattern: known.pattern } }
  })
  return [...inPath, ...queryOf(route.querystring),
    ...(isConditional === true ? [{ name: 'If-None-Match', in: 'header', description: 'The `ETag` of the answer that you have.', schema: { type: 'string' } }] : []),
    ...(isIdempotent === true ? [{ name: 'Idempotency-Key', in: 'header', description: 'A text of your own for this one request, such as a UUID.', schema: { type: 'string', pattern: '^[\\x21-\\x7e]{1,255}$' } }] : [])]
}

function queryOf (querystring: object | null): JsonObject[] {
  if (querystring === null) return []
  const converted = convert(querystring)
  const properties = typeof converted === 'object' && converted !== null && 'properties' in converted ? converted['properties'] : null
  return Object.entries(Object(properties)).map(([name, described]): JsonObject => {
    const { description, ...schema } = described as JsonObject
    return { name, in: 'query', ...(description === undefined ? {} : { description }), schema }
  })
}

function answerOf (route: DeclaredRoute, words: Operation): JsonObject {
  if (route.answer === null) throw new Error(`${route.method} ${route.path} declares no answer`)
  const headers = [...(route.access === 'key' ? LIMIT_HEADERS : []), ...(words.isConditional === true ? ['ETag'] : []), 'Cache-Control', ...(route.access === 'result-token' ? ['Referrer-Policy'] : [])]
  return { description: words.answer, headers: headersOf(headers), content: { 'application/json': { schema: envelopeOf(convert(route.answer)) } } }
}

/** The envelope's `meta` is the same everywhere, so it stands once. */
function envelopeOf (schema: Json): Json {
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) return schema
  const { properties } = schema
  if (typeof properties !== 'object' || properties === null || Array.isArray(properties) || properties['meta'] === undefined) return schema
  return { ...schema, properties: { ...properties, meta: { $ref: '#/components/schemas/Meta' } } }
}

function envelopeSchemas (): JsonObject {
  return {
    Meta: { description: 'About the answer itself.', type: 'object', properties: { watermark: { description: 'The same as `X-FB-Watermark`.', type: 'string', pattern: '^wm_[0-9a-z]{24,}$' } }, required: ['watermark'] }
  }
}

function headersOf (names: readonly string[]): JsonObject {
  return Object.fromEntries(['X-FB-Watermark', ...names].map((name) => [name, { $ref: `#/components/headers/${name}` }]))
}

function webhookOf (event: string, schema: string, summary: string): JsonObject {
  return {
    post: {
      operationId: `on${event.split('.').map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('')}`,
      tags: ['Webhooks'],
      summary,
      description: 'Verify the signature over the raw bytes before you parse them. At least once, unordered: deduplicate on `webhook-id` or `evaluation_id`. Four attempts, 10 seconds each; a redirect is a failure.',
      security: [],
      parameters: WEBHOOK_HEADERS,
      requestBody: { required: true, content: { 'application/json': { schema: { $ref: `#/components/schemas/${schema}` } } } },
      responses: { '2XX': { description: 'Received. Anything else, a redirect included, is tried again.' }, '4XX': { description: 'Refused; tried again.' } }
    }
  }
}
