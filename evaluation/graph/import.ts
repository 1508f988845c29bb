/** Turns a blueprint of either platform into a fact graph, or says in one sentence why it cannot be one. */
import { Refusal } from './draft.ts'
import { importMake } from './make.ts'
import { importN8n } from './n8n.ts'
import { isFields, type Fields } from './shape.ts'
import type { ImportResult } from './types.ts'

const WRAPPERS_MAX = 6
const UNKNOWN = 'The document is neither a Make blueprint (a "flow" list is missing) nor an n8n workflow (a "nodes" list is missing).'
const NOT_JSON = 'The document is not valid JSON.'
const EMPTY = 'The document is empty.'
const SEVERAL = 'The document holds a list; one blueprint is expected.'
const DAMAGED_STRING = 'The "blueprint" field holds text that is not valid JSON.'

interface Wrapped { value: unknown, pointer: string, beside: Fields }

/** Parses and imports. The reason of a refusal never quotes the text. */
export function parseBlueprint (text: string): ImportResult {
  const plain = text.startsWith('\ufeff') ? text.slice(1) : text
  if (plain.trim() === '') return { ok: false, reason: EMPTY }
  const parsed = parse(plain)
  return parsed === undefined ? { ok: false, reason: NOT_JSON } : importBlueprint(parsed.value)
}

/** Imports a parsed document, plain or in one of the wrappers of the vendors' interfaces. The document is not changed. */
export function importBlueprint (document: unknown): ImportResult {
  try {
    const { value, pointer, beside } = unwrap(document)
    if (!isFields(value)) throw new Refusal(UNKNOWN)
    if (Array.isArray(value.flow)) return { ok: true, graph: importMake(value, pointer, beside) }
    return { ok: true, graph: importN8n(value, pointer) }
  } catch (err) {
    if (err instanceof Refusal) return { ok: false, reason: err.message }
    throw err
  }
}

function unwrap (document: unknown): Wrapped {
  let at: Wrapped = { value: document, pointer: '', beside: {} }
  for (let i = 0; i < WRAPPERS_MAX; i++) {
    if (isFields(at.value) && (Array.isArray(at.value.flow) || Array.isArray(at.value.nodes))) return at
    at = inner(at)
  }
  throw new Refusal(UNKNOWN)
}

function inner ({ value, pointer, beside }: Wrapped): Wrapped {
  if (Array.isArray(value)) {
    if (value.length !== 1) throw new Refusal(value.length === 0 ? EMPTY : SEVERAL)
    return { value: value[0], pointer: `${pointer}/0`, beside }
  }
  if (!isFields(value)) throw new Refusal(UNKNOWN)
  for (const key of ['response', 'blueprint', 'data', 'workflow']) {
    const held = value[key]
    // What stands beside a blueprint (its schedule, its interface) belongs to it.
    if (isFields(held) || Array.isArray(held)) return { value: held, pointer: `${pointer}/${key}`, beside: value }
    if (typeof held === 'string' && key === 'blueprint') return { value: reparsed(held), pointer: `${pointer}/${key}`, beside: value }
  }
  throw new Refusal(UNKNOWN)
}

function reparsed (text: string): unknown {
  const parsed = parse(text.startsWith('\ufeff') ? text.slice(1) : text)
  if (parsed === undefined) throw new Refusal(DAMAGED_STRING)
  return parsed.value
}

/** The parser's own message quotes the text, so it goes no further. */
function parse (text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) }
  } catch {
    return undefined
  }
}
