/** Where data goes and how well the way there is protected. */
import type { FlowNode } from '../graph/types.ts'
import type { Rule, RuleContext } from './definition.ts'
import { BOTH, FACTS, anyModule, carriesPersons, definePolicy, factRule, hasTrait, nodeHit, nodeRule } from './hits.ts'
import { controls } from './profiles.ts'

const certificateCheckOff = definePolicy({
  code: 'NET-002', title: 'Certificate check switched off', severity: 'high', confidence: 'certain', platforms: BOTH, frameworks: controls(['TRANSIT'], 'CWE-295')
}, {
  description: 'A module accepts any certificate.',
  rationale: 'Encryption to whoever answers protects from nobody on the way.',
  detection: 'The module allows unauthorized certificates.',
  fix: ['Install the certificate authority that signed the server\'s certificate.', 'Switch the check on.', 'Rotate the credentials that were sent meanwhile.']
})

const cleartext = definePolicy({
  code: 'NET-003', title: 'Unencrypted protocol', severity: 'high', confidence: 'certain', platforms: BOTH, frameworks: controls(['TRANSIT'], 'PCI DSS 2.2.5')
}, {
  description: 'A module speaks a protocol that encrypts nothing, the login included.',
  rationale: 'Everyone on the way can read and change what is sent.',
  detection: 'Plain FTP, mail without TLS, or an address of an unencrypted protocol on a public host.',
  fix: ['Switch to the encrypted form: SFTP, FTPS, TLS.', 'Rotate the login.']
})

const internalHost = definePolicy({
  code: 'NET-004', title: 'Call to an internal or metadata address', severity: 'low', confidence: 'certain', platforms: BOTH, frameworks: controls(['ACCESS'], 'NIST 800-53 SC-7', 'CWE-918')
}, {
  description: 'A module calls an address inside the network that runs it.',
  rationale: 'A scenario is then a way into the network; a cloud\'s metadata address hands out credentials of the machine.',
  detection: 'The host of a URL field is loopback, private or link-local; critical for the metadata addresses of clouds.',
  fix: ['Confirm that the runner should reach it.', 'Expose a narrow interface instead of the whole service.', 'Block the metadata address.']
})

const tunnelHost = definePolicy({
  code: 'NET-005', title: 'Tunnel or request-bin host', severity: 'high', confidence: 'certain', platforms: BOTH, frameworks: controls(['THIRD', 'TRANSIT'])
}, {
  description: 'A module sends data to a tunnel or to a service that shows requests.',
  rationale: 'Such addresses are made for a trial and lead to whoever holds them next; what is sent there may be public.',
  detection: 'The host of a URL field belongs to a tunnelling or request inspection service.',
  fix: ['Put the real endpoint in its place.', 'Treat what was sent there as disclosed.', 'Rotate the tokens that were sent.']
})

export const DESTINATION_RULES: readonly Rule[] = [
  nodeRule(certificateCheckOff, callsOut, { when: (node) => hasTrait(node, 'tls-unverified'), evidence: 'tls-unverified', says: 'accepts any certificate.', up: carriesPersons }),
  { policy: cleartext, minFacts: FACTS, applies: (context) => context.graph.nodes.some(callsOut), run: cleartextHits },
  { policy: internalHost, minFacts: FACTS, applies: (context) => context.graph.nodes.some(callsOut), run: internalHits },
  factRule(tunnelHost, callsOut, { when: ({ classes }) => classes.includes('tunnel-host'), evidence: 'tunnel-host', says: 'calls a tunnel or a service that shows requests.', up: carriesPersons })
]

function callsOut (node: FlowNode): boolean {
  return node.kind === 'http' || node.effects.includes('EGRESS') || node.effects.includes('FILES') || node.facts.some(({ classes }) => classes.includes('cleartext-url'))
}

function cleartextHits (context: RuleContext): ReturnType<Rule['run']> {
  const byTrait = nodeRule(cleartext, anyModule, { when: (node) => hasTrait(node, 'cleartext-protocol'), evidence: 'cleartext-protocol', says: 'speaks an unencrypted protocol.', up: carriesPersons }).run(context)
  const byUrl = factRule(cleartext, anyModule, { when: ({ classes }, node) => classes.includes('cleartext-url') && !hasTrait(node, 'cleartext-protocol'), evidence: 'cleartext-url', says: 'holds an address of an unencrypted protocol.', up: carriesPersons }).run(context)
  return [...byTrait, ...byUrl]
}

function internalHits (context: RuleContext): ReturnType<Rule['run']> {
  return context.graph.nodes.flatMap((node, index) => node.facts.flatMap((fact) => {
    if (fact.classes.includes('metadata-host')) {
      return [{ ...nodeHit(internalHost, context, index, { evidence: 'metadata-host', says: 'calls the metadata address of a cloud.', isLowerWhenIdle: false }, fact.pointer), severity: 'critical' as const }]
    }
    if (!fact.classes.includes('internal-host')) return []
    return [nodeHit(internalHost, context, index, { evidence: 'internal-host', says: 'calls an address inside the network that runs it.' }, fact.pointer)]
  }))
}
