/** Make blueprint → fact graph. One walk with a stack of its own over flows, routes, branches, handlers, tools and orphans. */
import { addEdge, addNode, keepFacts, newDraft, type Draft } from './draft.ts'
import { checksAuthentication, isObject, leavesOf } from './leaves.ts'
import { safeLabel } from './patterns.ts'
import { effectsOf, httpEffects, isMakeTrigger } from './tables.ts'
import type { EdgeKind, FlowNode, ImportResult, NodeConnection, NodeKind } from './types.ts'

const DEPTH_WARN = 256
const DEPTH_MAX = 5000
const LABEL_CHARS_MAX = 80
const DIRECTIVES = new Set(['Ignore', 'Break', 'Resume', 'Rollback', 'Commit'])
const CONNECTION_SLOT = /^(?:__IMTCONN__|account|makeConnectionId|__IMTHOOK__|hook|auth|key|__IMTKEY__)$|Keychain$/

/** A sequence still to walk: where its first module hangs, and how. */
interface Pending { flow: unknown, pointer: string, depth: number, from: number | null, kind: EdgeKind, slot: number, orphan: boolean }

export function importMake (blueprint: Record<string, unknown>): ImportResult {
  const draft = newDraft('make', blueprint['name'])
  const metadata = isObject(blueprint['metadata']) ? blueprint['metadata'] : {}
  readSettings(draft, blueprint, metadata)
  const pending: Pending[] = orphansOf(metadata)
  pending.push({ flow: blueprint['flow'], pointer: '/flow', depth: 0, from: null, kind: 'flow', slot: 0, orphan: false })
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (next.depth > DEPTH_MAX) return { ok: false, reason: `The blueprint nests deeper than ${DEPTH_MAX} levels.` }
    walkFlow(draft, next, pending)
  }
  if (draft.graph.nodes.length === 0) draft.graph.problems.push({ code: 'empty', pointer: '/flow', message: 'The blueprint has no modules.' })
  linkFeeders(draft)
  return { ok: true, graph: draft.graph }
}

function readSettings (draft: Draft, blueprint: Record<string, unknown>, metadata: Record<string, unknown>): void {
  const { graph } = draft
  const scenario = isObject(metadata['scenario']) ? metadata['scenario'] : {}
  Object.assign(graph.settings, {
    dlq: scenario['dlq'] === true,
    dataloss: scenario['dataloss'] === true,
    confidential: scenario['confidential'] === true,
    autoCommit: scenario['autoCommit'] !== false,
    sequential: scenario['sequential'] === true
  })
  if (typeof metadata['zone'] === 'string') graph.settings.zone = safeLabel(metadata['zone'], LABEL_CHARS_MAX)
  const notes = metadata['notes'] ?? blueprint['notes']
  graph.notes = (Array.isArray(notes) ? notes.length : 0) + (typeof blueprint['description'] === 'string' && blueprint['description'] !== '' ? 1 : 0)
  for (const name of ['executions', 'executionData', 'bundles', 'samples']) if (name in blueprint) graph.dropped.push(`/${name}`)
}

function orphansOf (metadata: Record<string, unknown>): Pending[] {
  const orphans = isObject(metadata['designer']) ? metadata['designer']['orphans'] : undefined
  if (!Array.isArray(orphans)) return []
  return orphans.map((flow: unknown, index) => ({
    flow: Array.isArray(flow) ? flow : [flow], pointer: `/metadata/designer/orphans/${index}`, depth: 0, from: null, kind: 'flow' as const, slot: 0, orphan: true
  })).reverse()
}

function walkFlow (draft: Draft, next: Pending, pending: Pending[]): void {
  const { graph } = draft
  const modules = Array.isArray(next.flow) ? next.flow : isObject(next.flow) ? [next.flow] : []
  if (next.depth === DEPTH_WARN) graph.problems.push({ code: 'depth_limit', pointer: next.pointer.slice(0, 200), message: `Modules nest deeper than ${DEPTH_WARN} levels.` })
  let before = next.from
  let kind = next.kind
  for (const [position, module] of modules.entries()) {
    const pointer = next.pointer.length > 2000 ? next.pointer : `${next.pointer}/${position}`
    if (!isObject(module) || typeof (module['module'] ?? module['directive']) !== 'string') {
      graph.problems.push({ code: 'skipped_object', pointer, message: 'An entry is not a module.' })
      continue
    }
    const index = addModule(draft, module, pointer, next)
    if (before === null && !next.orphan) graph.entries.push(index)
    if (before !== null) addEdge(draft, before, index, kind, next.slot)
    before = index
    kind = 'flow'
    pushInner(module, index, pointer, next, pending)
  }
}

function pushInner (module: Record<string, unknown>, index: number, pointer: string, next: Pending, pending: Pending[]): void {
  const inner: Pending[] = []
  const base = { depth: next.depth + 1, from: index, orphan: next.orphan }
  const lists: ReadonlyArray<readonly [string, EdgeKind]> = [['routes', 'route'], ['branches', 'branch'], ['tools', 'tool']]
  for (const [name, kind] of lists) {
    const list = module[name]
    if (!Array.isArray(list)) continue
    for (const [slot, entry] of list.entries()) {
      if (isObject(entry) && entry['disabled'] !== true) inner.push({ ...base, flow: entry['flow'], pointer: `${pointer}/${name}/${slot}/flow`, kind, slot })
    }
  }
  if (module['onerror'] !== undefined && module['onerror'] !== null) inner.push({ ...base, flow: module['onerror'], pointer: `${pointer}/onerror`, kind: 'error', slot: 0 })
  pending.push(...inner.reverse())
}

function addModule (draft: Draft, module: Record<string, unknown>, pointer: string, next: Pending): number {
  const type = safeLabel(String(module['module'] ?? `builtin:${String(module['directive'])}`), LABEL_CHARS_MAX)
  const [app = '', op = ''] = type.split(':')
  const parameters = isObject(module['parameters']) ? module['parameters'] : {}
  const mapper = isObject(module['mapper']) ? module['mapper'] : {}
  const id = module['id']
  const node: FlowNode = {
    key: safeLabel(typeof id === 'number' || typeof id === 'string' ? String(id) : `at-${draft.graph.nodes.length}`, LABEL_CHARS_MAX),
    pointer,
    type,
    app,
    op,
    version: Number.isFinite(Number(module['version'])) ? Number(module['version']) : 0,
    kind: kindOf(app, op),
    effects: effectsOfModule(app, op, mapper, next),
    disabled: false,
    orphan: next.orphan,
    depth: next.depth,
    connections: connectionsOf(parameters, mapper),
    gated: isGate(module['filter']),
    onError: 'stop',
    retry: false,
    approval: false,
    facts: [],
    refs: [],
    noted: false,
    ...labelOf(module),
    ...handlerOf(module['onerror'])
  }
  const isSql = node.effects.includes('SQL')
  const leaves = keepFacts(node, [{ root: parameters, pointer: `${pointer}/parameters` }, { root: mapper, pointer: `${pointer}/mapper` }], { platform: 'make', isSql, parameterised: Array.isArray(mapper['params']) || Array.isArray(mapper['parameters']) })
  node.refs = [...new Set(leaves.flatMap((leaf) => [...leaf.value.matchAll(/\{\{[^}]{0,2000}?(?:^|[^\w.])(\d{1,9})\./g)].map((match) => match[1] ?? '')))].filter((ref) => ref !== '')
  if (node.gated && checksAuthentication(leavesOf(module['filter'], pointer, 'make'))) node.facts.push({ pointer: `${pointer}/filter`, field: 'filter', kind: 'expression', classes: ['auth-check'] })
  noteDropped(draft, module, pointer)
  return addNode(draft, node)
}

function labelOf (module: Record<string, unknown>): { label?: string } {
  const metadata = isObject(module['metadata']) ? module['metadata'] : {}
  const designer = isObject(metadata['designer']) ? metadata['designer'] : {}
  const name = designer['name']
  return typeof name === 'string' && name.trim() !== '' ? { label: safeLabel(name, LABEL_CHARS_MAX) } : {}
}

// What the designer showed beside the fields (labels of accounts, sample values) is not shape.
function noteDropped (draft: Draft, module: Record<string, unknown>, pointer: string): void {
  const metadata = module['metadata']
  if (isObject(metadata) && isObject(metadata['restore']) && leavesOf(metadata['restore'], '', 'make').some((leaf) => leaf.value !== '')) draft.graph.dropped.push(`${pointer}/metadata/restore`)
}

function kindOf (app: string, op: string): NodeKind {
  if (isMakeTrigger(app, op)) return 'trigger'
  if (app === 'http') return 'http'
  if (app === 'gateway') return op === 'WebhookRespond' ? 'response' : 'action'
  if (app === 'ai-local-agent') return 'agent'
  if (app === 'builtin' && DIRECTIVES.has(op)) return 'directive'
  const builtin: Record<string, NodeKind> = {
    BasicRouter: 'router', BasicIfElse: 'branch', BasicMerge: 'merge', BasicFeeder: 'iterator', BasicIterator: 'iterator', BasicRepeater: 'iterator', BasicAggregator: 'aggregator'
  }
  if (app === 'builtin') return builtin[op] ?? 'unknown'
  if (app === 'util') return /Aggregator/.test(op) ? 'aggregator' : op === 'FunctionSleep' ? 'wait' : 'transform'
  if (app === 'datastore') return 'store'
  if (app === 'scenario-service') return 'sub'
  return /^(?:search|list|find)/i.test(op.replace(/^Action/, '')) ? 'search' : 'action'
}

function effectsOfModule (app: string, op: string, mapper: Record<string, unknown>, next: Pending): FlowNode['effects'] {
  if (isMakeTrigger(app, op)) return next.orphan ? ['INGRESS'] : app === 'gateway' ? ['INGRESS', 'OPEN'] : ['INGRESS', 'READ']
  if (app === 'http') return httpEffects(String(mapper['method'] ?? 'GET'), String(mapper['url'] ?? ''))
  if (app === 'gateway' && op === 'WebhookRespond') return ['RESPOND']
  if (app === 'builtin' || app === 'util' || app === 'gateway' || app === 'json' || app === 'regexp') return []
  if (app === 'ai-local-agent') return ['AI', 'EGRESS']
  return effectsOf(app, op)
}

function connectionsOf (...parts: Array<Record<string, unknown>>): NodeConnection[] {
  return parts.flatMap((part) => Object.entries(part).filter(([name]) => CONNECTION_SLOT.test(name)).map(([slot, ref]) => ({
    // Only an identifier is kept: a secret that somebody typed into such a field stays out.
    slot, ref: (typeof ref === 'number' || (typeof ref === 'string' && /^\d{1,20}$/.test(ref))) ? String(ref) : null
  })))
}

function isGate (filter: unknown): boolean {
  const conditions = isObject(filter) ? filter['conditions'] : undefined
  return Array.isArray(conditions) && conditions.some((group) => Array.isArray(group) && group.length > 0)
}

function handlerOf (onerror: unknown): Partial<FlowNode> {
  const chain = (Array.isArray(onerror) ? onerror : isObject(onerror) ? [onerror] : []).filter(isObject)
  const last = chain.at(-1)
  if (last === undefined) return {}
  const name = String(last['module'] ?? last['directive'] ?? '').replace(/^builtin:/, '')
  const directive = DIRECTIVES.has(name) ? name : null
  const onError = directive === 'Ignore' || directive === 'Resume' ? 'continue' : directive === null ? 'route' : 'stop'
  return { directive, onError, handlerOnlyDirective: directive !== null && chain.length === 1, retry: directive === 'Break' }
}

// An aggregator closes the loop that its feeder opened; the edge is for counting, not for walking.
function linkFeeders (draft: Draft): void {
  for (const [index, node] of draft.graph.nodes.entries()) {
    if (node.kind !== 'aggregator') continue
    const ref = node.refs.find((key) => draft.byKey.has(key))
    const feeder = ref === undefined ? undefined : draft.byKey.get(ref)
    if (feeder !== undefined && feeder !== index) addEdge(draft, index, feeder, 'feed')
  }
}
