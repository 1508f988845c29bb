/** Secrets typed into a blueprint. An idle scenario does not lower them: whoever reads the file has the secret. */
import type { Fact, FlowNode, Policy } from '../graph/types.ts'
import { naming, type Hit, type Rule, type RuleContext } from './definition.ts'
import { controls } from './profiles.ts'

const FIXES = {
  make: [
    'Revoke the secret at the provider and issue a new one.',
    'Create a connection or keychain entry in Make that holds it.',
    'Point the module at that connection and empty the field.',
    'Delete old versions and exports of the blueprint that still contain it.'
  ],
  n8n: [
    'Revoke the secret at the provider and issue a new one.',
    'Create a credential in n8n that holds it.',
    'Point the node at that credential and empty the field.',
    'Delete old versions and exports of the workflow that still contain it.'
  ]
}

const providerToken: Policy = {
  code: 'SEC-001',
  title: 'Provider token typed into a module',
  description: 'A module holds an access token of a known provider, a private key or a signed token in plain text.',
  severity: 'critical',
  confidence: 'certain',
  platforms: ['make', 'n8n'],
  frameworks: controls(['SECRET'], 'CWE-798'),
  rationale: 'Everyone who can read, export or restore the scenario can use the token, and it cannot be rotated in one place.',
  detection: 'A configured text has the fixed prefix and length of a provider token, a PEM key or a JWT and is not a placeholder.',
  remediation: FIXES
}

const secretLiteral: Policy = {
  code: 'SEC-002',
  title: 'Secret-named field holds a literal',
  description: 'A field named like a password, key or token holds a fixed text that looks random.',
  severity: 'high',
  confidence: 'likely',
  platforms: ['make', 'n8n'],
  frameworks: controls(['SECRET'], 'CWE-798'),
  rationale: 'A secret in a field is copied with every export and stays in every old version of the scenario.',
  detection: 'The field name is secret-like and its literal is long, without spaces, of high entropy and no placeholder, URL or public address.',
  remediation: FIXES
}

export const SECRET_RULES: readonly Rule[] = [
  {
    policy: providerToken,
    minFacts: 1,
    applies: hasModules,
    run: ({ graph }) => hits(graph.nodes, isProviderToken, 'provider-token', (node) => ({
      message: `${naming(node)} holds a provider token in plain text.`, severity: providerToken.severity
    }))
  },
  {
    policy: secretLiteral,
    minFacts: 1,
    applies: hasModules,
    run: ({ graph }) => hits(graph.nodes, isOtherSecret, 'secret-literal', (node) => ({
      message: `${naming(node)} holds a secret in plain text in a field meant for one.`, severity: secretLiteral.severity
    }))
  }
]

function hasModules ({ graph }: RuleContext): boolean {
  return graph.nodes.length > 0
}

function isProviderToken (fact: Fact): boolean {
  return fact.classes.includes('provider-token')
}

/** One leaf, one secret: what SEC-001 or SEC-004 names is not named again. */
function isOtherSecret (fact: Fact): boolean {
  return fact.classes.includes('secret-literal') && !isProviderToken(fact) && !fact.classes.includes('secret-in-url')
}

function hits (
  nodes: readonly FlowNode[], matches: (fact: Fact) => boolean, evidence: string,
  describe: (node: FlowNode) => Pick<Hit, 'message' | 'severity'>
): Hit[] {
  return nodes.flatMap((node, index) => node.facts.filter(matches).map((fact) => ({
    node: index, pointer: fact.pointer, evidence, reason: null, ...describe(node)
  })))
}
