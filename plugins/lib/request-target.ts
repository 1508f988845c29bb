/**
 * Request targets that have one spelling only. A path that could be written in two ways is a path that two programs may read in two ways:
 * one of them routes it, the other one guards it. So what a target may look like is narrower than RFC 9112 section 3.2 allows.
 */

/** Origin form (RFC 9112 section 3.2.1) in the characters of RFC 3986, where `%` begins an escape and nothing else. */
const ORIGIN_FORM = /^\/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*(?:\?[\x21\x22\x24-\x7e]*)?$/
/** Escapes of what needs none (RFC 3986 section 2.3), and of what would be a separator, a control or another escape once decoded. */
const SECOND_SPELLING = /%(?:4[1-9a-f]|5[0-9a]|6[1-9a-f]|7[0-9a]|3[0-9bf]|2[def]|5f|7e|23|25|5c|[01][0-9a-f]|7f)/i
const DOT_SEGMENT = /\/\.{1,2}(?:\/|$)/

/** What is wrong with a request target, as a public sentence; null for one in its only spelling. */
export function targetProblem (target: string): string | null {
  if (!target.startsWith('/')) return 'The request target must be a path.'
  if (!ORIGIN_FORM.test(target)) return 'The request target holds a character that must be escaped.'
  const query = target.indexOf('?')
  const path = query < 0 ? target : target.slice(0, query)
  if (path.includes('//')) return 'The path must not hold an empty segment.'
  if (DOT_SEGMENT.test(path)) return 'The path must not hold a dot segment.'
  if (path.includes('%') && SECOND_SPELLING.test(path)) return 'The path must not escape what needs no escape, a separator or a control character.'
  return null
}
