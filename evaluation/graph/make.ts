/**
 * Make blueprints. Flows nest in routes, branches, handlers and tools; the walk keeps its own stack of open flows, so depth
 * costs memory and no call stack. Modules come out in document order.
 */
import { addNode, countNotes, drop, newDraft, Refusal, report, uniqueKey, type Draft } from './draft.ts'
import { noteTexts } from './notes.ts'
import { handlerFacts, makeNode, type Place } from './make-module.ts'
import { fieldsOf, isFields, isFilled, isTrue, listOf, textOf, type Fields } from './shape.ts'
import { callsHook } from './traits.ts'
import type { EdgeKind, FactGraph, FlowEdge } from './types.ts'

/** Deeper flows are read, but named by the deepest container within it. */
const DEPTH_NOTED = 256
const DEPTH_MAX = 5000
const UNMERGED = 'Branches are to continue at a merge that does not follow.'

interface Join { ends: FlowEdge[], /** Branches that continue at the merge. */ branches: number, pointer: string }

interface Frame {
  items: readonly unknown[]
  at: number
  place: Place
  /** How the first module of the flow is reached; null for the top flow and orphans. */
  first: { from: number, kind: EdgeKind, slot: number } | null
  previous: number | null
  /** Branches of the If-Else just read, waiting for its Merge. */
  join: Join | null
  /** Where this flow's own end is wanted: it is a branch that merges. */
  endsIn: Join | null
}

interface Reader extends Draft {
  stack: Frame[]
  byId: Map<string, number>
  feeders: { index: number, id: string }[]
  deep: boolean
  /** The file's own object of the hook that starts the scenario. */
  hook: Fields | null
}

export function importMake (blueprint: Fields, pointer: string, beside: Fields): FactGraph {
  const reader: Reader = { ...newDraft('make', blueprint.name), stack: [], byId: new Map(), feeders: [], deep: false, hook: null }
  const { graph } = reader
  readSettings(graph, blueprint, beside)
  const metadata = fieldsOf(blueprint.metadata)
  graph.notes = countNotes(metadata.notes) + countNotes(blueprint.notes) + countNotes(blueprint.description)
  for (const [value, where] of [[metadata.notes, 'metadata/notes'], [blueprint.notes, 'notes'], [blueprint.description, 'description']] as const) noteTexts(graph, value, `${pointer}/${where}`)
  readFlow(reader, topFrame(listOf(blueprint.flow), `${pointer}/flow`, false))
  if (graph.nodes.length > 0) graph.entries.push(0)
  listOf(fieldsOf(metadata.designer).orphans).forEach((orphan, i) => {
    readFlow(reader, topFrame(...orphanFlow(orphan, `${pointer}/metadata/designer/orphans/${i}`), true))
  })
  linkFeeders(reader)
  return graph
}

/** Orphans are lists of modules; files in the wild also hold a flow object or a bare module. */
function orphanFlow (orphan: unknown, pointer: string): [items: readonly unknown[], pointer: string] {
  if (Array.isArray(orphan)) return [orphan, pointer]
  if (isFields(orphan) && Array.isArray(orphan.flow)) return [orphan.flow, `${pointer}/flow`]
  return [[orphan], pointer]
}

function topFrame (items: readonly unknown[], pointer: string, orphan: boolean): Frame {
  return { items, at: 0, place: { pointer, depth: 0, orphan, disabled: false }, first: null, previous: null, join: null, endsIn: null }
}

function readFlow (reader: Reader, top: Frame): void {
  const { stack } = reader
  stack.push(top)
  for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
    if (frame.at < frame.items.length) {
      readModule(reader, frame, frame.at++)
    } else {
      closeFrame(reader, frame)
      stack.pop()
    }
  }
}

function closeFrame (reader: Reader, frame: Frame): void {
  if (frame.join !== null) report(reader, 'merge_mismatch', frame.join.pointer, UNMERGED)
  if (frame.endsIn === null) return
  const from = frame.previous ?? frame.first?.from
  if (from !== undefined) frame.endsIn.ends.push({ from, to: -1, kind: 'merge', slot: frame.first?.slot ?? 0, gated: false })
}

function readModule (reader: Reader, frame: Frame, position: number): void {
  const module = frame.items[position]
  const pointer = frame.place.depth < DEPTH_NOTED ? `${frame.place.pointer}/${position}` : frame.place.pointer
  if (!isFields(module) || typeof module.module !== 'string' || module.module.trim() === '') {
    report(reader, 'skipped_object', pointer, 'An object without a module name was skipped.')
    return
  }
  const index = addNode(reader, makeNode(module, { ...frame.place, pointer }, keyOf(reader, module, pointer)))
  const id = textOf(module.id)
  if (!reader.byId.has(id)) reader.byId.set(id, index)
  linkTo(reader, frame, index, module, pointer)
  traceHook(reader, index, module)
  const feeder = textOf(fieldsOf(module.parameters).feeder)
  if (feeder !== '') reader.feeders.push({ index, id: feeder })
  const { restore } = fieldsOf(module.metadata)
  if (isFilled(restore)) {
    drop(reader, `${pointer}/metadata/restore`)
    noteTexts(reader.graph, restore, `${pointer}/metadata/restore`)
  }
  frame.previous = index
  openFlows(reader, frame, module, index, pointer)
}

function keyOf (reader: Reader, module: Fields, pointer: string): string {
  const id = textOf(module.id)
  // A module's number is shape; words in its place are somebody's text, and nothing can refer to them.
  const wanted = /^\d{1,19}$/.test(id) ? id : ''
  if (wanted === '') return uniqueKey(reader, `module-${reader.graph.nodes.length}`)
  if (reader.byId.has(id)) report(reader, 'duplicate_key', pointer, 'Another module has the same id; references go to the first.')
  return uniqueKey(reader, wanted)
}

/** The hook that starts the scenario is its first module; whatever sends to that hook starts it again. */
function traceHook (reader: Reader, index: number, module: Fields): void {
  const node = reader.graph.nodes[index]
  if (index === 0) reader.hook = node?.app === 'gateway' && node.kind === 'trigger' ? module : null
  else if (reader.hook !== null && node !== undefined && node.kind !== 'trigger' && callsHook(module, reader.hook)) node.traits = [...node.traits ?? [], 'calls-own-hook']
}

function linkTo (reader: Reader, frame: Frame, index: number, module: Fields, pointer: string): void {
  const { edges, nodes } = reader.graph
  const node = nodes[index]
  const gated = node?.gated === true
  const isMerge = node?.type === 'builtin:BasicMerge'
  if (isMerge) checkMerge(reader, frame.join, module, pointer)
  else if (frame.join !== null) report(reader, 'merge_mismatch', pointer, UNMERGED)
  if (frame.join !== null && isMerge) {
    for (const end of frame.join.ends) edges.push({ ...end, to: index })
  } else if (frame.previous !== null) {
    edges.push({ from: frame.previous, to: index, kind: 'flow', slot: 0, gated })
  } else if (frame.first !== null) {
    edges.push({ ...frame.first, to: index, gated: gated || frame.first.kind === 'branch' })
  }
  frame.join = null
}

/** A Merge stands directly behind its If-Else and has one filter for each branch that continues there. */
function checkMerge (reader: Reader, join: Join | null, module: Fields, pointer: string): void {
  if (join === null) report(reader, 'merge_mismatch', pointer, 'A merge follows no branches that continue at it.')
  else if (Array.isArray(module.filters) && module.filters.length !== join.branches) report(reader, 'merge_mismatch', pointer, 'A merge counts other branches than the module before it has.')
}

/** Opens the flows inside a module. The stack is last in, first out, so they are pushed in reverse of document order. */
function openFlows (reader: Reader, frame: Frame, module: Fields, index: number, pointer: string): void {
  const depth = frame.place.depth + 1
  const opened: Frame[] = []
  const open = (items: unknown, where: string, kind: EdgeKind, slot: number, disabled: boolean, endsIn: Join | null): void => {
    const place = { ...frame.place, depth, pointer: depth <= DEPTH_NOTED ? where : frame.place.pointer, disabled: frame.place.disabled || disabled }
    opened.push({ items: listOf(items), at: 0, place, first: { from: index, kind, slot }, previous: null, join: null, endsIn })
  }
  listOf(module.routes).forEach((route, slot) => {
    open(fieldsOf(route).flow, `${pointer}/routes/${slot}/flow`, 'route', slot, isTrue(fieldsOf(route).disabled), null)
  })
  const branches = listOf(module.branches).map(fieldsOf)
  const merging = branches.filter(({ merge }) => isTrue(merge)).length
  if (merging > 0) frame.join = { ends: [], branches: merging, pointer }
  branches.forEach((branch, slot) => {
    open(branch.flow, `${pointer}/branches/${slot}/flow`, 'branch', slot, isTrue(branch.disabled), isTrue(branch.merge) ? frame.join : null)
  })
  const handler = handlerFacts(module)
  if (handler.items.length > 0) open(handler.items, `${pointer}/onerror${handler.suffix}`, 'error', 0, false, null)
  listOf(module.tools).forEach((tool, slot) => {
    open(fieldsOf(tool).flow, `${pointer}/tools/${slot}/flow`, 'tool', slot, isTrue(fieldsOf(tool).disabled), null)
  })
  if (opened.some(({ items }) => items.length > 0)) noteDepth(reader, depth, pointer)
  reader.stack.push(...opened.reverse())
}

function noteDepth (reader: Reader, depth: number, pointer: string): void {
  if (depth > DEPTH_MAX) throw new Refusal(`The flows of the blueprint nest more than ${DEPTH_MAX} levels deep.`)
  if (depth <= DEPTH_NOTED || reader.deep) return
  reader.deep = true
  report(reader, 'depth_limit', pointer, `Flows nest more than ${DEPTH_NOTED} levels deep; places below are not exact.`)
}

function linkFeeders (reader: Reader): void {
  for (const { index, id } of reader.feeders) {
    const to = reader.byId.get(id)
    if (to !== undefined) reader.graph.edges.push({ from: index, to, kind: 'feed', slot: 0, gated: false })
    else report(reader, 'dangling_edge', reader.graph.nodes[index]?.pointer ?? '', 'An aggregator names a source module that does not exist.')
  }
}

function readSettings (graph: FactGraph, blueprint: Fields, beside: Fields): void {
  const metadata = fieldsOf(blueprint.metadata)
  const scenario = fieldsOf(metadata.scenario)
  const zone = typeof metadata.zone === 'string' ? metadata.zone : ''
  const scheduling = fieldsOf(blueprint.scheduling ?? beside.scheduling)
  Object.assign(graph.settings, {
    dlq: isTrue(scenario.dlq),
    dataloss: isTrue(scenario.dataloss),
    confidential: isTrue(scenario.confidential),
    autoCommit: scenario.autoCommit === undefined || isTrue(scenario.autoCommit),
    sequential: isTrue(scenario.sequential),
    subWorkflow: scheduling.type === 'on-demand',
    // Only the vendor's own hosts: anything else is somebody's text.
    ...(/^[a-z]{2}\d{0,3}\.make\.(?:com|celonis\.com)$/.test(zone) ? { zone } : {})
  })
}
