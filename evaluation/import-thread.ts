/**
 * Reads the body of a large submission away from the event loop: parses it as strictly as any body, turns its blueprints into fact graphs
 * and hands back the rest of the body with the graphs as texts. The strings of the blueprints end with this thread's job.
 */
import { parentPort } from 'node:worker_threads'
import { ApiError } from '../errors.ts'
import { parseJson } from '../plugins/support/json-body.ts'
import { readBlueprint, type ReadBlueprint } from './stored-graph.ts'

export type { ReadBlueprint } from './stored-graph.ts'
/** `blueprints`: by their place in the body; null where there was none. */
export type ReadBody = { id: number, body: unknown, blueprints: Array<ReadBlueprint | null> } | { id: number, refused: unknown }

parentPort?.on('message', ({ id, bytes, savesAll }: { id: number, bytes: Uint8Array, savesAll: boolean }) => {
  parentPort?.postMessage(read(id, bytes, savesAll))
})

function read (id: number, bytes: Uint8Array, savesAll: boolean): ReadBody {
  try {
    const body = parseJson(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
    const list = isObject(body) && Array.isArray(body['blueprints']) ? body['blueprints'] : []
    return { id, body, blueprints: list.map((inline) => takeBlueprint(inline, savesAll)) }
  } catch (err) {
    // Whatever else went wrong is told as a body that could not be read; the text stays here.
    return { id, refused: err instanceof ApiError ? err.detail ?? null : 'The body could not be read.' }
  }
}

/** Leaves an empty object in the blueprint's place, which is all that the body's schema asks for. */
function takeBlueprint (inline: unknown, savesAll: boolean): ReadBlueprint | null {
  if (!isObject(inline) || !isObject(inline['blueprint'])) return null
  const { blueprint } = inline
  inline['blueprint'] = {}
  return readBlueprint(blueprint, savesAll || inline['save'] === true)
}

function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
