/** Entries beside the plain webhook, and the identities that a scenario acts with. */
import type { FlowNode } from '../graph/types.ts'
import { connectionKey, connectionUses } from '../organization.ts'
import { hasEffect, lacksAuthentication } from './analysis.ts'
import type { Rule, RuleContext } from './definition.ts'
import { BOTH, definePolicy, FACTS, hasTrait, nodeHit, nodeRule, wideScopes } from './hits.ts'
import { controls } from './profiles.ts'
import type { Reason } from './severity.ts'

const LANGCHAIN = '@n8n/n8n-nodes-langchain.'
const FORMS: ReadonlySet<string> = new Set(['n8n-nodes-base.formTrigger', 'n8n-nodes-base.wait', `${LANGCHAIN}chatTrigger`])
const HOOKS: ReadonlySet<string> = new Set(['gateway:CustomWebHook', 'gateway:CustomMailHook'])
const STEPS_TO_CHECK = 2

const unguardedHook = definePolicy({
  code: 'ACC-002', title: 'Custom webhook not shown to be protected', severity: 'medium', confidence: 'possible', platforms: ['make'], frameworks: controls(['ACCESS'], 'CWE-306')
}, {
  description: 'A custom webhook starts the scenario, and nothing in the blueprint shows that its callers are checked.',
  rationale: 'Addresses leak; without a key, an address list or a secret that is compared, the address is all that a caller needs.',
  detection: 'The hook has neither API keys nor allowed addresses, and neither of the next two modules compares a secret, signature or token in a filter.',
  fix: ['Attach an API key to the hook.', 'Or compare a shared secret in the first filter.', 'Verify the signature where payments or identities are concerned.']
})

const openForm = definePolicy({
  code: 'ACC-003', title: 'Form, chat or resume address open to everyone', severity: 'medium', confidence: 'certain', platforms: ['n8n'], frameworks: controls(['ACCESS'])
}, {
  description: 'A form, public chat or resume address takes input from anyone.',
  rationale: 'Whoever finds the address can start or continue the workflow and fill in whatever they like.',
  detection: 'A form trigger, a waiting step with its own address, or a public chat has no authentication.',
  fix: ['Require sign-in or basic authentication.', 'Limit the origins that may embed it.', 'Put a rate limit in front.']
})

const openToolServer = definePolicy({
  code: 'ACC-004', title: 'AI tool server open to everyone', severity: 'critical', confidence: 'certain', platforms: ['n8n'], frameworks: controls(['ACCESS', 'AI'], 'OWASP LLM06')
}, {
  description: 'A tool server offers this workflow\'s tools to any model client that knows its address.',
  rationale: 'Every tool behind it can be called by anyone, without a person in between.',
  detection: 'An MCP trigger has no authentication.',
  fix: ['Set bearer or OAuth authentication.', 'Expose only the tools that are needed.', 'Separate tools that read from tools that write.']
})

const personalConnection = definePolicy({
  code: 'ACC-005', title: 'Personal account used as connection', severity: 'medium', confidence: 'likely', platforms: BOTH, frameworks: controls(['LEAST'], 'HIPAA 164.312(a)(2)(i)', 'PCI DSS 8.2.2')
}, {
  description: 'A module acts with a connection that is named after an address at a consumer mail provider.',
  rationale: 'When that person leaves, the scenario stops or goes on with their rights; nobody else can revoke the grant.',
  detection: 'The label of a connection or credential holds an address at a consumer mail provider.',
  fix: ['Create a service account with the scopes that are needed.', 'Bind the modules to it.', 'Revoke the personal grant.']
})

const sharedConnection = definePolicy({
  code: 'ACC-006', title: 'One connection carries many scenarios', severity: 'low', confidence: 'certain', platforms: BOTH, frameworks: controls(['LEAST'], 'OWASP CD-SEC-02')
}, {
  description: 'The same connection serves many scenarios, or ordinary changes and changes to money or identities.',
  rationale: 'The connection must carry the widest rights of all its uses, and each use then has them; whoever loses it stops them all.',
  detection: 'One connection id stands in ten scenarios of the organization or more (option), or at modules that only write and at modules that move money or change identities, in one scenario or in several.',
  fix: ['Split the connection by purpose.', 'Reduce the scopes of each.', 'Name an owner for each.']
})

export const ENTRY_RULES: readonly Rule[] = [
  nodeRule(unguardedHook, isHook, {
    when: (node, index, context) => isHook(node) && !hasTrait(node, 'hook-guarded') && !isCheckedSoon(context, index),
    evidence: 'hook-unprotected',
    says: 'is a webhook that nothing in the blueprint shows to be protected.',
    up: leadsToDanger,
    down: (_node, index, { analysis }) => analysis.towardsAuthCheck.has(index) && !analysis.towardsUncheckedEffect.has(index) ? ['caller-checked'] : []
  }),
  nodeRule(openForm, isForm, { when: (node) => isForm(node) && lacksAuthentication(node), evidence: 'form-open', says: 'takes input from anyone who knows its address.', up: leadsToDanger }),
  nodeRule(openToolServer, isToolServer, { when: (node) => isToolServer(node) && lacksAuthentication(node), evidence: 'tool-server-open', says: 'offers its tools to anyone who knows its address.' }),
  nodeRule(personalConnection, ({ connections }) => connections.length > 0, { when: (node) => hasTrait(node, 'personal-connection'), evidence: 'personal-account', says: 'acts with a personal account.', up: wideScopes }),
  { policy: sharedConnection, minFacts: FACTS, applies: ({ graph }) => graph.nodes.some(({ connections }) => connections.some(({ ref }) => ref !== null)), run: sharedConnections }
]

function isHook (node: FlowNode): boolean {
  return HOOKS.has(node.type)
}

function leadsToDanger (_node: FlowNode, index: number, { analysis }: RuleContext): Reason[] {
  return analysis.towardsDanger.has(index) ? ['dangerous-path'] : []
}

/** A waiting step counts when it waits for a call or a form, which is when it is an approval too. */
function isForm (node: FlowNode): boolean {
  return FORMS.has(node.type) && (node.type !== 'n8n-nodes-base.wait' || node.authentication !== undefined) && (node.type !== `${LANGCHAIN}chatTrigger` || node.effects.includes('OPEN'))
}

function isToolServer (node: FlowNode): boolean {
  return node.type === `${LANGCHAIN}mcpTrigger`
}

/** The filter stands on the module that it lets in, so the next two modules are looked at. */
function isCheckedSoon ({ graph, analysis }: RuleContext, start: number): boolean {
  let near = [start]
  for (let step = 0; step < STEPS_TO_CHECK; step++) {
    near = near.flatMap(analysis.after)
    if (near.some((index) => graph.nodes[index]?.facts.some(({ classes }) => classes.includes('auth-check')) === true)) return true
  }
  return false
}

/** One finding for each connection, at the first module that needs the wider rights, or else at the first that uses it. */
function sharedConnections (context: RuleContext): ReturnType<Rule['run']> {
  const { graph, organization: { reach, options } } = context
  const first = new Map<string, number>()
  const widest = new Map<string, number>()
  graph.nodes.forEach((node, index) => {
    for (const key of node.connections.map((one) => connectionKey(graph.platform, one))) {
      if (key === null) continue
      if (!first.has(key)) first.set(key, index)
      if (!widest.has(key) && hasEffect(node, ['MONEY', 'IDENTITY'])) widest.set(key, index)
    }
  })
  return [...connectionUses(graph)].flatMap(([key, here]) => {
    const everywhere = reach[key] ?? { ...here, scenarios: 1 }
    const isMixed = (here.writes || everywhere.writes) && (here.consequential || everywhere.consequential)
    const index = widest.get(key) ?? first.get(key)
    if (index === undefined) return []
    const pointer = graph.nodes[index]?.pointer ?? ''
    if (everywhere.scenarios >= options.connection_scenarios) return [nodeHit(sharedConnection, context, index, { evidence: 'connection-wide', says: 'uses a connection that many scenarios share.', up: wideScopes }, pointer)]
    return isMixed ? [nodeHit(sharedConnection, context, index, { evidence: 'connection-shared', says: 'shares one connection with other kinds of change.', up: wideScopes }, pointer)] : []
  })
}
