/**
 * Turns errors into refusals, and is the only place that does. Not a layer, but each layer brings it where a service has no error handler
 * of its own: with the framework's a refusal has another shape, never passes `preSerialization`, and is not seen by the layers that observe.
 * A thrown message never reaches the wire.
 */
import type { FastifyError, FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ApiError, type ErrorCode, type FieldProblem } from '../../errors.ts'
import { declareSlots } from '../context.ts'

/** Refusals that the framework itself makes, by its own code. */
const FRAMEWORK_REFUSALS: ReadonlyMap<string, ErrorCode> = new Map([
  ['FST_ERR_CTP_BODY_TOO_LARGE', 'payload_too_large'],
  ['FST_ERR_CTP_INVALID_MEDIA_TYPE', 'unsupported_media_type'],
  ['FST_ERR_CTP_INVALID_CONTENT_LENGTH', 'malformed_request'],
  ['FST_ERR_CTP_EMPTY_JSON_BODY', 'malformed_request'],
  ['FST_ERR_CTP_EMPTY_TYPE', 'unsupported_media_type'],
  ['FST_ERR_VALIDATION', 'malformed_request'],
  ['FST_ERR_BAD_URL', 'malformed_request'],
  ['FST_ERR_MAX_PARAM_LENGTH', 'not_found'],
  ['FST_ERR_NOT_FOUND', 'not_found']
])

/** Name of the handler that a Fastify has until somebody sets one. */
const FRAMEWORK_HANDLER = 'defaultErrorHandler'
/** Handlers set here, as the framework holds them. */
const ours = new WeakSet<object>()

const errorHandler: FastifyPluginAsync = async (app: FastifyInstance) => {
  declareSlots(app)
  if (!ours.has(app.errorHandler)) setHandler(app)
}

/** Declares the slots, and sends refusals on this scope unless the service set an error handler: that one is left alone. */
export function sendRefusals (app: FastifyInstance): void {
  declareSlots(app)
  if (app.errorHandler.name === FRAMEWORK_HANDLER) setHandler(app)
}

function setHandler (app: FastifyInstance): void {
  app.setErrorHandler(sendRefusal)
  ours.add(app.errorHandler)
}

async function sendRefusal (err: FastifyError | Error, request: FastifyRequest, reply: FastifyReply): Promise<object> {
  const refusal = refusalOf(err)
  request.refusal = { code: refusal.code, reason: refusal.reason ?? null }
  if (refusal.statusCode >= 500 && refusal.code !== 'api_disabled') logPrivately(request, refusal)
  const undo = request.onUnsent
  request.onUnsent = null
  try {
    await undo?.()
  } catch (cause) {
    logPrivately(request, new ApiError('internal_error', { cause, reason: 'undo' }))
  }
  for (const [name, value] of Object.entries(refusal.headers)) reply.header(name, value)
  reply.code(refusal.statusCode)
  return {
    ok: false,
    error: refusal.message,
    code: refusal.code,
    ...(refusal.detail === undefined ? {} : { detail: refusal.detail })
  }
}

function refusalOf (err: FastifyError | Error): ApiError {
  if (err instanceof ApiError) return err
  const code = frameworkRefusal(err)
  if (code === undefined) return new ApiError('internal_error', { cause: err })
  const problems = validationProblems(err)
  return new ApiError(code, { cause: err, ...(problems === null ? {} : { detail: problems }) })
}

// What the framework calls the caller's fault never becomes ours, whichever of its codes it is.
function frameworkRefusal (err: FastifyError | Error): ErrorCode | undefined {
  if (!('code' in err) || typeof err.code !== 'string') return undefined
  const known = FRAMEWORK_REFUSALS.get(err.code)
  if (known !== undefined) return known
  const isCallersFault = err.code.startsWith('FST_ERR_') && 'statusCode' in err && Number(err.statusCode) >= 400 && Number(err.statusCode) < 500
  return isCallersFault ? 'malformed_request' : undefined
}

// Ajv's messages name rules and fields of the schema; a property name is the caller's own, so it stands only in the path.
function validationProblems (err: FastifyError | Error): FieldProblem[] | null {
  if (!('validation' in err) || err.validation === undefined) return null
  const problems = err.validation
  // What a field may be, where the schema counts it up: Ajv reports each of the values, and then that none of them was met.
  const choices = new Map<string, unknown[]>()
  for (const { keyword, instancePath, params } of problems) if (keyword === 'const') choices.set(instancePath, [...choices.get(instancePath) ?? [], params['allowedValue']])
  const told = [...choices].map(([path, values]) => ({ path, reason: `must be ${values.map((value) => JSON.stringify(value)).join(' or ')}` }))
  return [...told, ...problems.filter(({ instancePath }) => !choices.has(instancePath)).map((problem) => {
    const extra: unknown = problem.params['additionalProperty']
    const field = typeof extra === 'string' ? `/${extra.slice(0, 64).replace(/~/g, '~0').replace(/\//g, '~1')}` : ''
    return { path: `${problem.instancePath}${field}`, reason: problem.message ?? 'is not valid' }
  })]
}

// The cause's message may hold bound values or parts of a body; its name, code and stack frames do not.
function logPrivately (request: FastifyRequest, refusal: ApiError): void {
  const cause = refusal.cause
  request.log.error({
    watermark: request.watermark,
    code: refusal.code,
    reason: refusal.reason,
    cause: cause instanceof Error ? cause.name : undefined,
    causeCode: cause instanceof Error && 'code' in cause ? cause.code : undefined,
    frames: cause instanceof Error ? cause.stack?.split('\n').filter((line) => line.startsWith('    at ')).slice(0, 6) : undefined
  }, 'request failed')
}

export default fp(errorHandler, { name: 'error-handler', fastify: '5.x' })
