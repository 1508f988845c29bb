/** The parsing boundary: reading what may have any shape, and letting through only names that are safe to keep. */
import { looksLikeToken } from './patterns.ts'

export type Fields = Readonly<Record<string, unknown>>

export const LABEL_LENGTH_MAX = 80
const SEGMENT_LENGTH_MAX = 64
/** In the place of a module's type that cannot be one. */
export const UNRECOGNISED_TYPE = 'unrecognised'
export const REDACTED = '(redacted)'
const NOTHING: Fields = Object.freeze({})
// C0, C1, line separators and the marks that reorder text on a screen; joiners inside emoji stay.
// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069\ufeff]/g

export function isFields (value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The value as an object; anything else reads as an empty one. */
export function fieldsOf (value: unknown): Fields {
  return isFields(value) ? value : NOTHING
}

/** The value as a list; anything else reads as an empty one. */
export function listOf (value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** A string, or a number as one; anything else reads as empty. */
export function textOf (value: unknown): string {
  if (typeof value === 'string') return value
  return typeof value === 'number' && Number.isFinite(value) ? String(value) : ''
}

/** A switch that is on, also where the file holds it as text or as an expression that is nothing but the constant. */
export function isTrue (value: unknown): boolean {
  return value === true || constantOf(value) === 'true'
}

/** A switch that somebody set to off; an absent one is not. */
export function isFalse (value: unknown): boolean {
  return value === false || constantOf(value) === 'false'
}

function constantOf (value: unknown): string {
  if (typeof value !== 'string' || value.length > 40) return ''
  return /^=?\s*(?:\{\{\s*)?(true|false)(?:\s*\}\})?\s*$/.exec(value)?.[1] ?? ''
}

/** True for a non-empty string, list or object. */
export function isFilled (value: unknown): boolean {
  if (typeof value === 'string') return value.trim() !== ''
  if (Array.isArray(value)) return value.length > 0
  return isFields(value) && Object.keys(value).length > 0
}

/** A name a person gave, safe to keep: one line, limited, and never with a token in it. */
export function cleanText (text: string, lengthMax: number): string {
  const plain = text.replace(CONTROL, '').trim()
  if (looksLikeToken(plain)) return REDACTED
  // By code points: half an emoji would not survive storage.
  return plain.length <= lengthMax ? plain.toWellFormed() : [...plain.slice(0, lengthMax * 2)].slice(0, lengthMax).join('').toWellFormed()
}

/** A field name or pointer segment that comes from the file's keys. */
export function cleanName (name: string): string {
  return cleanText(name, SEGMENT_LENGTH_MAX)
}

/** The pointer one step down. A key that had to be shortened still tells where to look, though it resolves no more. */
export function under (pointer: string, key: string | number): string {
  if (typeof key === 'number') return `${pointer}/${key}`
  return `${pointer}/${cleanName(key).replaceAll('~', '~0').replaceAll('/', '~1')}`
}

export function versionOf (value: unknown): number {
  const version = Number(textOf(value))
  return Number.isFinite(version) && version > 0 ? version : 1
}
