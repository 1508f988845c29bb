/** Secrets by the place they stand in: headers, addresses, fields for keys, notes. */
import { BOTH, FACTS, anyModule, definePolicy, factRule, hasTrait, isHttp, nodeRule } from './hits.ts'
import type { Rule, RuleContext } from './definition.ts'
import { controls } from './profiles.ts'

const handmadeHeader = definePolicy({
  code: 'SEC-003', title: 'Authorization header typed by hand', severity: 'medium', confidence: 'certain', platforms: BOTH, frameworks: controls(['SECRET'], 'ISO 27001 A.8.9')
}, {
  description: 'An HTTP module without stored authentication sends an authorization header that somebody typed.',
  rationale: 'What authenticates the call stands in the scenario, where everyone who can read it can copy it and nobody can rotate it in one place.',
  detection: 'An HTTP module uses no connection, keychain or credential, and its list of headers names authorization, an API key or an x-…-token, whatever the value.',
  fix: {
    make: ['Use the HTTP module that takes its credentials from a keychain.', 'Remove the header.', 'Restrict who may edit the keychain.'],
    n8n: ['Set the node\'s authentication to a generic or predefined credential.', 'Remove the header.', 'Restrict who may use the credential.']
  }
})

const secretInUrl = definePolicy({
  code: 'SEC-004', title: 'Secret in a URL', severity: 'high', confidence: 'certain', platforms: BOTH, frameworks: controls(['SECRET'], 'NIST 800-53 SC-28', 'CWE-598')
}, {
  description: 'An address holds a secret in its query or before its host.',
  rationale: 'Addresses are logged by proxies, servers and the platform itself, so the secret is wherever those logs are.',
  detection: 'A URL field, or the module\'s list of query parameters, has a parameter such as key, token, secret or signature with a fixed value that looks random; or a password stands before the host; or a known host takes its key in the path.',
  fix: ['Move the secret to a header that a credential fills.', 'Rotate it, because addresses are logged.', 'Use the header scheme of the provider where it has one.']
})

const capabilityUrl = definePolicy({
  code: 'SEC-005', title: 'Capability URL embedded', severity: 'medium', confidence: 'certain', platforms: BOTH, frameworks: controls(['SECRET', 'THIRD'])
}, {
  description: 'A module holds an address that is its own key: whoever knows it can post there.',
  rationale: 'Every export of the scenario hands out the right to post, and the address cannot be rotated in one place.',
  detection: 'A fixed text outside a trigger is an incoming hook of a chat or an automation service.',
  fix: ['Keep the address in a connection, a variable or a data store.', 'Make a new one if the scenario was shared.', 'Check the sender at the receiver.']
})

const keyMaterial = definePolicy({
  code: 'SEC-006', title: 'Private key or recovery phrase handled in the flow', severity: 'critical', confidence: 'likely', platforms: BOTH, frameworks: controls(['SECRET'], 'NIST 800-53 SC-12', 'PCI DSS 3.6.1')
}, {
  description: 'A private key, seed phrase or mnemonic passes through a module.',
  rationale: 'A key that a scenario handles is a key that its history, its editors and its platform have seen.',
  detection: 'A field named private key, mnemonic or seed phrase is filled, with a fixed text or from data, or a text holds a PEM block: handling it is the finding.',
  fix: ['Sign in a dedicated signer or vault.', 'Pass a reference to the key instead of the key.', 'Replace the key.']
})

const secretInNote = definePolicy({
  code: 'SEC-007', title: 'Secret in a note, description or pinned data', severity: 'high', confidence: 'certain', platforms: BOTH, frameworks: controls(['SECRET'], 'SOC 2 C1.1')
}, {
  description: 'A token stands in a text beside the configuration.',
  rationale: 'Notes and samples are read by more people than settings are, and no tool that replaces credentials looks there.',
  detection: 'A note, description, remembered label or pinned sample holds a token with the fixed form of a provider.',
  fix: ['Delete it there.', 'Rotate it.', 'Purge the versions that still hold it.']
})

export const SECRET_PLACE_RULES: readonly Rule[] = [
  nodeRule(handmadeHeader, isHttp, { when: (node) => hasTrait(node, 'handmade-auth'), evidence: 'typed-header', says: 'sends an authorization header that was typed by hand.', isLowerWhenIdle: false }),
  factRule(secretInUrl, anyModule, { when: ({ classes }) => classes.includes('secret-in-url'), evidence: 'secret-in-url', says: 'has a secret in an address.', isLowerWhenIdle: false }),
  factRule(capabilityUrl, anyModule, { when: ({ classes }, node) => node.kind !== 'trigger' && classes.includes('capability-url'), evidence: 'capability-url', says: 'holds an address that is its own key.', isLowerWhenIdle: false }),
  factRule(keyMaterial, anyModule, { when: ({ classes }) => classes.includes('key-material'), evidence: 'key-material', says: 'handles a private key or recovery phrase.', isLowerWhenIdle: false }),
  { policy: secretInNote, minFacts: FACTS, applies: hasTextsBeside, run: notesWithSecrets }
]

function hasTextsBeside ({ graph }: RuleContext): boolean {
  if (graph.notes > 0 || graph.pinned !== undefined || graph.noteFacts !== undefined) return true
  return graph.nodes.some(({ noted }) => noted) || graph.dropped.some((pointer) => pointer.endsWith('/metadata/restore'))
}

function notesWithSecrets ({ graph }: RuleContext): ReturnType<Rule['run']> {
  return (graph.noteFacts ?? []).map(({ pointer }) => ({
    node: null, pointer, evidence: 'secret-in-note', message: 'A note, description or sample holds a provider token.', severity: secretInNote.severity, reason: null
  }))
}
