/** Walks a configuration with a stack of its own and reduces each string in it to a fact. The strings stay here. */
import { isDynamicHost, isSecretParameter, literalClasses, urlClasses } from './addresses.ts'
import { isKeyMaterial, nameClasses, referenceClasses } from './lexicon.ts'
import {
  isAuthComparison, isDynamicCode, isPlaceholder, isPlainHttpPublic, isSecretField, isSecretValue, isSqlField, isUrlField, providerOf
} from './patterns.ts'
import { cleanName, isFields, under, type Fields } from './shape.ts'
import type { Fact, FactClass, LeafKind } from './types.ts'

/** Below this, a pointer names the deepest container it can: pointers must not grow with the square of the depth. */
const POINTER_DEPTH_MAX = 256
/** The list of query parameters that an HTTP module adds to its address: Make `qs`, `queryParameters`; n8n `queryParameters`, `queryParametersUi`. */
const QUERY_LIST = /\/(?:qs|queryParameters(?:Ui)?)\//

export interface Leaf {
  pointer: string
  /** Effective field name as in the file; cleaned only when a fact is made of it. */
  field: string
  value: string
  /** One side of a comparison, as in `{ a, o, b }`. */
  compared: boolean
}

/** What a platform knows about a string. */
export interface Reading {
  kind: LeafKind
  readsData: boolean
  /** It reads what the module receives, without naming where that comes from. */
  readsInput: boolean
  /** The modules that it reads by name, as in the file. */
  refs: readonly string[]
}

/** A string that names no data of a run. */
export const PLAIN: Reading = Object.freeze({ kind: 'literal', readsData: false, readsInput: false, refs: Object.freeze([]) })

/** Where it matters from whom a string has its data, not only that it has any. */
const TRACED: ReadonlySet<FactClass> = new Set(['dynamic-host', 'sql-text', 'command-text', 'dynamic-code'])

export interface FactOptions {
  read: (leaf: Leaf) => Reading
  /** The module runs SQL: its query-like fields are statements. */
  sql: boolean
  parameterised: boolean
  /** The module runs shell commands. */
  shell: boolean
  /** Names of the platform's own variables, which are no data of a run. */
  ownVariable: RegExp
}

interface Frame { value: unknown, pointer: string, field: string, compared: boolean, depth: number }

/** Every string under the root in document order. `skip` leaves out what the caller reads itself, at the top level only. */
export function leavesOf (root: unknown, pointer: string, field = '', skip: ReadonlySet<string> = new Set()): Leaf[] {
  const leaves: Leaf[] = []
  const stack: Frame[] = [{ value: root, pointer, field, compared: false, depth: 0 }]
  for (let frame = stack.pop(); frame !== undefined; frame = stack.pop()) {
    const { value } = frame
    if (typeof value === 'string') {
      if (value !== '') leaves.push({ pointer: frame.pointer, field: frame.field, value, compared: frame.compared })
    } else if (Array.isArray(value)) {
      for (let i = value.length - 1; i >= 0; i--) stack.push(elementFrame(frame, value[i], i))
    } else if (isFields(value)) {
      const names = frame.depth === 0 ? Object.keys(value).filter((name) => !skip.has(name)) : Object.keys(value)
      const pair = pairName(value)
      const compares = isComparison(value)
      for (let i = names.length - 1; i >= 0; i--) stack.push(memberFrame(frame, value, names[i] ?? '', pair, compares))
    }
  }
  return leaves
}

function elementFrame (frame: Frame, value: unknown, index: number): Frame {
  return { ...frame, value, pointer: pointerUnder(frame, value, index), depth: frame.depth + 1 }
}

function memberFrame (frame: Frame, fields: Fields, name: string, pair: string, compares: boolean): Frame {
  // A resource locator wraps the value of the field that holds it.
  const wrapped = fields.__rl === true ? frame.field : pair
  const field = name === 'value' && wrapped !== '' ? wrapped : name
  const value = fields[name]
  return { value, pointer: pointerUnder(frame, value, name), field, compared: compares && name !== 'o', depth: frame.depth + 1 }
}

/** Numbers, flags and nulls never become facts; they need no pointer. */
function pointerUnder (frame: Frame, value: unknown, key: string | number): string {
  const needed = typeof value === 'string' || (typeof value === 'object' && value !== null)
  return needed && frame.depth < POINTER_DEPTH_MAX ? under(frame.pointer, key) : frame.pointer
}

/** The name in `{ name, value }` and its relatives: headers, query parameters, assignments, variables. */
function pairName (fields: Fields): string {
  if (!('value' in fields)) return ''
  for (const name of ['name', 'key', 'field', 'fieldId']) {
    const found = fields[name]
    if (typeof found === 'string' && found !== '') return found
  }
  return ''
}

/** Make `{ a, o, b }`; n8n `{ leftValue, operator, rightValue }`, older `{ value1, operation, value2 }` and `{ value1, rules }`. */
function isComparison (fields: Fields): boolean {
  if (!('a' in fields || 'leftValue' in fields || 'value1' in fields)) return false
  const operator = isFields(fields.operator) ? fields.operator.operation : fields.o ?? fields.operation
  // That a header exists says nothing about what it holds.
  return typeof operator === 'string' ? !/^(?:not)?(?:exist|empty|isempty)/i.test(operator) : 'rules' in fields || 'value2' in fields
}

/** The insides of `{{…}}`. Stops at the first that does not close, so the text is read once. */
export function expressionsIn (text: string): string[] {
  const found: string[] = []
  for (let from = text.indexOf('{{'); from >= 0;) {
    const to = text.indexOf('}}', from + 2)
    if (to < 0) break
    found.push(text.slice(from + 2, to))
    from = text.indexOf('{{', to + 2)
  }
  return found
}

/** Facts of the leaves that match at least one class, and everything that any leaf reads by name. */
export function factsOf (leaves: readonly Leaf[], options: FactOptions): { facts: Fact[], refs: string[] } {
  const read = new Set<string>()
  const facts: Fact[] = []
  for (const leaf of leaves) {
    const reading = options.read(leaf)
    for (const name of reading.refs) read.add(name)
    const provider = providerOf(leaf.value, reading.kind)
    const classes = classesOf(leaf, reading, provider, options)
    if (classes.length === 0) continue
    const traced = reading.refs.length > 0 && (reading.kind === 'code' || classes.some((one) => TRACED.has(one)))
    facts.push({
      pointer: leaf.pointer,
      field: cleanName(leaf.field),
      kind: reading.kind,
      classes,
      ...(provider === null ? {} : { provider }),
      ...(traced ? { refs: [...reading.refs] } : {})
    })
  }
  return { facts, refs: [...read] }
}

function classesOf (leaf: Leaf, { kind, readsData, readsInput }: Reading, provider: string | null, options: FactOptions): FactClass[] {
  const { field, value } = leaf
  const classes: FactClass[] = []
  if (provider !== null) classes.push('provider-token')
  if (kind === 'literal' && isSecretField(field) && isSecretValue(value.replace(/^=/, ''))) classes.push('secret-literal')
  if (isUrlField(field) && isPlainHttpPublic(value)) classes.push('plain-http-public')
  if (readsData) classes.push('data-reference')
  if (options.sql && isSqlField(field)) {
    classes.push('sql-text')
    if (options.parameterised) classes.push('sql-parameterised')
  }
  if (leaf.compared && readsData && isAuthComparison(value)) classes.push('auth-check')
  classes.push(...placeClasses(leaf, kind, readsData, options), ...contentClasses(leaf, kind, provider))
  if (readsInput && classes.some((one) => TRACED.has(one))) classes.push('reads-input')
  return classes
}

/** What a string is because of the field it stands in. */
function placeClasses ({ field, value, compared, pointer }: Leaf, kind: LeafKind, readsData: boolean, options: FactOptions): FactClass[] {
  const classes: FactClass[] = []
  if (kind === 'literal' && QUERY_LIST.test(pointer) && isSecretParameter(field, value)) classes.push('secret-in-url')
  if (isUrlField(field)) {
    classes.push(...urlClasses(value))
    // The address that the module itself calls, not one that stands in what it sends.
    if (readsData && kind !== 'code' && isUrlField(pointer.slice(pointer.lastIndexOf('/') + 1)) && isDynamicHost(value, options.ownVariable)) classes.push('dynamic-host')
  }
  if (options.shell && /^(?:command|cmd|script|args|arguments)$/i.test(field)) classes.push('command-text')
  if (compared && /status_?code|\bstatus\b/i.test(value.slice(0, 2000))) classes.push('status-check')
  if (/idempoten/i.test(field.slice(0, 100))) classes.push('idempotency')
  return classes
}

/** What a string is because of what it holds or reads. */
function contentClasses ({ field, value }: Leaf, kind: LeafKind, provider: string | null): FactClass[] {
  const classes: FactClass[] = kind === 'literal' ? literalClasses(value) : referenceClasses(kind === 'code' ? value : expressionsIn(value).join('\n'))
  if (kind === 'code' && isDynamicCode(value)) classes.push('dynamic-code')
  const isKey = isKeyMaterial(field) && provider === null && (kind !== 'literal' || (value.length >= 12 && !isPlaceholder(value)))
  if (isKey || provider === 'private-key') classes.push('key-material')
  if (!classes.includes('card-data') && nameClasses(field).includes('card-data')) classes.push('card-data')
  return classes
}
