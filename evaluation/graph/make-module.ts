/** One Make module: its facts, its connections and what its error handler does. */
import { makeNature, httpEffects } from './effects.ts'
import { expressionsIn, factsOf, leavesOf, PLAIN, type Leaf, type Reading } from './leaves.ts'
import { cleanText, fieldsOf, isFields, isFilled, isTrue, LABEL_LENGTH_MAX, listOf, textOf, UNRECOGNISED_TYPE, versionOf, type Fields } from './shape.ts'
import { makeTraits } from './traits.ts'
import type { FlowNode, NodeConnection, NodeKind } from './types.ts'

const TYPE_LENGTH_MAX = 120
const TYPE = /^[\w#. -]{1,80}(?::[\w. -]{1,80})?$/
const CONNECTION_SLOT = /^(?:__IMTCONN__|__IMTHOOK__|__IMTKEY__|account|makeConnectionId|hook|auth|key)$|Keychain$/
const DIRECTIVES = ['Ignore', 'Resume', 'Break', 'Rollback', 'Commit']
const CODE_FIELD = /^(?:code|script|source|jscode|pythoncode|function)$/i
/** Variables of the organization, the team and the scenario; `var.input` is what a caller hands in, which is data. */
const OWN_VARIABLE = /^\s{0,8}var\.(?:organization|team|scenario)\b/
const VALUE_LISTS = ['parameters', 'params', 'values', 'bindings', 'queryParams', 'queryParameters']

export interface Place { pointer: string, depth: number, orphan: boolean, disabled: boolean }

export function makeNode (module: Fields, place: Place, key: string): FlowNode {
  const stated = cleanText(textOf(module.module), TYPE_LENGTH_MAX)
  // A type is a name; anything else is somebody's text.
  const type = TYPE.test(stated) ? stated : UNRECOGNISED_TYPE
  const colon = type.indexOf(':')
  const app = colon < 0 ? type : type.slice(0, colon)
  const op = colon < 0 ? '' : type.slice(colon + 1)
  const mapper = fieldsOf(module.mapper)
  const { kind, effects } = makeNature(type, app, op, isTrue(module.listener))
  const method = app === 'http' && op === 'ActionGetFile' ? 'GET' : textOf(mapper.method)
  const label = cleanText(textOf(fieldsOf(fieldsOf(module.metadata).designer).name), LABEL_LENGTH_MAX)
  const { items, suffix, ...handling } = handlerFacts(module)
  const leaves = configuration(module, place.pointer)
  const traits = makeTraits(module, kind, type, leaves, items)
  return {
    key,
    pointer: place.pointer,
    type,
    app,
    op,
    version: versionOf(module.version),
    kind,
    effects: kind === 'http' ? httpEffects(method, textOf(mapper.url)) : effects,
    ...(label === '' ? {} : { label }),
    disabled: place.disabled || isTrue(module.disabled),
    orphan: place.orphan,
    depth: place.depth,
    connections: connectionsOf(module),
    gated: isGate(module.filter),
    ...handling,
    approval: false,
    ...factsOf(leaves, {
      read: (leaf) => readLeaf(leaf, kind),
      sql: effects.includes('SQL'),
      parameterised: VALUE_LISTS.some((name) => isFilled(mapper[name])),
      shell: effects.includes('SHELL'),
      ownVariable: OWN_VARIABLE
    }),
    noted: false,
    ...(traits.length === 0 ? {} : { traits })
  }
}

/** Strings of the configuration; schemas (`metadata.expect`, `interface`) describe fields and hold example data. */
function configuration (module: Fields, pointer: string): Leaf[] {
  const parameters = fieldsOf(module.parameters)
  const slots = new Set(Object.keys(parameters).filter((name) => isConnection(name, parameters[name])))
  const leaves = leavesOf(parameters, `${pointer}/parameters`, '', slots)
  for (const name of ['mapper', 'filter', 'flags', 'filters']) {
    // One by one: a spread of a hundred thousand strings would overflow the stack.
    for (const leaf of leavesOf(module[name], `${pointer}/${name}`, name)) leaves.push(leaf)
  }
  for (const list of ['branches', 'tools', 'routes']) {
    listOf(module[list]).forEach((item, i) => {
      const inside = leavesOf(fieldsOf(item), `${pointer}/${list}/${i}`, '', new Set(['flow', 'label', ...(list === 'routes' ? ['filter', 'condition'] : [])]))
      for (const leaf of inside) leaves.push(leaf)
    })
  }
  return leaves
}

/** A connection is a number the platform gave. Text in such a field is no reference and is read like any other. */
function isConnection (name: string, value: unknown): boolean {
  return CONNECTION_SLOT.test(name) && (value === null || value === '' || /^\d{1,19}$/.test(textOf(value)))
}

function connectionsOf (module: Fields): NodeConnection[] {
  const found: NodeConnection[] = []
  // In a mapper, `key` and `account` are ordinary fields.
  for (const [source, slots] of [[module.parameters, CONNECTION_SLOT], [module.mapper, /^(?:__IMTCONN__|makeConnectionId)$/]] as const) {
    for (const [slot, value] of Object.entries(fieldsOf(source))) {
      if (slots.test(slot) && isConnection(slot, value) && slot.length <= 64) found.push({ slot, ref: textOf(value) === '' ? null : textOf(value) })
    }
  }
  return found
}

/** An object without conditions is not a filter. */
function isGate (filter: unknown): boolean {
  return listOf(fieldsOf(filter).conditions).some(isFilled)
}

export interface Handling {
  onError: FlowNode['onError']
  directive?: string | null
  handlerOnlyDirective?: boolean
  retry: boolean
  items: readonly unknown[]
  /** Pointer from `onerror` to the list, which the file may hold in a flow object. */
  suffix: string
}

/** What the module's handler chain does. Files hold a list, one module, a flow object, or `[{ directive }]`. */
export function handlerFacts (module: Fields): Handling {
  const { onerror } = module
  const flow = fieldsOf(onerror).flow
  const bare = isFields(onerror) && !Array.isArray(flow) && isFilled(onerror)
  const items = bare ? [onerror] : listOf(Array.isArray(flow) ? flow : onerror)
  const suffix = Array.isArray(flow) ? '/flow' : ''
  if (items.length === 0) return { onError: 'stop', retry: false, items, suffix }
  const names = items.map((item) => directiveOf(fieldsOf(item)))
  const directive = names.at(-1) ?? null
  const only = names.every((name) => name !== null)
  const retry = items.some((item, i) => names[i] === 'Break' && isTrue(fieldsOf(fieldsOf(item).mapper).retry))
  return { onError: outcome(directive), directive, handlerOnlyDirective: only, retry, items, suffix }
}

function outcome (directive: string | null): FlowNode['onError'] {
  if (directive === null) return 'route'
  return directive === 'Ignore' || directive === 'Resume' ? 'continue' : 'stop'
}

function directiveOf (item: Fields): string | null {
  const wanted = textOf(item.module ?? item.directive).replace(/^builtin:/, '').toLowerCase()
  return DIRECTIVES.find((name) => name.toLowerCase() === wanted) ?? null
}

function readLeaf ({ field, value }: Leaf, kind: NodeKind): Reading {
  const found = expressionsIn(value)
  const isCode = kind === 'code' && CODE_FIELD.test(field)
  if (found.length === 0) return isCode ? { ...PLAIN, kind: 'code' } : PLAIN
  const refs = refsIn(found)
  const readsData = refs.length > 0 || found.some((expression) => /(?<![\w.])(?:var\.input|error)\./.test(expression))
  if (isCode) return { kind: 'code', readsData, readsInput: false, refs }
  const [only] = found
  const whole = found.length === 1 && only !== undefined && value.trim().length === only.length + 4
  return { kind: whole ? 'expression' : 'template', readsData, readsInput: false, refs }
}

/** Ids of modules the expressions read; numbers inside quoted text are no references. */
function refsIn (expressions: readonly string[]): string[] {
  const refs = new Set<string>()
  for (const expression of expressions) {
    const bare = expression.replaceAll(/"[^"]*"|'[^']*'/g, '""')
    for (const match of bare.matchAll(/(?<![\w.])(\d{1,9})\.(?=[A-Za-z_`[{])/g)) {
      if (match[1] !== undefined) refs.add(match[1])
    }
  }
  return [...refs]
}
