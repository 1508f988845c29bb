/** How the page reads the document: members by name, references followed. What is missing is an empty object, so that a page says less instead of failing. */
import type { Json, JsonObject } from '../components.ts'

export function objectAt (value: Json | undefined): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}
}

export function objectsAt (value: Json | undefined): JsonObject[] {
  return Array.isArray(value) ? value.map(objectAt) : []
}

export function textAt (value: Json | undefined): string {
  return typeof value === 'string' ? value : ''
}

export function namesAt (value: Json | undefined): string[] {
  return Array.isArray(value) ? value.map(String) : []
}

/** The node itself, or what its `$ref` names within the document. */
export function followed (document: JsonObject, value: Json | undefined): JsonObject {
  const node = objectAt(value)
  const ref = node['$ref']
  if (typeof ref !== 'string') return node
  return ref.split('/').slice(1).reduce((found: JsonObject, part) => objectAt(found[part.replaceAll('~1', '/').replaceAll('~0', '~')]), document)
}

/** The last part of a reference: `Violation` of `#/components/schemas/Violation`. */
export function nameOf (ref: string): string {
  return ref.slice(ref.lastIndexOf('/') + 1)
}
