/** Why a signature header cannot be read. Each answer names one thing to change; nothing of the header is repeated. */
import { parseHardenedHeader, type SigningProfile } from './hardened-signature.ts'
import { parseSignatureHeader } from './hmac.ts'
import type { Part } from './signature-mistakes.ts'

export interface HeaderMistake { part: Part, mistakes: readonly [string] }

const CHARS_MAX = 1024
const SHA1_CHARS = 40
const SHA512_CHARS = 128

export const HEADER_ADVICE = {
  header_absent: 'Send X-FB-Signature with every request.',
  header_empty: 'Send t=<unix seconds>,v1=<signature> in X-FB-Signature; it is empty.',
  header_too_long: 'Shorten X-FB-Signature: it has more than 1024 characters.',
  profile_published: 'This key is of the hardened profile: send t, n and v2, signed with its signing secret.',
  profile_hardened: 'This key is of the published profile: send t and v1, signed with the key itself.',
  header_bare: 'Name the parts of X-FB-Signature: t=<unix seconds>,v1=<signature>.',
  header_scheme: 'Leave out the name of the algorithm: the parts are called t and v1 (or t, n and v2).',
  header_separator: 'Separate the parts of X-FB-Signature with commas.',
  header_blanks: 'Leave out blanks around the equals signs of X-FB-Signature, and any line break.',
  header_quotes: 'Leave out quotes in X-FB-Signature.',
  header_names: 'Write the names of the parts in lower case.',
  time_absent: 'Send the time that was signed as t=<unix seconds>.',
  time_twice: 'Send t once.',
  time_in_milliseconds: 'Send and sign whole seconds: t is in milliseconds.',
  time_form: 'Send t as whole Unix seconds in decimal digits, without sign, fraction, leading zero or date.',
  nonce_absent: 'Send the nonce that was signed as n=<nonce>.',
  nonce_twice: 'Send n once.',
  nonce_length: 'Make the nonce 16 to 64 characters long.',
  nonce_characters: 'Make the nonce of the characters A-Z, a-z, 0-9, - and _ only.',
  signature_absent: 'Send the signature as v1=<64 hex characters>, or as v2 with the hardened profile.',
  signature_too_many: 'Send at most two signatures.',
  signature_upper_case: 'Write the signature in lowercase hex.',
  signature_base64: 'Write the signature in hex, not in base64.',
  signature_algorithm: 'Use HMAC-SHA-256: the signature has the length of another algorithm\'s.',
  signature_length: 'Send the whole signature: 64 hex characters.',
  signature_characters: 'Write the signature in lowercase hex: 64 characters of 0-9 and a-f.',
  header_unreadable: 'Send t=<unix seconds>,v1=<64 lowercase hex characters> in X-FB-Signature.'
} as const satisfies Record<string, string>

/** What is wrong with a header that the profile's parser refuses. */
export function headerMistakeOf (header: string, profile: SigningProfile): HeaderMistake {
  return { part: isOtherProfile(header, profile) ? 'profile' : 'grammar', mistakes: [codeOf(header, profile)] }
}

function isOtherProfile (header: string, profile: SigningProfile): boolean {
  return (profile === 'hardened' ? parseSignatureHeader(header) : parseHardenedHeader(header)) !== null
}

function codeOf (header: string, profile: SigningProfile): keyof typeof HEADER_ADVICE {
  const text = header.trim()
  if (text === '') return 'header_empty'
  if (header.length > CHARS_MAX) return 'header_too_long'
  if (isOtherProfile(header, profile)) return profile === 'hardened' ? 'profile_published' : 'profile_hardened'
  if (!text.includes('=') || /^[A-Za-z0-9+/]{43}=$/.test(text)) return 'header_bare'
  if (/\b(?:sha\d*|hmac[\w-]*)=/i.test(text)) return 'header_scheme'
  if (/["']/.test(text)) return 'header_quotes'
  if (/\b(?:t|n|v[12])[ \t]+=|\b(?:t|n|v[12])=[ \t]|[\r\n\f\v\u00a0]/.test(header)) return 'header_blanks'
  if (!text.includes(',') && /[;&| ]/.test(text)) return 'header_separator'
  if (/(?:^|,)[ \t]*(?:T|N|V[12])=/.test(text)) return 'header_names'
  return partMistake(text, profile)
}

function partMistake (text: string, profile: SigningProfile): keyof typeof HEADER_ADVICE {
  const parts = text.split(',').map((part) => part.trim())
  const valuesOf = (name: string): string[] => parts.filter((part) => part === name || part.startsWith(`${name}=`)).map((part) => part.slice(name.length + 1))
  const time = timeMistake(valuesOf('t'))
  if (time !== null) return time
  const nonce = profile === 'hardened' ? nonceMistake(valuesOf('n')) : null
  return nonce ?? signatureMistake(valuesOf(profile === 'hardened' ? 'v2' : 'v1')) ?? 'header_unreadable'
}

function timeMistake ([value, ...more]: string[]): keyof typeof HEADER_ADVICE | null {
  if (value === undefined || value === '') return 'time_absent'
  if (more.length > 0) return 'time_twice'
  if (/^[1-9]\d{12}(?:\.\d+)?$/.test(value)) return 'time_in_milliseconds'
  return /^[1-9]\d{0,10}$/.test(value) ? null : 'time_form'
}

function nonceMistake ([value, ...more]: string[]): keyof typeof HEADER_ADVICE | null {
  if (value === undefined || value === '') return 'nonce_absent'
  if (more.length > 0) return 'nonce_twice'
  if (!/^[A-Za-z0-9_-]*$/.test(value)) return 'nonce_characters'
  return value.length < 16 || value.length > 64 ? 'nonce_length' : null
}

function signatureMistake (values: string[]): keyof typeof HEADER_ADVICE | null {
  if (values.every((value) => value === '')) return 'signature_absent'
  if (values.length > 2) return 'signature_too_many'
  const bad = values.find((value) => !/^[0-9a-f]{64}$/.test(value))
  if (bad === undefined) return null
  if (/^[0-9a-fA-F]{64}$/.test(bad)) return 'signature_upper_case'
  if (/^[A-Za-z0-9+/_-]{43}=?$/.test(bad)) return 'signature_base64'
  if (!/^[0-9a-fA-F]*$/.test(bad)) return 'signature_characters'
  return bad.length === SHA1_CHARS || bad.length === SHA512_CHARS ? 'signature_algorithm' : 'signature_length'
}
