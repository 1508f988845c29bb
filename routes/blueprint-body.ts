/** Bodies that hold blueprints: up to 10 MiB, and large ones read in a thread, because their parse and import would hold up every other request. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { bodyReader } from '../evaluation/body-reader.ts'
import type { ReadBlueprint } from '../evaluation/stored-graph.ts'
import { BODY_BYTES_MAX, JSON_TYPE, parseJson } from '../plugins/support/json-body.ts'

/** Of a body that is read where it arrived. */
const BODY_BYTES_HERE = 128 * 1024

/**
 * Makes this scope read such bodies; what it returns gives the blueprints that the thread has read already, in their order: none for a body
 * that was read here, null for one that the thread left to the caller.
 */
export function readBlueprintBodies (app: FastifyInstance, options: Parameters<typeof bodyReader>[0] = {}): (request: FastifyRequest) => ReadonlyArray<ReadBlueprint | null> {
  const reader = bodyReader(options)
  app.addHook('onClose', () => reader.close())
  const readAlready = new WeakMap<FastifyRequest, ReadonlyArray<ReadBlueprint | null>>()
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(JSON_TYPE, { parseAs: 'buffer', bodyLimit: BODY_BYTES_MAX }, async (request: FastifyRequest, bytes: Buffer) => {
    if (bytes.length <= BODY_BYTES_HERE) return parseJson(bytes)
    const { body, blueprints } = await reader.read(bytes)
    readAlready.set(request, blueprints)
    return body
  })
  return (request) => readAlready.get(request) ?? []
}
