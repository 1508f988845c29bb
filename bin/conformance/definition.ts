/** What an attack case is, and the names under which cases are reported: the security page's ten layers and eight threats. */
import { LAYER_NAMES, type LayerName } from '../../plugins/index.ts'
import type { Lab } from './lab.ts'

export const THREATS = {
  'token-replay': 'Token replay',
  'key-theft-from-logs': 'Key theft from logs',
  'compromised-egress': 'Compromised egress',
  'browser-origin-abuse': 'Browser-origin abuse',
  'key-sharing-across-organizations': 'Key sharing across organizations',
  'result-token-replay': 'Result-token replay',
  'webhook-spoofing': 'Webhook spoofing',
  'leaked-results': 'Leaked results'
} as const
export type Threat = keyof typeof THREATS

/** What stands beside the layers and a service may have or not. */
export const EXTRAS = ['http-edge', 'json-body', 'result-tokens', 'webhooks', 'audit-trail'] as const
export type Part = LayerName | typeof EXTRAS[number]
export const PARTS: readonly Part[] = [...LAYER_NAMES, ...EXTRAS]

/** What a case cannot do without, and the input that gives it. */
export const NEEDS = {
  'another key': 'FB_CONFORMANCE_KEYS',
  'a key of another organization': 'FB_CONFORMANCE_FOREIGN_KEY',
  'a key without the permission to write': 'FB_CONFORMANCE_READ_KEY',
  'an admin key': 'FB_CONFORMANCE_ADMIN_KEY',
  'a key whose quota may be used up': 'FB_CONFORMANCE_LIMITED_KEY',
  'a key that may not call from here': 'FB_CONFORMANCE_ELSEWHERE_KEY',
  'a revoked key': 'FB_CONFORMANCE_REVOKED_KEY',
  'a suspended key': 'FB_CONFORMANCE_SUSPENDED_KEY',
  'an expired key': 'FB_CONFORMANCE_EXPIRED_KEY',
  'a canary key': 'FB_CONFORMANCE_CANARY_KEY',
  'a hardened key': 'FB_CONFORMANCE_HARDENED_KEY',
  'a result token': 'FB_CONFORMANCE_RESULT_TOKEN',
  'a second result token': 'FB_CONFORMANCE_RESULT_TOKEN_2',
  'a record of another organization': 'FB_CONFORMANCE_FOREIGN_PATH',
  'a signed POST': '--post-path',
  'an open route': '--open-path',
  'an instance that is switched off': '--killed-target',
  'a production listener without TLS': '--plain-target',
  'a target that speaks TLS': '--target https://…'
} as const
export type Need = keyof typeof NEEDS

/** What came of an attack. `seen` is shown to people and never holds a secret. */
export interface Seen { ok: boolean, seen: string }

export interface AttackCase {
  /** Stable: reports and documents point to it. */
  id: string
  /** What is judged first; every part must be in scope for the case to run. */
  parts: readonly [Part, ...Part[]]
  threats: readonly Threat[]
  title: string
  expected: string
  needs?: readonly Need[]
  /** Judges the whole run, so it runs after every other case. */
  isLast?: boolean
  attack: (lab: Lab) => Promise<Seen>
}

export type Verdict = 'PASS' | 'FAIL' | 'SKIPPED' | 'NOT IN SCOPE'

export interface Finding extends Omit<AttackCase, 'attack' | 'isLast' | 'needs'> {
  verdict: Verdict
  /** What was seen, or why the case did not run. */
  seen: string
  milliseconds: number
}
