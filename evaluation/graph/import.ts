/** Blueprint → fact graph: finds the platform and unwraps what the file came in. A refusal says what is missing, never a value. */
import { isObject } from './leaves.ts'
import { importMake } from './make.ts'
import { importN8n } from './n8n.ts'
import type { ImportResult } from './types.ts'

const WRAPPERS_MAX = 6

/** Reads a blueprint's text; a byte-order mark is tolerated. */
export function parseBlueprint (text: string): ImportResult {
  let document: unknown
  try {
    document = JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text)
  } catch {
    return { ok: false, reason: 'The file is not JSON.' }
  }
  return importBlueprint(document)
}

/** Reads a parsed blueprint in any of the wrappers that the platforms and their APIs put around it. */
export function importBlueprint (document: unknown): ImportResult {
  let current = document
  for (let unwrapped = 0; unwrapped < WRAPPERS_MAX; unwrapped++) {
    if (Array.isArray(current) && current.length === 1) current = current[0]
    if (!isObject(current)) break
    if (Array.isArray(current['flow'])) return importMake(current)
    if (Array.isArray(current['nodes']) && (isObject(current['connections']) || current['connections'] === undefined || Array.isArray(current['connections']))) return importN8n(current)
    const inner = current['blueprint'] ?? current['response'] ?? current['workflow'] ?? current['data']
    if (inner === undefined) break
    current = typeof inner === 'string' ? parsed(inner) : inner
  }
  return { ok: false, reason: 'Neither a Make blueprint (an array "flow") nor an n8n workflow (an array "nodes") was found.' }
}

function parsed (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
