/**
 * What a string is, without keeping it: provider tokens, secret-named literals, plain-HTTP addresses, references to data. Every
 * pattern is linear: fixed prefixes and bounded repeats, so a string of a megabyte costs one pass.
 */
import { isIP } from 'node:net'

interface ProviderPattern { provider: string, pattern: RegExp }

/** Fixed prefix and length each. The name, never the match, goes into the graph. */
const PROVIDER_PATTERNS: readonly ProviderPattern[] = [
  { provider: 'anthropic', pattern: /\bsk-ant-[A-Za-z0-9_-]{24,200}/ },
  { provider: 'openai', pattern: /\bsk-(?:proj-|svcacct-)?[A-Za-z0-9_-]{32,200}/ },
  { provider: 'aws', pattern: /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/ },
  { provider: 'google', pattern: /\bAIza[0-9A-Za-z_-]{35}/ },
  { provider: 'slack', pattern: /\bxox[abprs]-[0-9A-Za-z-]{20,200}/ },
  { provider: 'github', pattern: /\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{22,200})/ },
  { provider: 'stripe', pattern: /\b(?:sk|rk)_(?:live|test)_[0-9A-Za-z]{16,200}/ },
  { provider: 'sendgrid', pattern: /\bSG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}/ },
  { provider: 'telegram', pattern: /\b[0-9]{8,10}:AA[A-Za-z0-9_-]{33}/ },
  { provider: 'notion', pattern: /\b(?:secret_[A-Za-z0-9]{43}|ntn_[A-Za-z0-9]{40,60})/ },
  { provider: 'airtable', pattern: /\bpat[A-Za-z0-9]{14}\.[0-9a-f]{64}/ },
  { provider: 'huggingface', pattern: /\bhf_[A-Za-z0-9]{34}/ },
  { provider: 'groq', pattern: /\bgsk_[A-Za-z0-9]{48,60}/ },
  { provider: 'apify', pattern: /\bapify_api_[A-Za-z0-9]{36}/ },
  { provider: 'rapidapi', pattern: /\b[0-9a-f]{10}msh[0-9a-f]{15}p[0-9a-f]{6}jsn[0-9a-f]{12}/ },
  { provider: 'flowbeacon', pattern: /\bfb_live_[0-9a-f]{48}/ },
  { provider: 'jwt', pattern: /\beyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{20,1000}/ },
  { provider: 'private-key', pattern: /-----BEGIN (?:[A-Z]{2,12} ){0,3}PRIVATE KEY-----/ }
]

const PLACEHOLDER = /your|xxx|example|placeholder|masked|redacted|changeme|insert|<[^<>]{1,80}>|\.\.\.|\u2026|\*\*\*/i
const REPEATED = /(.)\1{7}/
const SECRET_FIELD = /^(?:x[-_ ]?)?(?:.{0,40}[-_ .])?(?:api[-_ ]?key|apikey|access[-_ ]?token|auth[-_ ]?token|bearer[-_ ]?token|token|secret|client[-_ ]?secret|signing[-_ ]?secret|secret[-_ ]?key|password|passwd|passphrase|authorization)$/i
const CAMEL = /([a-z0-9])([A-Z])/g
const CHAIN_ADDRESS = /^0x[0-9a-fA-F]{40}$/
const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i
const URL_LIKE = /^[a-z][a-z0-9+.-]{1,20}:\/\//i
const SECRET_CHARS_MIN = 12
const SECRET_CHARS_MAX = 4096
const ENTROPY_MIN = 3
const URL_FIELD = /(?:^|[-_ ])(?:url|uri|endpoint|webhook|host|base[-_ ]?url|server|address)s?$/i

/** The provider whose token a string holds, or null. A placeholder is none. */
export function providerTokenIn (text: string): string | null {
  for (const { provider, pattern } of PROVIDER_PATTERNS) {
    const match = pattern.exec(text)?.[0]
    if (match !== undefined && !PLACEHOLDER.test(match) && !REPEATED.test(match)) return provider
  }
  return null
}

/** A literal that looks like a secret in a field that is named like one; a name or an entropy alone is not enough. */
export function isSecretLiteral (field: string, text: string): boolean {
  const name = field.replace(CAMEL, '$1 $2')
  if (!SECRET_FIELD.test(name)) return false
  const value = text.replace(/^(?:Bearer|Basic|Token|ApiKey)\s+/i, '').trim()
  if (value.length < SECRET_CHARS_MIN || value.length > SECRET_CHARS_MAX || /\s/.test(value)) return false
  if (PLACEHOLDER.test(value) || REPEATED.test(value) || CHAIN_ADDRESS.test(value) || URL_LIKE.test(value)) return false
  if (UUID.test(value)) return true
  return /[0-9]/.test(value) && /[A-Za-z]/.test(value) && entropyOf(value) > ENTROPY_MIN
}

/** A URL field that sends to a public host in clear. */
export function isPlainHttpPublic (field: string, text: string): boolean {
  if (!URL_FIELD.test(field.replace(CAMEL, '$1 $2'))) return false
  const host = /^http:\/\/(?:[^/?#@]{0,200}@)?(\[[0-9a-f:.]{2,45}\]|[^/?#:{}\s]{1,253})/i.exec(text.trim())?.[1]
  return host !== undefined && isPublicHost(host.toLowerCase())
}

function isPublicHost (host: string): boolean {
  if (host.startsWith('[')) return !/^\[(?:::1|f[cd]|fe[89ab]|::)/.test(host)
  if (isIP(host) === 4) return !/^(?:0\.|10\.|127\.|169\.254\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.)/.test(host)
  return host.includes('.') && !/\.(?:local|localhost|internal|lan|home|test)$/.test(host)
}

/** Text for people, safe to keep: short, printable, and never one that holds a token. */
export function safeLabel (text: string, charsMax: number): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is taken out
  const printable = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, ' ').toWellFormed().trim()
  return providerTokenIn(text) === null ? Array.from(printable.slice(0, charsMax * 2)).slice(0, charsMax).join('') : '(redacted)'
}

/** Shannon entropy in bits a character (C. E. Shannon, 1948). */
function entropyOf (text: string): number {
  const counts = new Map<string, number>()
  for (const char of text) counts.set(char, (counts.get(char) ?? 0) + 1)
  let bits = 0
  for (const count of counts.values()) bits -= count / text.length * Math.log2(count / text.length)
  return bits
}
