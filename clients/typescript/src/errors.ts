/** What can go wrong, typed. No message, field or cause ever holds a key, a secret or a result token. */
import type { ErrorCode, FieldProblem } from './types.ts'

export interface RefusalFields {
  /** Name of the method that was called. */
  operation: string
  status: number
  code: ErrorCode
  /** The fixed sentence of the code. */
  sentence: string
  detail: string | FieldProblem[] | undefined
  watermark: string | null
  retryAfterSeconds: number | null
  attempts: number
}

/** The service refused. `code` says why; quote `watermark` to support. */
export class RefusedError extends Error {
  readonly operation: string
  readonly status: number
  readonly code: ErrorCode
  readonly detail: string | FieldProblem[] | undefined
  /** `X-FB-Watermark`; null when something in between answered. */
  readonly watermark: string | null
  /** Seconds to wait, where the refusal says so. */
  readonly retryAfterSeconds: number | null
  /** Attempts made, this one included. */
  readonly attempts: number

  constructor (fields: RefusalFields) {
    super(`${fields.operation}: ${fields.sentence} (${fields.code})`)
    this.name = 'RefusedError'
    this.operation = fields.operation
    this.status = fields.status
    this.code = fields.code
    this.detail = fields.detail
    this.watermark = fields.watermark
    this.retryAfterSeconds = fields.retryAfterSeconds
    this.attempts = fields.attempts
  }
}

export type ConnectionFailure = 'timeout' | 'connection_failed' | 'not_understood'

/** No answer that could be understood. A request that changes state may or may not have arrived. */
export class ConnectionError extends Error {
  readonly operation: string
  readonly code: ConnectionFailure
  /** Of an answer that was not the API's, such as a gateway's; null when there was none. */
  readonly status: number | null

  constructor (operation: string, code: ConnectionFailure, status: number | null, cause?: unknown) {
    super(`${operation}: ${SENTENCES[code]}${status === null ? '' : ` (status ${status})`}`, cause === undefined ? undefined : { cause })
    this.name = 'ConnectionError'
    this.operation = operation
    this.code = code
    this.status = status
  }
}

const SENTENCES: Record<ConnectionFailure, string> = { timeout: 'no answer in time', connection_failed: 'the connection failed', not_understood: 'the answer is not one of the API' }

/** The evaluation ended without results, or did not end in time. */
export class EvaluationError extends Error {
  readonly evaluationId: string
  readonly code: 'evaluation_failed' | 'evaluation_timeout'

  constructor (evaluationId: string, code: 'evaluation_failed' | 'evaluation_timeout', sentence: string) {
    super(`evaluation ${evaluationId}: ${sentence}`)
    this.name = 'EvaluationError'
    this.evaluationId = evaluationId
    this.code = code
  }
}

export type WebhookProblem = 'signature_missing' | 'signature_malformed' | 'signature_invalid' | 'timestamp_out_of_tolerance' | 'body_malformed'

/** The webhook is not authentic. Answer 4xx and use nothing of it. */
export class WebhookVerificationError extends Error {
  readonly code: WebhookProblem

  constructor (code: WebhookProblem) {
    super(`webhook refused: ${code.replaceAll('_', ' ')}`)
    this.name = 'WebhookVerificationError'
    this.code = code
  }
}
