/** n8n workflows: a list of nodes and connections by name. Connections that lead nowhere are reported and left out. */
import { addNode, countNotes, drop, newDraft, report, uniqueKey, type Draft } from './draft.ts'
import { notePinned, noteText } from './notes.ts'
import { makeN8nNode, outputsOf } from './n8n-node.ts'
import { cleanText, fieldsOf, isFields, isFilled, LABEL_LENGTH_MAX, listOf, REDACTED, textOf, under, type Fields } from './shape.ts'
import type { EdgeKind, FactGraph } from './types.ts'

const STICKY_NOTE = 'n8n-nodes-base.stickyNote'
/** What n8n stores beside the shape: samples, cursors and runs. */
const DATA_FIELDS = ['executionData', 'data', 'execution', 'lastExecution', 'runData']

interface Reader extends Draft {
  /** Names as in the file. A Map, because `__proto__` is a legal name. */
  byName: Map<string, number>
  /** The file's own node objects, by index. */
  sources: Fields[]
}

interface Output { from: number, source: Fields, type: string, slot: number, last: number }

export function importN8n (workflow: Fields, pointer: string): FactGraph {
  const reader: Reader = { ...newDraft('n8n', workflow.name), byName: new Map(), sources: [] }
  const { graph } = reader
  graph.notes = countNotes(textOf(workflow.description))
  noteText(graph, textOf(workflow.description), `${pointer}/description`)
  listOf(workflow.nodes).forEach((node, i) => readNode(reader, node, `${pointer}/nodes/${i}`))
  resolveRefs(reader)
  const connections = fieldsOf(workflow.connections)
  for (const name of Object.keys(connections)) readConnections(reader, name, connections[name], under(`${pointer}/connections`, name))
  graph.nodes.forEach((node, index) => {
    if (node.kind === 'trigger' && !node.disabled) graph.entries.push(index)
  })
  readSettings(graph, workflow)
  dropData(reader, workflow, pointer)
  return graph
}

function readNode (reader: Reader, node: unknown, pointer: string): void {
  if (!isFields(node) || typeof node.type !== 'string' || node.type === '') {
    report(reader, 'skipped_object', pointer, 'An object without a node type was skipped.')
    return
  }
  if (node.type === STICKY_NOTE) {
    reader.graph.notes++
    noteText(reader.graph, textOf(fieldsOf(node.parameters).content), `${pointer}/parameters/content`)
    return
  }
  const name = textOf(node.name)
  const label = cleanText(name, LABEL_LENGTH_MAX)
  const known = reader.byName.has(name)
  if (known) report(reader, 'duplicate_key', pointer, 'Another node has the same name; connections go to the first.')
  const unnamed = label === '' || label === REDACTED
  const key = uniqueKey(reader, unnamed ? `node-${reader.sources.length}` : label)
  const index = addNode(reader, makeN8nNode(node, pointer, key, label))
  reader.sources.push(node)
  if (!known && name !== '') reader.byName.set(name, index)
  noteText(reader.graph, textOf(node.notes), `${pointer}/notes`)
  for (const slot of Object.keys(fieldsOf(node.credentials))) {
    const credential = fieldsOf(fieldsOf(node.credentials)[slot])
    for (const field of Object.keys(credential)) {
      if (field !== 'id' && field !== 'name' && typeof credential[field] !== 'boolean') drop(reader, under(under(`${pointer}/credentials`, slot), field))
    }
  }
}

/** Names that expressions read become keys; a name no node has is not kept. */
function resolveRefs (reader: Reader): void {
  const { nodes } = reader.graph
  for (const node of nodes) {
    const found = node.refs.map((name) => reader.byName.get(name))
    if (found.includes(undefined)) report(reader, 'missing_reference', node.pointer, 'An expression reads a node that does not exist.')
    node.refs = keysOf(reader, node.refs)
    for (const fact of node.facts) if (fact.refs !== undefined) fact.refs = keysOf(reader, fact.refs)
  }
}

function keysOf ({ byName, graph }: Reader, names: readonly string[]): string[] {
  return [...new Set(names.flatMap((name) => graph.nodes[byName.get(name) ?? -1]?.key ?? []))]
}

function readConnections (reader: Reader, name: string, outputs: unknown, pointer: string): void {
  const from = reader.byName.get(name)
  if (!isFields(outputs)) {
    report(reader, 'skipped_object', pointer, 'The connections of a node are not an object.')
    return
  }
  const source = from === undefined ? undefined : reader.sources[from]
  for (const type of Object.keys(outputs)) {
    const slots = listOf(outputs[type])
    slots.forEach((targets, slot) => {
      const where = `${under(pointer, type)}/${slot}`
      // An empty output is null or an empty list.
      listOf(targets).forEach((target, i) => {
        if (from === undefined || source === undefined) report(reader, 'dangling_edge', `${where}/${i}`, 'A connection starts at a node that does not exist.')
        else readTarget(reader, target, `${where}/${i}`, { from, source, type, slot, last: slots.length - 1 })
      })
    })
  }
}

function readTarget (reader: Reader, target: unknown, pointer: string, output: Output): void {
  if (!isFields(target)) {
    report(reader, 'skipped_object', pointer, 'A connection that is not an object was skipped.')
    return
  }
  const to = reader.byName.get(textOf(target.node))
  if (to === undefined) {
    report(reader, 'dangling_edge', pointer, 'A connection leads to a node that does not exist.')
    return
  }
  const toMerge = reader.graph.nodes[to]?.kind === 'merge' && Number(target.index) > 0
  if (toMerge && Number(target.index) >= inputsOf(reader.sources[to])) report(reader, 'merge_mismatch', pointer, 'A connection leads to an input that the merge does not have.')
  const kind = edgeKind(output, toMerge)
  reader.graph.edges.push({ from: output.from, to, kind, slot: output.slot, gated: false })
}

/** How many branches a Merge joins: two, unless it says otherwise. */
function inputsOf (merge: Fields | undefined): number {
  const stated = Number(textOf(fieldsOf(merge?.parameters).numberInputs))
  return Number.isFinite(stated) && stated > 2 ? stated : 2
}

function edgeKind ({ source, type, slot, last }: Output, toMerge: boolean): EdgeKind {
  if (type === 'ai_tool') return 'tool'
  if (type.startsWith('ai_')) return 'ai'
  const { outputs, branches, loop } = outputsOf(source)
  if (type === 'error') return 'error'
  // The error output comes after the node's own ones, so it is told from them by number even when those are not wired.
  if (source.onError === 'continueErrorOutput' && slot === last && slot >= outputs) return 'error'
  if (loop && slot === 1) return 'loop'
  if (branches) return 'branch'
  return toMerge ? 'merge' : 'flow'
}

function readSettings (graph: FactGraph, workflow: Fields): void {
  const settings = fieldsOf(workflow.settings)
  const published = typeof workflow.activeVersionId === 'string' && workflow.activeVersionId !== ''
  const stated = typeof workflow.active === 'boolean' ? workflow.active : null
  graph.settings.active = workflow.isArchived === true ? false : stated ?? (published ? true : null)
  graph.settings.errorWorkflow = isFilled(settings.errorWorkflow)
  graph.settings.subWorkflow = graph.nodes.some(({ type, disabled }) => type === 'n8n-nodes-base.executeWorkflowTrigger' && !disabled)
  if (textOf(settings.saveDataErrorExecution) !== '') graph.settings.keepsErrors = settings.saveDataErrorExecution !== 'none'
  if (textOf(settings.saveDataSuccessExecution) !== '') graph.settings.keepsSuccesses = settings.saveDataSuccessExecution !== 'none'
  if (isFilled(settings.redactionPolicy) && settings.redactionPolicy !== 'none') graph.settings.redacts = true
  graph.settings.template = isFilled(textOf(fieldsOf(workflow.meta).templateId))
}

function dropData (reader: Reader, workflow: Fields, pointer: string): void {
  const pinned = fieldsOf(workflow.pinData)
  for (const name of Object.keys(pinned)) {
    if (!isFilled(pinned[name])) continue
    const where = under(`${pointer}/pinData`, name)
    drop(reader, where)
    notePinned(reader.graph, pinned[name], where)
  }
  if (isFilled(workflow.staticData)) drop(reader, `${pointer}/staticData`)
  for (const field of DATA_FIELDS) {
    if (isFilled(workflow[field])) drop(reader, `${pointer}/${field}`)
  }
}
