/** A graph while it is being read, with the bounds that keep a hostile file from growing into a giant graph. */
import { isFields, cleanText } from './shape.ts'
import { LEXICON_VERSION } from './lexicon.ts'
import { N8N_TYPES_VERSION } from './n8n-types.ts'
import { TABLES_VERSION } from './tables.ts'
import { FACTS_VERSION, type FactGraph, type FlowNode, type Platform } from './types.ts'

const NAME_LENGTH_MAX = 120
/** A file with this many faults is not helped by one more line. */
const PROBLEMS_MAX = 500
const DROPPED_MAX = 20_000
/** Pointers repeat the path to a module, so deep nesting multiplies: a 10 MB file of real modules needs about a tenth. */
const POINTER_CHARACTERS_MAX = 64_000_000

/** Thrown where reading on would be pointless or harmful; the message is the public reason and holds no value. */
export class Refusal extends Error {}

export interface Draft {
  graph: FactGraph
  /** How often each wanted key was given out, so that duplicates are numbered without searching. */
  keys: Map<string, number>
  taken: Set<string>
  pointerCharacters: number
}

export function newDraft (platform: Platform, name: unknown): Draft {
  const graph: FactGraph = {
    factsVersion: FACTS_VERSION,
    tablesVersion: `tables ${TABLES_VERSION}, lexicon ${LEXICON_VERSION}, n8n ${N8N_TYPES_VERSION}`,
    platform,
    name: typeof name === 'string' ? cleanText(name, NAME_LENGTH_MAX) : '',
    nodes: [],
    edges: [],
    entries: [],
    settings: {
      active: null,
      errorWorkflow: false,
      dlq: false,
      dataloss: false,
      confidential: false,
      autoCommit: true,
      sequential: false,
      subWorkflow: false,
      template: false
    },
    notes: 0,
    problems: [],
    dropped: []
  }
  return { graph, keys: new Map(), taken: new Set(), pointerCharacters: 0 }
}

/** Adds the node and returns its index. */
export function addNode (draft: Draft, node: FlowNode): number {
  spend(draft, node.pointer)
  for (const { pointer } of node.facts) spend(draft, pointer)
  return draft.graph.nodes.push(node) - 1
}

/** A key no other node has: the wanted one, or with `#2`, `#3` behind it. */
export function uniqueKey (draft: Draft, wanted: string): string {
  let count = (draft.keys.get(wanted) ?? 0) + 1
  let key = count === 1 ? wanted : `${wanted}#${count}`
  while (draft.taken.has(key)) key = `${wanted}#${++count}`
  draft.keys.set(wanted, count)
  draft.taken.add(key)
  return key
}

export function report (draft: Draft, code: string, pointer: string, message: string): void {
  const { problems } = draft.graph
  if (problems.length < PROBLEMS_MAX) {
    spend(draft, pointer)
    problems.push({ code, pointer, message })
  } else if (problems.length === PROBLEMS_MAX) {
    problems.push({ code: 'more_problems', pointer: '', message: 'Further problems of this file are not listed.' })
  }
}

export function drop (draft: Draft, pointer: string): void {
  if (draft.graph.dropped.length >= DROPPED_MAX) return
  spend(draft, pointer)
  draft.graph.dropped.push(pointer)
}

/** Notes are counted, whatever shape they have; their text is not kept. */
export function countNotes (value: unknown): number {
  if (Array.isArray(value)) return value.length
  if (typeof value === 'string') return value.trim() === '' ? 0 : 1
  return isFields(value) ? Object.keys(value).length : 0
}

function spend (draft: Draft, pointer: string): void {
  draft.pointerCharacters += pointer.length
  if (draft.pointerCharacters > POINTER_CHARACTERS_MAX) {
    throw new Refusal('The blueprint nests too much, too deeply: the places in it cannot be listed.')
  }
}
