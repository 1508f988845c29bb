/**
 * The mistakes that signers make, the likeliest first. Each says how a message comes out that was put together that way; one whose
 * signature is the one that was sent explains the refusal. Advice is fixed text: it holds nothing of the request.
 */
import type { SigningProfile } from './hardened-signature.ts'
import type { MessageParts } from './signature-message.ts'

export type Part = 'profile' | 'grammar' | 'clock' | 'key' | 'method' | 'path' | 'query' | 'body' | 'nonce' | 'message' | 'unknown'

export interface Surroundings {
  readonly profile: SigningProfile
  /** As sent, with its query. */
  readonly target: string
  /** The `Host` header; empty when there is none. */
  readonly host: string
  /** What stands before every path. */
  readonly prefix: string
  /** The API key, where the secret is another one. */
  readonly apiKey: string | null
}

type Change = Partial<MessageParts>

export interface Mistake {
  readonly code: string
  readonly part: Part
  /** What the partner must change, in one sentence. */
  readonly advice: string
  /** Nothing where the mistake cannot have been made. */
  readonly changes: (parts: MessageParts, around: Surroundings) => Change[]
  /** Also tried together with each other. */
  readonly isCommon?: boolean
}

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD']
const PLACES_OF_KEYS = /^(?:fb_live_|fbs_)/
const JSON_BYTES_MAX = 65_536
/** Indented forms grow with both, and each form costs a MAC. */
const INDENTED_BYTES_MAX = 4096
const NESTING_MAX = 8
const SIBLING_SECONDS = [-1, 1, -2, 2]

export const MISTAKES: readonly Mistake[] = [
  at('path', 'prefix_left_out', 'Sign the whole path, with /api/public/v1 before it.', ({ target }, { prefix }) => target.startsWith(`${prefix}/`)
    ? [target.slice(prefix.length), target.slice(prefix.length + 1), target.replace('/api', ''), target.replace('/api/public', '')].map((changed) => ({ target: changed }))
    : [], true),
  at('query', 'query_signed', 'Sign the path alone: the published profile leaves the question mark and the query out.', (_parts, { profile, target }) => profile === 'published' && target.includes('?') ? [{ target }] : [], true),
  at('query', 'query_left_out', 'Sign the path together with its query, exactly as sent.', ({ target }, { profile }) => profile === 'hardened' && target.includes('?') ? [{ target: target.slice(0, target.indexOf('?')) }] : [], true),
  at('body', 'body_left_out', 'Sign the body that is sent; an empty one was signed.', ({ body }) => body.length > 0 ? [{ body: Buffer.alloc(0) }] : [], true),
  at('body', 'body_line_feed', 'Sign and send the same body: one of the two has a line break at its end.', ({ body }) => lineFeedsOf(body.toString('latin1')).map((text) => ({ body: Buffer.from(text, 'latin1') })), true),
  at('body', 'body_serialised_again', 'Sign the very bytes that are sent: serialise the JSON once, sign that text and send that text.', ({ body }) => serialisationsOf(body).map((text) => ({ body: Buffer.from(text) })), true),
  at('body', 'body_text_for_empty', 'Sign an empty body as nothing: no {}, null, undefined or quotes.', ({ body }) => body.length === 0 ? ['{}', 'null', 'undefined', '""', '[]', '[object Object]'].map((text) => ({ body: Buffer.from(text) })) : []),
  at('body', 'body_object_text', 'Sign the JSON text of the body: the name of an object was signed.', ({ body }) => body.length > 0 ? ['[object Object]', '{}', 'null', 'undefined', 'Array'].map((text) => ({ body: Buffer.from(text) })) : []),
  at('body', 'body_line_ends', 'Sign and send the same body: one of the two has CRLF for its line ends.', ({ body }) => {
    const text = body.toString('latin1')
    return [text.replace(/\r\n/g, '\n'), text.replace(/\r?\n/g, '\r\n')].filter((changed) => changed !== text).map((changed) => ({ body: Buffer.from(changed, 'latin1') }))
  }),
  at('body', 'body_blanks', 'Sign and send the same body: blanks around it were cut off before signing.', ({ body }) => changedText(body, (text) => text.trim())),
  at('body', 'body_byte_order_mark', 'Sign and send the same body: one of the two begins with a byte order mark.', ({ body }) => [{ body: body.subarray(0, 3).toString('hex') === 'efbbbf' ? body.subarray(3) : Buffer.concat([Buffer.from('efbbbf', 'hex'), body]) }]),
  at('body', 'body_encoding', 'Encode the body as UTF-8 before it is signed.', ({ body }) => [...changedText(body, (text) => text, 'latin1'), ...changedText(body, (text) => text, 'utf16le')]),
  at('body', 'body_hashed', 'Sign the body itself: the published profile takes no hash and no base64 of it.', (_parts, { profile }) => profile === 'published' ? (['hex', 'upper_hex', 'base64_hash', 'base64'] as const).map((bodyForm) => ({ bodyForm })) : []),
  at('body', 'body_hash_left_out', 'Put the SHA-256 of the body into the message also when the body is empty.', ({ body, order }, { profile }) => profile === 'hardened' && body.length === 0 ? [{ bodyForm: 'raw' }, { order: order.slice(0, -1) }] : []),
  at('body', 'body_not_hashed', 'Sign the SHA-256 of the body in lowercase hex, not the body itself.', (_parts, { profile }) => profile === 'hardened' ? [{ bodyForm: 'raw' }, { bodyForm: 'base64' }] : []),
  at('body', 'body_hash_form', 'Write the SHA-256 of the body in lowercase hex.', (_parts, { profile }) => profile === 'hardened' ? [{ bodyForm: 'upper_hex' }, { bodyForm: 'base64_hash' }] : []),
  at('message', 'last_point_left_out', 'End the message with a point when there is no body.', ({ body, order }, { profile }) => profile === 'published' && body.length === 0 ? [{ order: order.slice(0, -1) }] : [], true),
  at('message', 'message_line_feed', 'Sign the message without a line break at its end (printf \'%s\', not echo).', () => [{ suffix: '\n' }, { suffix: '\r\n' }], true),
  at('method', 'method_case', 'Write the method in upper case in the message.', ({ method }) => [{ method: method.toLowerCase() }, { method: method.charAt(0) + method.slice(1).toLowerCase() }], true),
  at('method', 'method_other', 'Sign the method that is sent: another one was signed.', ({ method }) => METHODS.filter((one) => one !== method).map((one) => ({ method: one })), true),
  at('key', 'key_blanks', 'Remove blanks, line breaks and quotes around the key before signing with it.', ({ key }) => variantsOf(key, (text) => [`${text}\n`, `${text}\r\n`, `${text} `, ` ${text}`, `${text}\r`, `${text}\t`, `"${text}"`, `'${text}'`]), true),
  at('key', 'key_bearer', 'Sign with the key alone, without the word Bearer.', ({ key }) => variantsOf(key, (text) => [`Bearer ${text}`])),
  at('key', 'key_prefix_left_out', 'Sign with the whole key, its prefix included.', ({ key }) => variantsOf(key, (text) => [text.replace(PLACES_OF_KEYS, ''), text.slice(text.lastIndexOf('_'))])),
  at('key', 'key_decoded', 'Sign with the characters of the key: it is neither hex nor base64 to be decoded.', ({ key }) => variantsOf(key, (text) => [Buffer.from(text.replace(PLACES_OF_KEYS, ''), 'hex'), Buffer.from(text, 'base64'), Buffer.from(text.replace(PLACES_OF_KEYS, ''), 'base64')])),
  at('key', 'key_upper_case', 'Sign with the key as it was given, in lower case.', ({ key }) => variantsOf(key, (text) => [text.toUpperCase()])),
  at('key', 'key_shown_part', 'Sign with the whole key, not with its first twelve characters.', ({ key }) => variantsOf(key, (text) => [text.slice(0, 12)])),
  at('key', 'api_key_for_secret', 'Sign with the signing secret (fbs_…), not with the API key.', (_parts, { apiKey }) => apiKey === null ? [] : [{ key: apiKey }]),
  at('path', 'whole_url', 'Sign the path, without scheme and host.', ({ target }, { host, target: sent }) => host === '' ? [] : ['https://', 'http://', ''].flatMap((scheme) => [{ target: scheme + host + target }, { target: scheme + host + sent }])),
  at('path', 'leading_slash', 'Begin the path with a slash.', ({ target }) => [{ target: target.slice(1) }]),
  at('path', 'trailing_slash', 'Sign the path with its last slash exactly as it is sent.', ({ target }) => {
    const [path = '', ...query] = target.split('?')
    return [{ target: [path.endsWith('/') ? path.slice(0, -1) : `${path}/`, ...query].join('?') }]
  }),
  at('path', 'path_decoded', 'Sign path and query as they are sent, percent-encoded: they were decoded or encoded again first.', ({ target }) => spellingsOf(target).map((changed) => ({ target: changed })), true),
  at('query', 'query_order', 'Sign the query in the order in which it is sent.', ({ target }) => ordersOf(target).map((changed) => ({ target: changed }))),
  at('query', 'query_empty', 'Sign the question mark of an empty query too.', ({ target }) => target.endsWith('?') ? [{ target: target.slice(0, -1) }] : [{ target: `${target}?` }]),
  at('nonce', 'nonce_left_out', 'Put the nonce into the message, after the time.', ({ order }, { profile }) => profile === 'hardened' ? [{ order: order.filter((field) => field !== 'nonce') }] : []),
  at('message', 'version_left_out', 'Begin the message with v2 and a point.', ({ order }, { profile }) => profile === 'hardened' ? [{ order: order.slice(1) }, { version: 'v1' }] : []),
  at('message', 'published_message', 'Build the message of the hardened profile: v2, time, nonce, method, path with query, hash of the body.', ({ target }, { profile }) => profile === 'hardened'
    ? [{ order: ['time', 'method', 'target', 'body'], bodyForm: 'raw', target: target.split('?', 1)[0] ?? '' }, { order: ['time', 'method', 'target', 'body'], bodyForm: 'raw' }]
    : []),
  at('message', 'separator', 'Join the parts of the message with points and nothing else.', () => ['', '\n', ':', ',', '|', ' ', '. '].map((separator) => ({ separator }))),
  at('message', 'order', 'Put the parts of the message into the order time, method, path, body.', (_parts, { profile }) => profile === 'published'
    ? [{ order: ['method', 'target', 'time', 'body'] }, { order: ['time', 'target', 'method', 'body'] }, { order: ['method', 'target', 'body', 'time'] }, { order: ['time', 'method', 'body', 'target'] }, { order: ['method', 'time', 'target', 'body'] }]
    : []),
  at('message', 'parts_left_out', 'Put time, method, path and body into the message: one of them is missing.', (_parts, { profile }) => profile === 'published'
    ? [{ order: ['time', 'body'] }, { order: ['method', 'target', 'body'] }, { order: ['time', 'target', 'body'] }, { order: ['time', 'method', 'body'] }, { order: ['body'] }, { order: ['time', 'method', 'target'] }]
    : []),
  at('message', 'message_encoding', 'Encode the message as UTF-8 before it is signed.', () => [{ encoding: 'utf16le' }]),
  at('message', 'no_hmac', 'Compute an HMAC-SHA-256 with the key, not a plain SHA-256.', ({ key }) => [{ algorithm: 'sha256' }, ...variantsOf(key, (text) => [text]).map((change) => ({ ...change, algorithm: 'sha256_key_first' as const }))]),
  at('clock', 'time_taken_twice', 'Put the same time into the header and into the message: it was taken twice.', ({ time }) => SIBLING_SECONDS.map((seconds) => ({ time: String(Number(time) + seconds) }))),
  at('clock', 'time_milliseconds', 'Put the same whole seconds into the header and into the message: milliseconds were signed.', ({ time, body }) => body.length > 1024 ? [{ time: `${time}000` }] : Array.from({ length: 1000 }, (_, ms) => ({ time: `${time}${String(ms).padStart(3, '0')}` })))
]

function at (part: Part, code: string, advice: string, changes: Mistake['changes'], isCommon = false): Mistake {
  return { part, code, advice, changes, isCommon }
}

/** Other spellings of a key that is known as text. */
function variantsOf (key: MessageParts['key'], make: (text: string) => Array<string | Buffer>): Change[] {
  const text = typeof key === 'string' ? key : Buffer.isBuffer(key) ? key.toString('latin1') : key.export().toString('latin1')
  return make(text).filter((one) => one.length > 0).map((one) => ({ key: one }))
}

function changedText (body: Buffer, change: (text: string) => string, encoding: BufferEncoding = 'utf8'): Change[] {
  const changed = Buffer.from(change(body.toString('utf8')), encoding)
  return changed.equals(body) ? [] : [{ body: changed }]
}

function lineFeedsOf (text: string): string[] {
  const bare = text.replace(/\r?\n$/, '')
  return [bare, `${bare}\n`, `${bare}\r\n`, `${text}\n`].filter((one) => one !== text && text !== '')
}

/** What a signer has who decodes or encodes a target before signing. */
function spellingsOf (target: string): string[] {
  const made = [
    decoded(target), decoded(target.replace(/\+/g, ' ')), target.replace(/\+/g, '%20'), target.replace(/%20/g, '+'), target.replace(/\+/g, '%2B'), target.toLowerCase(),
    target.replace(/%[0-9a-f]{2}/gi, (escape) => escape.toUpperCase()), target.replace(/%[0-9a-f]{2}/gi, (escape) => escape.toLowerCase()), target.replace(/%/g, '%25')
  ]
  return [...new Set(made)].filter((one) => one !== target)
}

function decoded (target: string): string {
  try {
    return decodeURIComponent(target)
  } catch {
    // Not an encoding that anybody could have decoded.
    return target
  }
}

function ordersOf (target: string): string[] {
  const [path = '', query = ''] = target.split(/\?(.*)/s)
  const pairs = query.split('&')
  return [[...pairs].sort(), [...pairs].reverse()].map((order) => `${path}?${order.join('&')}`).filter((one) => pairs.length > 1 && one !== target)
}

/** The texts that common serialisers make of a JSON body. */
function serialisationsOf (body: Buffer): string[] {
  if (body.length === 0 || body.length > JSON_BYTES_MAX) return []
  const text = body.toString('utf8')
  if (nestingOf(text) > NESTING_MAX) return []
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // Not JSON, so nobody has serialised it.
    return []
  }
  const indents = body.length > INDENTED_BYTES_MAX ? [] : [2, 4, '\t']
  const forms = [value, sorted(value)].flatMap((one) => [JSON.stringify(one), pythonJson(one), ...indents.map((indent) => JSON.stringify(one, null, indent))])
  const escaped = forms.map((form) => form.replace(/[\u0080-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`))
  const slashed = escaped.map((form) => form.replace(/\//g, '\\/'))
  const html = forms.map((form) => form.replace(/[<>&]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`))
  return [...new Set([...forms, ...escaped, ...slashed, ...html, JSON.stringify(text)])].filter((one) => one !== text)
}

/** At least as deep as the JSON nests. */
function nestingOf (text: string): number {
  let depth = 0
  let deepest = 0
  for (const char of text) {
    if (char === '[' || char === '{') deepest = Math.max(deepest, ++depth)
    else if (char === ']' || char === '}') depth--
  }
  return deepest
}

/** With a blank after each comma and colon, as Python writes it. */
function pythonJson (value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(pythonJson).join(', ')}]`
  if (typeof value === 'object' && value !== null) return `{${Object.entries(value).map(([name, one]) => `${JSON.stringify(name)}: ${pythonJson(one)}`).join(', ')}}`
  return JSON.stringify(value)
}

function sorted (value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1).map(([name, one]) => [name, sorted(one)]))
}
