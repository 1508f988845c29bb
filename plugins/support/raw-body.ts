/**
 * The bytes of a request's body, taken before they are parsed: bounded in size and time, refused with an answer, and handed on for the
 * parser. The framework's own reading knows no deadline, and a body that breaks off under it ends without an answer.
 */
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest, RequestPayload } from 'fastify'
import { ApiError, type ErrorCode } from '../../errors.ts'
import { BodyError, readBody, type BodyFailure, type ReadOptions } from '../lib/body-reader.ts'

export const BODY_DEADLINE_MS = 20_000

export function hasBody ({ headers }: FastifyRequest): boolean {
  return headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined
}

/** All of them, in a `preParsing` hook. Rejects with `payload_too_large`, `request_timeout` or `malformed_request`; the connection then ends with the answer. */
export async function takeBody (request: FastifyRequest, reply: FastifyReply, payload: RequestPayload, options: ReadOptions): Promise<Buffer> {
  const declared = request.headers['content-length']
  if (declared !== undefined && Number(declared) > options.bytesMax) throw refusalOf('too_large')
  // Only a caller whose body is wanted is told to send it.
  if (request.headers.expect !== undefined) reply.raw.writeContinue()
  const body = await readBody(payload, options).catch((err: unknown) => { throw err instanceof BodyError ? refusalOf(err.failure) : err })
  if (declared !== undefined && Number(declared) !== body.length) throw new ApiError('malformed_request', { detail: 'The body is not as long as Content-Length says.', reason: 'body_length' })
  return body
}

/** The same bytes once more, for the parser. */
export function replayed (body: Buffer): RequestPayload {
  const stream = new Readable({ read () {} })
  if (body.length > 0) stream.push(body)
  stream.push(null)
  return Object.assign(stream, { receivedEncodedLength: body.length })
}

const BODY_REFUSALS = { too_large: 'payload_too_large', too_slow: 'request_timeout', unreadable: 'malformed_request' } as const satisfies Record<BodyFailure, ErrorCode>

// The rest of the body was not read, so the connection ends with the answer.
function refusalOf (failure: BodyFailure): ApiError {
  const detail = failure === 'unreadable' ? { detail: 'The body broke off or was not framed as HTTP says.' } : {}
  return new ApiError(BODY_REFUSALS[failure], { ...detail, headers: { connection: 'close' }, reason: 'body' })
}
