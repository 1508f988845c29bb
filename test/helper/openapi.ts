import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import type { Answer } from './service.ts'

const RFC_3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?Z$/
// What HTTP itself adds, and what every answer has whatever it says.
const ALWAYS = new Set(['content-type', 'content-length', 'transfer-encoding', 'connection', 'keep-alive', 'date', 'cache-control', 'x-content-type-options'])

export interface DocumentedOperation { method: string, path: string, id: string, access: 'key' | 'session' | 'token' | 'open', scope: string | null, codes: string[] }

export interface ApiDocument {
  operations: DocumentedOperation[]
  /** What an answer has that the document does not say, or the other way round. */
  problemsOf: (operation: DocumentedOperation, answer: Answer) => string[]
  webhookProblemsOf: (event: string, headers: Record<string, string>, body: unknown) => string[]
  /** Problems of a refusal that belongs to no operation. */
  refusalProblemsOf: (body: unknown) => string[]
}

const RETIRING = new Set(['deprecation', 'sunset'])
const METHODS = ['get', 'post', 'put', 'patch', 'delete']

// The committed document, with every object of an answer closed: a field that is not described is a problem here.
export function readDocument (file = 'docs/openapi.json'): ApiDocument {
  const document = JSON.parse(readFileSync(file, 'utf8'))
  close(document)
  const ajv = new Ajv2020({ strict: false, allErrors: true, validateSchema: false, formats: { 'date-time': RFC_3339 } })
  ajv.addSchema(document, 'document')
  const resolve = (node: any): any => node?.$ref === undefined ? node : String(node.$ref).split('/').slice(1).reduce((found, part) => found[part.replaceAll('~1', '/')], document)
  const check = (schema: object, value: unknown): string[] => {
    // References are relative to the document.
    const validate = ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"document#/')))
    return validate(value) ? [] : (validate.errors ?? []).map(({ instancePath, message, params }) => `${instancePath} ${String(message)} ${JSON.stringify(params)}`)
  }

  const operations = Object.entries<any>(document.paths).flatMap(([path, item]) => METHODS.filter((method) => item[method] !== undefined).map((method): DocumentedOperation => {
    const { operationId, security, responses } = item[method]
    const codes = Object.values(responses).flatMap((response) => Object.keys(resolve(response).content?.['application/json']?.examples ?? {}))
    const access = security[0]?.session !== undefined ? 'session' : security.length > 0 ? 'key' : path.endsWith('/{token}') ? 'token' : 'open'
    return { method: method.toUpperCase(), path, id: operationId, access, scope: security[0]?.key?.[0] ?? null, codes }
  }))

  function headerProblems (response: any, answer: Answer): string[] {
    const documented = Object.entries<any>(response.headers ?? {}).map(([name, header]): [string, any] => [name.toLowerCase(), resolve(header)])
    const names = new Set(documented.map(([name]) => name))
    const problems = [...answer.headers.keys()].filter((name) => !names.has(name) && !ALWAYS.has(name)).map((name) => `header ${name} is not described`)
    for (const [name, { required, schema }] of documented) {
      const text = answer.headers.get(name)
      // Together on answers to a key that is being replaced, and on none to another.
      if (RETIRING.has(name) && text === null && !answer.headers.has('sunset') && !answer.headers.has('deprecation')) continue
      if (text === null && (required === true || answer.status < 400)) problems.push(`header ${name} is missing`)
      if (text !== null) problems.push(...check(schema, schema.type === 'integer' ? Number(text) : text).map((problem) => `header ${name}: ${problem}`))
    }
    return problems
  }

  return {
    operations,
    problemsOf (operation, answer) {
      const response = resolve(document.paths[operation.path][operation.method.toLowerCase()].responses[answer.status])
      if (response === undefined) return [`${answer.status} is not described`]
      const content = response.content?.['application/json']
      const body = content === undefined ? [] : check(content.schema, answer.body)
      const type = content !== undefined && answer.headers.get('content-type') !== 'application/json; charset=utf-8' ? ['not application/json'] : []
      const mark = answer.status >= 400 && answer.body.meta?.watermark !== answer.headers.get('x-fb-watermark') ? ['two watermarks'] : []
      return [...headerProblems(response, answer), ...body, ...type, ...mark]
    },
    webhookProblemsOf (event, headers, body) {
      const { parameters, requestBody } = document.webhooks[event].post
      const missing = parameters.filter(({ name }: { name: string }) => headers[name.toLowerCase()] === undefined).map(({ name }: { name: string }) => `header ${name} is missing`)
      return [...missing, ...check(requestBody.content['application/json'].schema, body)]
    },
    refusalProblemsOf: (body) => check({ $ref: '#/components/schemas/Refusal' }, body)
  }
}

function close (node: any): void {
  if (typeof node !== 'object' || node === null) return
  for (const [key, value] of Object.entries<any>(node)) {
    if (key === 'allOf') node.unevaluatedProperties = false
    else if (key !== 'examples' && key !== 'example' && key !== 'Refusal') close(value)
  }
  if (node.type === 'object' && node.properties !== undefined && node.additionalProperties === undefined) node.additionalProperties = false
}
