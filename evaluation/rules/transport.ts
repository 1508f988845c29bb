import type { Fact, Policy } from '../graph/types.ts'
import { naming, type Hit, type Rule, type RuleContext } from './definition.ts'
import { carriesPersons } from './hits.ts'
import { controls } from './profiles.ts'
import { idleReasons, settle } from './severity.ts'

const FIXES = [
  'Change the address to https.',
  'If the service offers no https, put a TLS proxy in front of it or stop using it.',
  'Check what data and which credentials were sent in the clear, and rotate those credentials.'
]

const plainHttp: Policy = {
  code: 'NET-001',
  title: 'Plain HTTP to a public host',
  description: 'A module calls a host on the public network without encryption.',
  severity: 'high',
  confidence: 'certain',
  platforms: ['make', 'n8n'],
  frameworks: controls(['TRANSIT'], 'CWE-319'),
  rationale: 'Everyone on the way can read and change what is sent, credentials included.',
  detection: 'The literal of a URL field starts with http:// and its host is not loopback, private, a single label or an internal name.',
  remediation: { make: FIXES, n8n: FIXES }
}

export const TRANSPORT_RULES: readonly Rule[] = [
  { policy: plainHttp, minFacts: 1, applies: calls, run: plainCalls }
]

function calls ({ graph }: RuleContext): boolean {
  return graph.nodes.some((node) => node.kind === 'http' || node.effects.includes('EGRESS') || node.facts.some(isPlain))
}

function plainCalls (context: RuleContext): Hit[] {
  return context.graph.nodes.flatMap((node, index) => node.facts.filter(isPlain).map((fact) => ({
    node: index,
    pointer: fact.pointer,
    evidence: 'plain-http',
    message: `${naming(node)} calls a public host over unencrypted HTTP.`,
    ...settle(plainHttp.severity, carriesPersons(node), idleReasons(context, index))
  })))
}

function isPlain (fact: Fact): boolean {
  return fact.classes.includes('plain-http-public')
}
