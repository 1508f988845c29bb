/**
 * Strict JSON for a scope: exact media type, valid UTF-8, no byte order mark, no prototype keys, no name twice in one object, no NUL, no
 * lone surrogate, no number that is none, bounded nesting; and a validator that neither coerces nor drops. Not a layer. Runs after the
 * signature, so a forged body never pays for its parse.
 */
import { Ajv } from 'ajv'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import sjson from 'secure-json-parse'
import { ApiError } from '../../errors.ts'

export const DEPTH_MAX = 64
export const BODY_BYTES_MAX = 10 * 1024 * 1024
export const JSON_TYPE = /^application\/json(?:\s*;\s*charset=(?:"utf-8"|utf-8))?$/i
const OPEN_BRACE = 0x7b
const OPEN_BRACKET = 0x5b
const CLOSE_BRACE = 0x7d
const CLOSE_BRACKET = 0x5d
const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
/** Only an escape can bring a NUL or half of a surrogate pair into valid UTF-8. */
const SUSPECT_ESCAPE = /\\u(?:0000|d[89a-f])/i
const BYTE_ORDER_MARK = '\ufeff'

export interface JsonBodyOptions {
  /** Largest body in bytes. Default 10 MiB. */
  bodyBytesMax?: number
}

const jsonBody: FastifyPluginAsync<JsonBodyOptions> = async (app, options) => {
  const bodyLimit = options.bodyBytesMax ?? BODY_BYTES_MAX
  const ajv = new Ajv({ allErrors: false, coerceTypes: false, removeAdditional: false, useDefaults: false, strict: true, strictSchema: 'log', logger: false })
  app.setValidatorCompiler(({ schema }) => ajv.compile(schema))
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(JSON_TYPE, { parseAs: 'buffer', bodyLimit }, function parseStrictly (_request, body, done) {
    try {
      done(null, parseJson(Buffer.isBuffer(body) ? body : Buffer.from(body)))
    } catch (err) {
      done(err instanceof Error ? err : new Error('unreadable body'))
    }
  })
}

/** Parses a JSON text as strictly as the contract asks. Throws `malformed_request`. */
export function parseJson (bytes: Buffer): unknown {
  if (bytes.length === 0) return undefined
  const namesWritten = countNames(bytes)
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw malformed('The body is not valid UTF-8.')
  }
  if (text.startsWith(BYTE_ORDER_MARK)) throw malformed('The body begins with a byte order mark.')
  let value: unknown
  try {
    value = sjson.parse(text, undefined, { protoAction: 'error', constructorAction: 'error' })
  } catch {
    throw malformed('The body is not JSON, or holds a forbidden key.')
  }
  // Of a name that is written twice in one object a parser keeps one, and which one depends on the parser.
  if (inspect(value, SUSPECT_ESCAPE.test(text)) !== namesWritten) throw malformed('An object holds a name twice.')
  return value
}

/** How many names the objects of a JSON text have. Throws `malformed_request` when it nests too deep; of a text that is not JSON it says nothing. */
function countNames (bytes: Buffer): number {
  let names = 0
  let depth = 0
  let inString = false
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index]
    if (inString) {
      if (byte === BACKSLASH) index++
      else if (byte === QUOTE) inString = false
    } else if (byte === QUOTE) inString = true
    else if (byte === COLON) names++
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      if (++depth > DEPTH_MAX) throw malformed(`The body nests deeper than ${DEPTH_MAX}.`)
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) depth--
  }
  return names
}

/** How many names a value has. Throws `malformed_request` for a number beyond all bounds and, where asked, for a text that no store can hold. */
function inspect (root: unknown, withTexts: boolean): number {
  let names = 0
  // Nesting is bounded by now, yet the walk keeps its own stack: the bound may change.
  const pending: unknown[] = [root]
  while (pending.length > 0) {
    const value = pending.pop()
    if (typeof value === 'number' && !Number.isFinite(value)) throw malformed('A number is too large.')
    if (typeof value === 'string' && withTexts) refuseText(value)
    if (typeof value !== 'object' || value === null) continue
    if (Array.isArray(value)) {
      for (const item of value) pending.push(item)
      continue
    }
    for (const [name, item] of Object.entries(value)) {
      names++
      if (withTexts) refuseText(name)
      pending.push(item)
    }
  }
  return names
}

function refuseText (text: string): void {
  if (text.includes('\0') || !text.isWellFormed()) throw malformed('A text holds NUL or a lone surrogate.')
}

function malformed (detail: string): ApiError {
  return new ApiError('malformed_request', { detail, reason: 'json' })
}

export default fp(jsonBody, { name: 'json-body', fastify: '5.x' })
