import type { Defect } from './defect.ts'

const hardened = ['test/contract/hardened-signature.test.ts']

/** The hardened profile. */
export const LIFECYCLE: readonly Defect[] = [
  {
    name: 'hardened-query',
    file: 'plugins/lib/hardened-signature.ts',
    line: ".update(`v2.${parts.timestamp}.${parts.nonce}.${parts.method.toUpperCase()}.${parts.target}.${bodyHash}`, 'latin1')",
    instead: ".update(`v2.${parts.timestamp}.${parts.nonce}.${parts.method.toUpperCase()}.${parts.target.split('?')[0] ?? ''}.${bodyHash}`, 'latin1')",
    breaks: 'hardened profile: the query is covered',
    tests: ['test/plugins/lib/hardened-signature.test.ts', 'test/vectors/vectors.test.ts']
  },
  {
    name: 'nonce-on-writes-only',
    file: 'plugins/signature.ts',
    line: 'request.replayId = replayIdOfNonce(nonce)',
    instead: 'if (STATE_CHANGING.has(request.method)) request.replayId = replayIdOfNonce(nonce)',
    breaks: 'hardened profile: a nonce is accepted once, on every method',
    tests: hardened
  }
]
