/** Steps with consequences, and what stands before them. */
import type { FlowNode } from '../graph/types.ts'
import { hasEffect } from './analysis.ts'
import type { Rule, RuleContext } from './definition.ts'
import { BOTH, definePolicy, flowRule, nodeRule, wideScopes } from './hits.ts'
import { controls } from './profiles.ts'

const unguardedDeletion = definePolicy({
  code: 'GOV-001', title: 'Deletion without a guard', severity: 'high', confidence: 'certain', platforms: BOTH, frameworks: controls(['DUTIES', 'INTEG'], 'GDPR Art.5')
}, {
  description: 'A module deletes, and nothing on the way from the start can hold it back.',
  rationale: 'One wrong input deletes the wrong record, or all of them.',
  detection: 'A module that deletes is reachable from an entry without a filter, a branch or an approval on the path.',
  fix: ['Add a condition on the exact record.', 'Mark as deleted first.', 'Ask for approval where many are concerned.', 'Keep a log.']
})

const unapprovedMoney = definePolicy({
  code: 'GOV-002', title: 'Money moves without approval', severity: 'high', confidence: 'likely', platforms: BOTH, frameworks: controls(['DUTIES'], 'PCI DSS 7.2.2')
}, {
  description: 'A module charges, refunds, pays out or issues an invoice, and no human step stands before it.',
  rationale: 'A doubled or wrong item costs money before anybody sees it.',
  detection: 'A module that moves money is reachable from an entry without an approval on the path.',
  fix: ['Ask for approval above a limit.', 'Check the limit and for duplicates.', 'Reconcile every day.']
})

const unapprovedIdentity = definePolicy({
  code: 'GOV-003', title: 'Identity or permission change without approval', severity: 'high', confidence: 'likely', platforms: BOTH, frameworks: controls(['DUTIES'], 'SOC 2 CC6.2', 'ISO 27001 A.5.18', 'HIPAA 164.308(a)(3)')
}, {
  description: 'A module creates accounts or changes rights, and no human step stands before it.',
  rationale: 'Whoever can start the scenario can give rights.',
  detection: 'A module that changes identities is reachable from an entry without an approval on the path.',
  fix: ['Add an approval step.', 'Allow a fixed list of roles only.', 'Write an audit record.']
})

const massMessages = definePolicy({
  code: 'GOV-004', title: 'Unthrottled mass messaging', severity: 'medium', confidence: 'likely', platforms: BOTH, frameworks: controls(['RESIL', 'PRIVACY'])
}, {
  description: 'Messages are sent in a loop without a pause or a limit.',
  rationale: 'A list that is longer than expected becomes as many messages, and the sender is blocked.',
  detection: 'A module that sends messages runs for each item of an iterator or batch, and nothing among them waits or limits.',
  fix: ['Limit the number of items.', 'Add a pause.', 'Check consent.']
})

const tooLarge = definePolicy({
  code: 'GOV-006', title: 'Too large to review', severity: 'low', confidence: 'certain', platforms: BOTH, frameworks: controls(['CHANGE'])
}, {
  description: 'The scenario has more modules, levels or decisions than a person can review at once.',
  rationale: 'What nobody can oversee is approved unread.',
  detection: 'More than 50 modules, more than four levels of nesting, or more than 25 decision points (options).',
  fix: ['Split it into scenarios that call each other.']
})

export const CONSEQUENCE_RULES: readonly Rule[] = [
  nodeRule(unguardedDeletion, deletes, { when: (node, index, { analysis }) => acts(node, deletes) && !node.gated && analysis.unguardedReach.has(index), evidence: 'deletion-unguarded', says: 'deletes, and nothing on the way can hold it back.', up: wideScopes }),
  nodeRule(unapprovedMoney, movesMoney, { when: (node, index, { analysis }) => acts(node, movesMoney) && !node.approval && analysis.unapproved.has(index), evidence: 'money-unapproved', says: 'moves money without an approval before it.', up: wideScopes }),
  nodeRule(unapprovedIdentity, changesIdentities, { when: (node, index, { analysis }) => acts(node, changesIdentities) && !node.approval && analysis.unapproved.has(index), evidence: 'identity-unapproved', says: 'changes identities or rights without an approval before it.', up: wideScopes }),
  nodeRule(massMessages, ({ effects }) => effects.includes('MESSAGE'), { when: (node, index, context) => acts(node, sendsMessages) && isUnthrottled(index, context), evidence: 'mass-messages', says: 'sends a message for each item, without a pause or a limit.' }),
  flowRule(tooLarge, ({ graph }) => graph.nodes.length > 0, { when: isTooLarge, evidence: 'too-large', message: 'The scenario is too large to review at once.', isLowerWhenIdle: false })
]

function acts (node: FlowNode, how: (node: FlowNode) => boolean): boolean {
  return !node.disabled && node.kind !== 'trigger' && how(node)
}

function deletes (node: FlowNode): boolean {
  return node.effects.includes('DELETE')
}

function movesMoney (node: FlowNode): boolean {
  return node.effects.includes('MONEY')
}

function changesIdentities (node: FlowNode): boolean {
  return node.effects.includes('IDENTITY') && hasEffect(node, ['WRITE', 'DELETE'])
}

function sendsMessages (node: FlowNode): boolean {
  return node.effects.includes('MESSAGE')
}

/** A wait or a limit anywhere among what is repeated slows the whole loop down. */
function isUnthrottled (index: number, { graph, analysis }: RuleContext): boolean {
  if (!analysis.iterated.has(index)) return false
  return !analysis.throttled.has(index) && graph.nodes[index]?.approval !== true
}

function isTooLarge ({ graph, organization: { options } }: RuleContext): boolean {
  if (graph.nodes.length > options.modules || graph.nodes.some(({ depth }) => depth > options.nesting)) return true
  return graph.nodes.filter(({ kind, gated }) => gated || kind === 'router' || kind === 'branch').length > options.decisions
}
