/**
 * Reads the body of a large submission away from the event loop: parses it as strictly as any body, turns its blueprints into fact graphs
 * and hands back the rest of the body with the graphs as texts. The strings of the blueprints end with this thread's job.
 */
import { createHash } from 'node:crypto'
import { parentPort } from 'node:worker_threads'
import { ApiError } from '../errors.ts'
import { parseJson } from '../plugins/support/json-body.ts'
import { importBlueprint } from './graph/import.ts'
import { storedGraph, type StoredGraph } from './stored-graph.ts'

/** What became of one blueprint. `digest`: of the blueprint as JSON, where it is to be saved. */
export type ReadBlueprint = { ok: true, stored: StoredGraph, digest: string | null } | { ok: false, reason: string }
/** `blueprints`: by their place in the body; null where there was none. */
export type ReadBody = { id: number, body: unknown, blueprints: Array<ReadBlueprint | null> } | { id: number, refused: unknown }

parentPort?.on('message', ({ id, bytes }: { id: number, bytes: Uint8Array }) => {
  parentPort?.postMessage(read(id, bytes))
})

function read (id: number, bytes: Uint8Array): ReadBody {
  try {
    const body = parseJson(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
    const list = isObject(body) && Array.isArray(body['blueprints']) ? body['blueprints'] : []
    return { id, body, blueprints: list.map(takeBlueprint) }
  } catch (err) {
    // Whatever else went wrong is told as a body that could not be read; the text stays here.
    return { id, refused: err instanceof ApiError ? err.detail ?? null : 'The body could not be read.' }
  }
}

/** Leaves an empty object in the blueprint's place, which is all that the body's schema asks for. */
function takeBlueprint (inline: unknown): ReadBlueprint | null {
  if (!isObject(inline) || !isObject(inline['blueprint'])) return null
  const { blueprint } = inline
  inline['blueprint'] = {}
  const imported = importBlueprint(blueprint)
  if (!imported.ok) return imported
  return { ok: true, stored: storedGraph(imported.graph), digest: inline['save'] === true ? createHash('sha256').update(JSON.stringify(blueprint)).digest('hex') : null }
}

function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
