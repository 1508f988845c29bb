/** What the routes need, and the few things that several of them do. */
import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Secrets } from '../../config.ts'
import type { Database } from '../../db/client.ts'
import { ApiError } from '../../errors.ts'
import type { SingleUseStore } from '../../plugins/context.ts'

const RETRY_AFTER_SECONDS = '2'

export interface RouteDeps {
  database: Database
  singleUse: SingleUseStore
  secrets: Secrets
  /** Unix milliseconds. */
  now: () => number
  /** Wakes the evaluation worker of this process. */
  wake: () => void
}

/** Runs work that needs a store; when the store is away the caller gets 503, not 500. */
export async function fromStore<T> (work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof ApiError) throw cause
    throw new ApiError('unavailable', { cause, reason: 'store', headers: { 'retry-after': RETRY_AFTER_SECONDS } })
  }
}

/** Sets a weak ETag over the content that does not change from answer to answer; true when the caller has it already (RFC 9110 section 13.1.2). */
export function isUnchanged (request: FastifyRequest, reply: FastifyReply, content: unknown): boolean {
  const etag = `W/"${createHash('sha256').update(JSON.stringify(content)).digest('base64url').slice(0, 27)}"`
  reply.header('etag', etag)
  const offered = request.headers['if-none-match']?.split(',').map((text) => text.trim()) ?? []
  return offered.some((text) => text === '*' || text === etag || `W/${text}` === etag)
}

/** 304, which has no body and so no schema. */
export function notModified (reply: FastifyReply): FastifyReply {
  return reply.code(304).send()
}
