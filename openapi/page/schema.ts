/** A schema in words and tables: its type in a line with links to what it refers to, its fields in rows, its bounds after the description. */
import type { Json, JsonObject } from '../components.ts'
import { escapeHtml, inlineHtml } from './markdown.ts'
import { nameOf, namesAt, objectAt, objectsAt, textAt } from './nodes.ts'

const DEPTH_MAX = 4
const RANGES: ReadonlyArray<{ min: string, max: string, unit: string }> = [{ min: 'minimum', max: 'maximum', unit: '' }, { min: 'minLength', max: 'maxLength', unit: ' characters' }, { min: 'minItems', max: 'maxItems', unit: ' entries' }]
const BOUNDS = ['format', 'default', 'pattern']

/** `array of Violation`, `"make" | "n8n"`, `integer or null`. */
export function typeHtml (schema: Json | undefined): string {
  const node = objectAt(schema)
  const { $ref: ref, const: constant, enum: members, anyOf, oneOf, type, items } = node
  if (typeof ref === 'string') return `<a href="#schema-${escapeHtml(nameOf(ref))}">${escapeHtml(nameOf(ref))}</a>`
  if (constant !== undefined) return `<code>${escapeHtml(JSON.stringify(constant))}</code>`
  if (Array.isArray(members)) return members.map((member) => `<code>${escapeHtml(JSON.stringify(member))}</code>`).join(' | ')
  const choices = Array.isArray(anyOf) ? anyOf : oneOf
  if (Array.isArray(choices)) return choices.map(typeHtml).join(' or ')
  if (type === 'array') return `array of ${typeHtml(items)}`
  if (Array.isArray(type)) return type.map((one) => one === 'array' ? typeHtml({ ...node, type: one }) : escapeHtml(String(one))).join(' or ')
  return escapeHtml(textAt(type) || 'any')
}

/** The fields of an object as a table, those of nested objects with their path; empty for what has none. */
export function fieldsHtml (schema: Json | undefined): string {
  const rows = rowsOf(objectAt(schema), '', 0)
  if (rows.length === 0) return ''
  return `<div class="wide"><table><thead><tr><th scope="col">field</th><th scope="col">type</th><th scope="col">meaning</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`
}

/** Description and bounds of a field, a parameter or a header. */
export function meaningHtml (described: Json | undefined, schema: Json | undefined = described): string {
  const { description } = objectAt(described)
  return [inlineHtml(textAt(description)), boundsHtml(objectAt(schema))].filter((text) => text !== '').join(' ')
}

function rowsOf (schema: JsonObject, path: string, depth: number): string[] {
  const needed = new Set(namesAt(schema['required']))
  return Object.entries(objectAt(schema['properties'])).flatMap(([name, field]) => {
    const here = `${path}${name}`
    const row = `<tr><td><code>${escapeHtml(here)}</code>${needed.has(name) ? '' : ' <span class="dim">optional</span>'}</td><td>${typeHtml(field)}</td><td>${meaningHtml(field)}</td></tr>`
    return [row, ...(depth < DEPTH_MAX ? nestedRows(objectAt(field), here, depth + 1) : [])]
  })
}

function nestedRows (field: JsonObject, path: string, depth: number): string[] {
  if (field['properties'] !== undefined) return rowsOf(field, `${path}.`, depth)
  const items = objectAt(field['items'])
  if (items['properties'] !== undefined) return rowsOf(items, `${path}[].`, depth)
  return objectsAt(field['anyOf']).flatMap((choice) => nestedRows(choice, path, depth))
}

function boundsHtml (schema: JsonObject): string {
  const shown = (key: string): string => `<code>${escapeHtml(String(schema[key]))}</code>`
  const bounds = [
    ...RANGES.flatMap(({ min, max, unit }) => rangeWords(schema[min] === undefined ? '' : shown(min), schema[max] === undefined ? '' : shown(max)).map((words) => `${words}${unit}`)),
    ...BOUNDS.filter((key) => schema[key] !== undefined).map((key) => `${key} ${shown(key)}`)
  ]
  return bounds.length === 0 ? '' : `<span class="dim">${bounds.join(', ')}</span>`
}

/** One range in words, or none. */
function rangeWords (least: string, most: string): string[] {
  if (least !== '' && most !== '') return [`${least} to ${most}`]
  if (least !== '') return [`at least ${least}`]
  return most === '' ? [] : [`at most ${most}`]
}
