/** Every string of a configuration, with where it stands and the name under which it counts. Iterative: depth is the file's choice. */
import type { Fact, FactClass, LeafKind, Platform } from './types.ts'
import { isPlainHttpPublic, isSecretLiteral, providerTokenIn, safeLabel } from './patterns.ts'

const FIELD_CHARS_MAX = 64
const CODE_FIELDS = new Set(['jsCode', 'pythonCode', 'functionCode', 'code', 'script'])
const QUERY_FIELDS = new Set(['query', 'sql', 'statement', 'rawQuery', 'sqlQuery'])
const AUTH_WORDS = /x-[a-z-]{0,30}(?:signature|token|key|secret)|authorization|signature|secret|api[-_ ]?key|hmac/i

export interface Leaf { pointer: string, field: string, kind: LeafKind, value: string }

export interface LeafContext {
  platform: Platform
  isSql: boolean
  /** The module sends values through its own parameter list. */
  parameterised: boolean
}

export function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** RFC 6901. */
export function pointerStep (name: string): string {
  return name.replace(/~/g, '~0').replace(/\//g, '~1')
}

/** The strings of `root` in document order. */
export function leavesOf (root: unknown, pointer: string, platform: Platform): Leaf[] {
  const leaves: Leaf[] = []
  const pending: Array<{ value: unknown, pointer: string, field: string }> = [{ value: root, pointer, field: '' }]
  for (let item = pending.pop(); item !== undefined; item = pending.pop()) {
    const { value, field } = item
    if (typeof value === 'string') {
      const kind = kindOf(value, field, platform)
      leaves.push({ pointer: item.pointer, field, kind, value: kind === 'literal' && platform === 'n8n' ? value.replace(/^=/, '') : value })
    } else if (Array.isArray(value)) {
      for (let index = value.length - 1; index >= 0; index--) pending.push({ value: value[index], pointer: `${item.pointer}/${index}`, field })
    } else if (isObject(value)) {
      const named = effectiveName(value)
      for (const [name, inner] of Object.entries(value).reverse()) {
        const isValue = named !== null && /^(?:value|stringValue)$/.test(name)
        pending.push({ value: inner, pointer: `${item.pointer}/${pointerStep(name)}`, field: isValue ? named : name })
      }
    }
  }
  return leaves
}

// `{ name: "Authorization", value: … }` is a field called Authorization, whatever the pair is called.
function effectiveName (pair: Record<string, unknown>): string | null {
  const name = pair['name'] ?? pair['key']
  return typeof name === 'string' && ('value' in pair || 'stringValue' in pair) ? name : null
}

function kindOf (value: string, field: string, platform: Platform): LeafKind {
  if (CODE_FIELDS.has(field) && platform === 'n8n') return 'code'
  if (!value.includes('{{')) return 'literal'
  if (platform === 'n8n' && !value.startsWith('=') && !QUERY_FIELDS.has(field)) return 'literal'
  return /^=?\s*\{\{/.test(value) && value.indexOf('{{', value.indexOf('{{') + 2) < 0 && /\}\}\s*$/.test(value) ? 'expression' : 'template'
}

/** The fact of one leaf, or null when it matches no class. */
export function factOf (leaf: Leaf, context: LeafContext): Fact | null {
  const classes: FactClass[] = []
  const provider = providerTokenIn(leaf.value)
  if (provider !== null) classes.push('provider-token')
  if (leaf.kind === 'literal' && isSecretLiteral(leaf.field, leaf.value)) classes.push('secret-literal')
  if (leaf.kind !== 'code' && isPlainHttpPublic(leaf.field, leaf.value.replace(/^=/, ''))) classes.push('plain-http-public')
  const isQuery = context.isSql && QUERY_FIELDS.has(leaf.field)
  if (isQuery) classes.push('sql-text')
  if (isQuery && context.parameterised) classes.push('sql-parameterised')
  if (isQuery && readsData(leaf, context.platform)) classes.push('data-reference')
  if (classes.length === 0) return null
  return { pointer: safePointer(leaf.pointer), field: safeLabel(leaf.field, FIELD_CHARS_MAX), kind: leaf.kind, classes, ...(provider === null ? {} : { provider }) }
}

/** Whether a leaf reads another module, the trigger or the run. */
export function readsData (leaf: Leaf, platform: Platform): boolean {
  if (!leaf.value.includes('{{')) return false
  return platform === 'n8n'
    ? /\$(?:json|input|node|items|binary|fromAI|env|execution)\b|\$\(/.test(leaf.value)
    : /(?:^|[^\w.])`?\d{1,9}`?\./.test(leaf.value) || /\{\{\s*var\./.test(leaf.value)
}

/** Whether a condition compares a header, token, secret or signature. */
export function checksAuthentication (leaves: readonly Leaf[]): boolean {
  return leaves.some((leaf) => AUTH_WORDS.test(leaf.value))
}

// A key of the file's own stands in a pointer; one that holds a token must not.
function safePointer (pointer: string): string {
  return providerTokenIn(pointer) === null ? pointer : '(redacted)'
}
