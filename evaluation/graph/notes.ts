/** Notes, descriptions and pinned data are not configuration: only what must not stand in them is kept of them, as facts of the graph. */
import { leavesOf } from './leaves.ts'
import { nameClasses } from './lexicon.ts'
import { providerOf } from './patterns.ts'
import { isFields } from './shape.ts'
import type { FactGraph } from './types.ts'

const NOTE_FACTS_MAX = 200
const PINNED_LEAVES_MAX = 5000
const MAIL_ADDRESS = /[\w.+-]{1,64}@[\w-]{1,63}\.[a-z]{2,}/i

/** Keeps that a text outside the configuration holds a provider's token. */
export function noteText (graph: FactGraph, text: string, pointer: string): void {
  const provider = text === '' ? null : providerOf(text, 'literal')
  if (provider === null || (graph.noteFacts?.length ?? 0) >= NOTE_FACTS_MAX) return
  graph.noteFacts ??= []
  graph.noteFacts.push({ pointer, field: 'note', kind: 'literal', classes: ['provider-token'], provider })
}

/** Counts a node with pinned data and keeps whether it looks like people's data. */
export function notePinned (graph: FactGraph, data: unknown, pointer: string): void {
  const leaves = leavesOf(data, pointer).slice(0, PINNED_LEAVES_MAX)
  const isPersonal = leaves.some(({ field, value }) => MAIL_ADDRESS.test(value.slice(0, 500)) || nameClasses(field).length > 0)
  const { nodes, personal, characters } = graph.pinned ?? { nodes: 0, personal: false, characters: 0 }
  graph.pinned = { nodes: nodes + 1, personal: personal || isPersonal, characters: characters + leaves.reduce((sum, { value }) => sum + value.length, 0) }
  for (const leaf of leaves) noteText(graph, leaf.value, pointer)
}

/** Every text below a value, for notes of any shape. */
export function noteTexts (graph: FactGraph, value: unknown, pointer: string): void {
  if (typeof value === 'string') noteText(graph, value, pointer)
  else if (Array.isArray(value) || isFields(value)) for (const leaf of leavesOf(value, pointer).slice(0, PINNED_LEAVES_MAX)) noteText(graph, leaf.value, leaf.pointer)
}
