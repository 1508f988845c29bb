/**
 * The OpenAPI 3.1 document of a surface: paths from the routes as they are declared, shapes from their schemas, refusals from the
 * catalogue, words from operations.ts and console-operations.ts. `npm run docs:openapi` writes them to docs/. Throws for a route without words.
 */
import { componentSchemas, convert, type Json, type JsonObject } from './components.ts'
import type { Operation } from './operations.ts'
import { HEADERS, introduction, WEBHOOK_HEADERS } from './prose.ts'
import { refusalResponses, refusalSchemas, refusalsOf } from './refusals.ts'
import type { DeclaredRoute } from './routes.ts'
import { sampleOf } from './samples.ts'
import { PARTNER, type Surface } from './surfaces.ts'

const LIMIT_HEADERS = ['X-RateLimit-Limit', 'X-RateLimit-Remaining', 'X-RateLimit-Reset']
/** On answers to a key that another one replaces, and on no others. */
const RETIRING_HEADERS = ['Deprecation', 'Sunset']
const EVENTS = [
  { event: 'evaluation.complete', schema: 'EvaluationCompleteEvent', summary: 'An evaluation is complete' },
  { event: 'evaluation.error', schema: 'EvaluationErrorEvent', summary: 'An evaluation could not be finished' },
  { event: 'webhook.disabled', schema: 'WebhookDisabledEvent', summary: 'Another webhook was switched off' },
  { event: 'webhook.ping', schema: 'WebhookPingEvent', summary: 'A test or a probe; need not be subscribed to' }
]

/** Builds the document. The same source gives the same object, with its members in the same order. */
export async function buildDocument (surface: Surface = PARTNER): Promise<JsonObject> {
  const responses = new SharedResponses()
  const schemas = { ...envelopeSchemas(), ...componentSchemas(), ...refusalSchemas(surface.codes) }
  const paths: Record<string, JsonObject> = {}
  for (const route of await surface.routes()) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operationOf(route, surface, responses, schemas) }
  }
  const webhooks = Object.fromEntries(surface.hasEvents ? EVENTS.map(({ event, schema, summary }) => [event, webhookOf(event, schema, summary, schemas)]) : [])
  const shared = responses.all()
  const isUsed = usedIn({ paths, webhooks, responses: shared }, { schemas, headers: HEADERS })
  return {
    openapi: '3.1.0',
    info: {
      title: surface.title,
      version: '1.0.0',
      summary: surface.summary,
      description: introduction(surface),
      license: { name: 'Proprietary', identifier: 'LicenseRef-Proprietary' }
    },
    servers: [{ url: 'https://{host}', description: 'The service of your contract.', variables: { host: { default: 'api.flowbeacon.dev', description: 'Host, and port if it is not 443.' } } }],
    tags: surface.tags.map(({ name, description }) => ({ name, description })),
    security: [],
    paths,
    ...(surface.hasEvents ? { webhooks } : {}),
    components: {
      schemas: Object.fromEntries(Object.entries(schemas).filter(([name]) => isUsed(`schemas/${name}`))),
      responses: shared,
      headers: Object.fromEntries(Object.entries(HEADERS).filter(([name]) => isUsed(`headers/${name}`))),
      securitySchemes: surface.securitySchemes
    }
  }
}

/** Tells which components the document refers to, from wherever it is that it begins. */
function usedIn (roots: JsonObject, components: Readonly<Record<string, JsonObject>>): (name: string) => boolean {
  const used = new Set<string>()
  const visit = (node: Json): void => {
    for (const [, name = ''] of JSON.stringify(node).matchAll(/"#\/components\/([^"]+)"/g)) {
      if (used.has(name)) continue
      used.add(name)
      const [kind = '', member = ''] = name.split('/')
      const found = components[kind]?.[member]
      if (found !== undefined) visit(found)
    }
  }
  visit(roots)
  return (name) => used.has(name)
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

function operationOf (route: DeclaredRoute, surface: Surface, responses: SharedResponses, schemas: JsonObject): JsonObject {
  const name = `${route.method} ${route.path.slice(surface.prefix.length)}`
  const words = surface.operations[name]
  if (words === undefined) throw new Error(`openapi has no words for ${name}`)
  const isKeyed = route.access === 'key'
  const refusals = refusalResponses(refusalsOf(route, words), isKeyed)
  const parameters = parametersOf(route, words, surface)
  return {
    operationId: words.id,
    tags: [words.tag],
    summary: words.summary,
    ...(words.description === undefined ? {} : { description: words.description }),
    security: surface.securityOf(route),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(route.body === null ? {} : { requestBody: { required: words.isBodyOptional !== true, description: `JSON in UTF-8, at most ${words.bodyMax ?? surface.bodyMax}. Unknown fields are refused.`, content: { 'application/json': contentOf(convert(route.body), schemas) } } }),
    responses: {
      200: answerOf(route, words, schemas),
      ...(words.isConditional === true ? { 304: { description: 'Nothing changed.', headers: headersOf([...(isKeyed ? [...LIMIT_HEADERS, ...RETIRING_HEADERS] : []), 'ETag']) } } : {}),
      ...Object.fromEntries(Object.entries(refusals).map(([status, response]) => [status, responses.share(status, response)]))
    }
  }
}

function parametersOf (route: DeclaredRoute, { isConditional, isIdempotent }: Operation, surface: Surface): JsonObject[] {
  const inPath = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name = '']): JsonObject => {
    const known = surface.parameters[name]
    if (known === undefined) throw new Error(`openapi has no words for the parameter ${name} of ${route.path}`)
    return { name, in: 'path', required: true, description: known.description, schema: { type: 'string', pattern: known.pattern }, example: known.example }
  })
  return [...inPath, ...queryOf(route.querystring),
    ...(isConditional === true ? [{ name: 'If-None-Match', in: 'header', description: 'The `ETag` of the answer that you have.', schema: { type: 'string' } }] : []),
    ...(isIdempotent === true ? [{ name: 'Idempotency-Key', in: 'header', description: 'A text of your own for this one request, such as a UUID.', schema: { type: 'string', pattern: '^[\\x21-\\x7e]{1,255}$' }, example: '5b0c6a4e-6f1d-4a53-9a61-0d3f2f1c7e88' }] : [])]
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

function answerOf (route: DeclaredRoute, words: Operation, schemas: JsonObject): JsonObject {
  if (route.answer === null) throw new Error(`${route.method} ${route.path} declares no answer`)
  const headers = [...(route.access === 'key' ? [...LIMIT_HEADERS, ...RETIRING_HEADERS] : []), ...(words.isConditional === true ? ['ETag'] : []), 'Cache-Control', ...(route.access === 'result-token' ? ['Referrer-Policy'] : [])]
  return { description: words.answer, headers: headersOf(headers), content: { 'application/json': contentOf(envelopeOf(convert(route.answer)), schemas) } }
}

function contentOf (schema: Json, schemas: JsonObject): JsonObject {
  return { schema, example: sampleOf(schema, schemas) }
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

function webhookOf (event: string, name: string, summary: string, schemas: JsonObject): JsonObject {
  const schema = { $ref: `#/components/schemas/${name}` }
  return {
    post: {
      operationId: `on${event.split('.').map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('')}`,
      tags: ['Webhooks'],
      summary,
      description: 'Verify the signature over the raw bytes before you parse them. At least once, unordered: deduplicate on `webhook-id` or `evaluation_id`. Four attempts, 10 seconds each; a redirect is a failure.',
      security: [],
      parameters: WEBHOOK_HEADERS,
      requestBody: { required: true, content: { 'application/json': contentOf(schema, schemas) } },
      responses: { '2XX': { description: 'Received. Anything else, a redirect included, is tried again.' }, '4XX': { description: 'Refused; tried again.' } }
    }
  }
}
