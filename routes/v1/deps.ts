/** What the routes need, and the few things that several of them do. */
import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Secrets } from '../../config.ts'
import type { Database } from '../../db/client.ts'
import { ApiError } from '../../errors.ts'
import type { Egress } from '../../evaluation/egress.ts'
import type { SingleUseStore } from '../../plugins/context.ts'

const RETRY_AFTER_SECONDS = '2'

export interface RouteDeps {
  database: Database
  singleUse: SingleUseStore
  secrets: Secrets
  /** The guarded way out; here it only judges URLs. */
  egress: Pick<Egress, 'findProblem'>
  /** Unix milliseconds. */
  now: () => number
  /** Wakes the workers of this process. */
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

const RFC_3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/

/** A time of RFC 3339. Throws `malformed_request` that names the field. */
export function timeOf (text: string, path: string): Date {
  const at = RFC_3339.test(text) ? new Date(text) : null
  if (at === null || Number.isNaN(at.getTime())) throw new ApiError('malformed_request', { detail: [{ path, reason: 'must be an RFC 3339 time, such as 2027-01-31T12:00:00Z' }] })
  return at
}

/** The weak ETag of a text. */
export function entityTag (text: string): string {
  return `W/"${createHash('sha256').update(text).digest('base64url').slice(0, 27)}"`
}

/** Sets the ETag; true when the caller has that entity already (RFC 9110 section 13.1.2). */
export function hasEntity (request: FastifyRequest, reply: FastifyReply, etag: string): boolean {
  reply.header('etag', etag)
  const offered = request.headers['if-none-match']?.split(',').map((text) => text.trim()) ?? []
  return offered.some((text) => text === '*' || text === etag || `W/${text}` === etag)
}

/** The same, with the tag of the content that does not change from answer to answer. */
export function isUnchanged (request: FastifyRequest, reply: FastifyReply, content: unknown): boolean {
  return hasEntity(request, reply, entityTag(JSON.stringify(content)))
}

/** 304, which has no body and so no schema. */
export function notModified (reply: FastifyReply): FastifyReply {
  return reply.code(304).send()
}
