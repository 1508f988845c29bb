/**
 * What a string is, without keeping it. Every pattern has a fixed prefix and bounded or disjoint repetitions, so that a
 * megabyte built to provoke backtracking costs one pass.
 */
import type { LeafKind } from './types.ts'

interface TokenPattern {
  provider: string
  /** Searched first: a substring search is far cheaper than a pattern, and most strings hold no hint at all. */
  hint: string
  pattern: RegExp
  /** Encoded structures repeat characters by nature; the test for repetition would excuse them. */
  structured?: boolean
}

/**
 * A token begins where a word does, and behind an escape: in `Bearer%20ghp_…` and `\nghp_…` the character before it belongs to the escape.
 * `word`: what would make it the middle of a longer word.
 */
function token (form: RegExp, word = '[A-Za-z0-9]'): RegExp {
  return new RegExp(String.raw`(?<!(?<!%[\dA-Fa-f]|\\|\\u[\dA-Fa-f]{3}|\\x[\dA-Fa-f])${word})${form.source}`, 'g')
}

const TOKENS: readonly TokenPattern[] = [
  { provider: 'anthropic', hint: 'sk-ant-', pattern: token(/sk-ant-[a-z0-9]{2,10}-[A-Za-z0-9_-]{80,200}/) },
  { provider: 'openrouter', hint: 'sk-or-v1-', pattern: token(/sk-or-v1-[0-9a-f]{64}/) },
  { provider: 'openai', hint: 'sk-', pattern: token(/sk-(?:(?:proj|svcacct|admin)-[A-Za-z0-9_-]{40,200}|[A-Za-z0-9]{48}(?![A-Za-z0-9]))/) },
  { provider: 'aws', hint: 'IA', pattern: token(/(?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Za-z])/) },
  { provider: 'google', hint: 'AIza', pattern: token(/AIza[0-9A-Za-z_-]{35}(?![0-9A-Za-z_-])/) },
  { provider: 'slack', hint: 'xox', pattern: token(/(?:xoxe\.)?xox[abeoprs]-[0-9A-Za-z-]{20,250}/) },
  { provider: 'slack', hint: 'xapp-', pattern: token(/xapp-\d-[0-9A-Za-z-]{20,250}/) },
  { provider: 'github', hint: 'gh', pattern: token(/gh[opsur]_[A-Za-z0-9]{36,251}/) },
  { provider: 'github', hint: 'github_pat_', pattern: token(/github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}/) },
  { provider: 'stripe', hint: 'k_', pattern: token(/[rs]k_(?:live|test)_[A-Za-z0-9]{24,247}/) },
  { provider: 'sendgrid', hint: 'SG.', pattern: token(/SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])/) },
  { provider: 'telegram', hint: ':AA', pattern: token(/(?:bot)?\d{8,10}:AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])/) },
  { provider: 'notion', hint: 'ntn_', pattern: token(/ntn_[A-Za-z0-9]{43,50}/) },
  { provider: 'notion', hint: 'secret_', pattern: token(/secret_[A-Za-z0-9]{43}(?![A-Za-z0-9])/) },
  { provider: 'airtable', hint: 'pat', pattern: token(/pat[A-Za-z0-9]{14}\.[0-9a-f]{64}/) },
  { provider: 'huggingface', hint: 'hf_', pattern: token(/hf_[A-Za-z0-9]{34}(?![A-Za-z0-9])/) },
  { provider: 'groq', hint: 'gsk_', pattern: token(/gsk_[A-Za-z0-9]{52}(?![A-Za-z0-9])/) },
  { provider: 'apify', hint: 'apify_api_', pattern: token(/apify_api_[A-Za-z0-9]{36}(?![A-Za-z0-9])/) },
  { provider: 'rapidapi', hint: 'msh', pattern: token(/[0-9a-z]{10}msh[0-9a-f]{10,20}p1[0-9a-f]{4,8}jsn[0-9a-f]{10,14}(?![A-Za-z0-9])/) },
  {
    provider: 'jwt',
    hint: 'eyJ',
    structured: true,
    // The look-behind starts a match only at the beginning of a run, and no segment holds a dot: each byte is read at most thrice.
    pattern: token(/eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{16,}/, '[A-Za-z0-9_-]')
  },
  {
    provider: 'private-key',
    hint: 'PRIVATE KEY',
    structured: true,
    pattern: /-----BEGIN (?:[A-Z]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----[\sA-Za-z0-9+/=\\,:.-]{64}/g
  }
]

/** In three casings rather than case-insensitively: a random token must not be excused by chance. */
const PLACEHOLDER_WORDS = ['example', 'placeholder', 'masked', 'dummy', 'sample', 'changeme', 'redacted', 'insert']
  .flatMap((word) => [word, word.toUpperCase(), word.charAt(0).toUpperCase() + word.slice(1)])
  .concat('xxxxx', 'XXXXX', '1234567890', '0123456789', 'abcdefgh', 'ABCDEFGH', '…', '...', '<', '>', '***')
/** Short enough to stand in a random token by chance: they count only where a word of the token begins or ends. */
const SHORT_WORDS = /(?:^|[^A-Za-z\d])(?:your|YOUR|Your|fake|FAKE|Fake)|(?:your|YOUR|Your|fake|FAKE|Fake)(?:$|[^A-Za-z\d])/
const REPEATED = /(.)\1{5,}/s
/** Six equal digits in a row occur in one number of thirteen digits among ten thousand. */
const REPEATED_IN_TOKEN = /(.)\1{7,}/s
const WORD_UNITS: ReadonlySet<number> = new Set(Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.…*-', (one) => one.charCodeAt(0)))
const WORD_REACH = 32
const EXPRESSION_REACH = 400
const TOKEN_ENTROPY_MIN = 2.5

/** The provider whose token the text holds, or null. Placeholders, and names used inside an expression reference, do not count. */
export function providerOf (text: string, kind: LeafKind): string | null {
  for (const { provider, hint, pattern, structured = false } of TOKENS) {
    if (!text.includes(hint)) continue
    for (const match of text.matchAll(pattern)) {
      if (kind !== 'literal' && isReferenceAt(text, match.index, kind)) continue
      if (!isPlaceholderToken(enclosingWord(text, match.index, match[0].length), structured)) return provider
    }
  }
  return null
}

/** Stricter than `providerOf`: for labels and names, where even a doubtful token must not be kept. */
export function looksLikeToken (text: string): boolean {
  return TOKENS.some(({ hint, pattern }) => text.includes(hint) && text.search(pattern) >= 0)
}

/** A reference hangs on something: `json.name`, ``1.`name` ``, `json['name']`, `$('name')`. A text in quotes or the first of a list does not. */
function isReferenceAt (text: string, index: number, kind: LeafKind): boolean {
  const before = text.slice(Math.max(0, index - 8), index)
  if (!/[\w)\]}]\??\.`?$|[\w)\]]\[['"`]$|\$\(['"`]$/.test(before)) return false
  if (kind === 'code') return true
  const near = text.slice(Math.max(0, index - EXPRESSION_REACH), index)
  return near.lastIndexOf('{{') > near.lastIndexOf('}}')
}

/** The token with what is written onto it: `YOUR_…_HERE` may stand around the part that matched. */
function enclosingWord (text: string, index: number, length: number): string {
  let from = index
  let to = index + length
  const least = Math.max(0, index - WORD_REACH)
  const most = Math.min(text.length, to + WORD_REACH)
  while (from > least && WORD_UNITS.has(text.charCodeAt(from - 1))) from--
  while (to < most && WORD_UNITS.has(text.charCodeAt(to))) to++
  return text.slice(from, to)
}

/** Whether a text stands for a value that somebody is to fill in. */
export function isPlaceholder (text: string): boolean {
  return REPEATED.test(text) || /your|YOUR|Your|fake|FAKE|Fake/.test(text) || isPlaceholderToken(text, false)
}

function isPlaceholderToken (word: string, structured: boolean): boolean {
  if (SHORT_WORDS.test(word) || PLACEHOLDER_WORDS.some((one) => word.includes(one) && !(structured && one === '...'))) return true
  return entropyOf(word) < TOKEN_ENTROPY_MIN || (!structured && REPEATED_IN_TOKEN.test(word))
}

/** Shannon entropy in bits per character. */
export function entropyOf (text: string): number {
  const counts = new Map<number, number>()
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    counts.set(unit, (counts.get(unit) ?? 0) + 1)
  }
  let bits = 0
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length)
  return bits
}

const SECRET_FIELD = /apikey|secret|passw(?:or)?d|passphrase|privatekey|signingkey|subscriptionkey|accesskey|authkey|authpass|(?:^|[a-z])authorization$|token$/
const HARMLESS_FIELD = /(?:(?:^from|^to|mint|base|quote|page|next|continuation|cursor|sync|delta|max|min|count)token|(?:name|id|arn|path|ref|url|uri|type|field|label|hint|policy|length|location|header))$/

/** Whether a field of this name is meant for a secret. `account` is a connection, `pageToken` a cursor: neither counts. */
export function isSecretField (field: string): boolean {
  const plain = field.slice(0, 100).toLowerCase().replaceAll(/[^a-z0-9]/g, '')
  return SECRET_FIELD.test(plain) && (!HARMLESS_FIELD.test(plain) || plain === 'accesskeyid')
}

const SECRET_LENGTH_MIN = 12
const SECRET_LENGTH_MAX = 4096
const SECRET_ENTROPY_MIN = 3
/** Well-known token contracts: public addresses that stand in fields called `token`. */
const PUBLIC_ADDRESSES: ReadonlySet<string> = new Set([
  'EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGkZwyTDt1v', 'Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB',
  'So11111111111111111111111111111111111111112'
])

/** Whether a literal in a secret-named field looks random enough to be the secret itself. */
export function isSecretValue (literal: string): boolean {
  const value = literal.slice(0, SECRET_LENGTH_MAX + 32).trim().replace(/^(?:bearer|basic|token|apikey|key) +/i, '')
  if (value.length < SECRET_LENGTH_MIN || value.length > SECRET_LENGTH_MAX || /\s/.test(value)) return false
  if (/^[a-z][a-z0-9+.-]{0,20}:\/\//i.test(value) || /^0x[0-9a-f]{40}$/i.test(value) || PUBLIC_ADDRESSES.has(value)) return false
  // Letters with separators are words: `header-auth-name`, `predefinedCredentialType`.
  if (/^[A-Za-z]+(?:[-_.][A-Za-z]+)*$/.test(value)) return false
  return entropyOf(value) > SECRET_ENTROPY_MIN && !isPlaceholder(value)
}

export function isUrlField (field: string): boolean {
  return /(?:url|uri|endpoint)$/i.test(field.slice(-32))
}

/** True for a literal `http://` address whose host is fixed and on the public network. */
export function isPlainHttpPublic (text: string): boolean {
  const host = hostOf(text)
  return host !== null && /^=?\s*http:\/\//i.test(text.slice(0, 32)) && !isInternalHost(host)
}

/** Lower-case host of a literal address; null when there is none or an expression decides it. */
export function hostOf (text: string): string | null {
  const match = /^=?\s{0,8}https?:\/\/([^/?#\s\\]{1,300})/i.exec(text.slice(0, 400))
  const authority = match?.[1]
  if (authority === undefined || authority.includes('{{')) return null
  const host = authority.slice(authority.lastIndexOf('@') + 1).toLowerCase()
  return host.startsWith('[') ? host.slice(0, host.indexOf(']') + 1) : host.replace(/:\d*$/, '').replace(/\.$/, '')
}

const INTERNAL_IPV4 = /^(?:0|10|127)\.|^169\.254\.|^192\.168\.|^172\.(?:1[6-9]|2\d|3[01])\.|^100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\./
const INTERNAL_NAME = /\.(?:local|internal|localhost|lan|intranet|corp|home|arpa|svc|test|invalid)$/
const INTERNAL_IPV6 = /^\[(?:::1?\]|f[cd]|fe[89ab]|::ffff:(?:10|127|192\.168)\.)/

/** Loopback, private, link-local, single labels and names that no public server answers. */
export function isInternalHost (host: string): boolean {
  if (host.startsWith('[')) return INTERNAL_IPV6.test(host)
  if (!host.includes('.')) return true
  return /^[\d.]+$/.test(host) ? INTERNAL_IPV4.test(host) : INTERNAL_NAME.test(host)
}

const AUTH_WORD = /authorization|signature|hmac|secret|api[-_ ]?key|(?<!page_?)token(?!s|i[sz])|headers?\b/i
const ORDINARY_HEADER = /content-type|content-length|user-agent|accept|host\b|referer|origin/i

/** Whether one side of a comparison is a header, token, secret or signature. */
export function isAuthComparison (text: string): boolean {
  const head = text.slice(0, 2000)
  return AUTH_WORD.test(head) && !(ORDINARY_HEADER.test(head) && !/authorization|signature|hmac|secret|token/i.test(head))
}

/** Whether the text reads the error of an earlier step; `console.error(` writes one. */
export function readsError (text: string): boolean {
  return /(?:(?<!console)\.|\[["'`])error(?:Message)?\b(?! {0,8}\()/.test(text)
}

export function isSqlField (field: string): boolean {
  return /^(?:query|sql|sqlquery|rawquery|statement|querytext)$/i.test(field)
}

const DYNAMIC_CODE = /\beval\s{0,4}\(|\bnew\s{1,4}Function\s{0,4}\(|child_process|require\s{0,4}\(\s{0,4}['"`](?:node:)?(?:fs|net|https?|os|vm|dns|dgram|tls)['"`/]|\bimport\s{1,4}(?:subprocess|os|socket|ctypes)\b|\b(?:os\.system|subprocess\.)/

/** Whether code evaluates text as code, or reaches the machine that it runs on. */
export function isDynamicCode (code: string): boolean {
  return DYNAMIC_CODE.test(code)
}
