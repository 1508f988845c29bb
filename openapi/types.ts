/** TypeScript types from the component schemas of the document: the client's types, written by `npm run docs:openapi`. */
import type { Json, JsonObject } from './components.ts'

const HEAD = '// Written by `npm run docs:openapi` from docs/openapi.json. Do not edit.\n'

/** The text of a module that exports one type for each component schema, but those of single refusals. */
export function typesOf (document: JsonObject): string {
  const schemas = objectAt(objectAt(document['components'])['schemas'])
  const types = Object.entries(schemas).filter(([name]) => !/^Refusal./.test(name)).map(([name, schema]) => {
    const { description, ...rest } = objectAt(schema)
    return `${comment(description, '')}export type ${name} = ${typeOf(rest, '')}\n`
  })
  return [HEAD, ...types].join('\n')
}

function typeOf (schema: Json | undefined, indent: string): string {
  const { $ref: ref, const: constant, enum: members, anyOf, type, items, properties } = objectAt(schema)
  if (typeof ref === 'string') return ref.slice(ref.lastIndexOf('/') + 1)
  if (constant !== undefined) return literal(constant)
  if (Array.isArray(members)) return members.map(literal).join(' | ')
  if (Array.isArray(anyOf)) return anyOf.map((one) => typeOf(one, indent)).join(' | ')
  if (Array.isArray(type)) return type.map((one) => typeOf({ ...objectAt(schema), type: one }, indent)).join(' | ')
  if (type === 'array') {
    const item = typeOf(items, indent)
    return /^\w+$/.test(item) ? `${item}[]` : `Array<${item}>`
  }
  if (type === 'object') return Object.keys(objectAt(properties)).length === 0 ? 'Record<string, unknown>' : objectType(objectAt(schema), indent)
  const plain: Record<string, string> = { string: 'string', integer: 'number', number: 'number', boolean: 'boolean', null: 'null' }
  const found = typeof type === 'string' ? plain[type] : undefined
  if (found === undefined) throw new TypeError(`no TypeScript type for ${JSON.stringify(schema)}`)
  return found
}

function objectType ({ properties, required }: JsonObject, indent: string): string {
  const needed = new Set(Array.isArray(required) ? required : [])
  const inner = `${indent}  `
  const members = Object.entries(objectAt(properties)).map(([name, schema]) =>
    `${comment(objectAt(schema)['description'], inner)}${inner}${name}${needed.has(name) ? '' : '?'}: ${typeOf(schema, inner)}\n`)
  return `{\n${members.join('')}${indent}}`
}

function comment (description: Json | undefined, indent: string): string {
  return typeof description === 'string' ? `${indent}/** ${description} */\n` : ''
}

function literal (value: Json): string {
  return typeof value === 'string' ? `'${value.replaceAll("'", "\\'")}'` : String(value)
}

function objectAt (value: Json | undefined): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}
}
