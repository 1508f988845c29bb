/** Which components a scenario is made of, and what its records keep. */
import type { FlowNode } from '../graph/types.ts'
import { isAllowed } from '../organization.ts'
import { hasEffect } from './analysis.ts'
import type { Rule, RuleContext } from './definition.ts'
import { BOTH, anyModule, definePolicy, flowRule, hasTrait, nodeRule } from './hits.ts'
import { controls } from './profiles.ts'
import type { Reason } from './severity.ts'

const community = definePolicy({
  code: 'CMP-001', title: 'Community or custom component', severity: 'medium', confidence: 'certain', platforms: BOTH, frameworks: controls(['SUPPLY'], 'CWE-829')
}, {
  description: 'A module comes from outside the vendor\'s own packages.',
  rationale: 'Its code runs with the rights of the platform and changes when its author wishes.',
  detection: 'The type is not of the two official packages (n8n), or is a custom app (Make), and neither it nor its app is on the organization\'s allow-list.',
  fix: ['Review its source and the rights that it asks for.', 'Pin its version.', 'Put it on your allow-list, or replace it.']
})

const superseded = definePolicy({
  code: 'CMP-002', title: 'Superseded or unknown component', severity: 'low', confidence: 'certain', platforms: BOTH, frameworks: controls(['SUPPLY'])
}, {
  description: 'The vendor has hidden or replaced the component, does not know it, or has a later version of it.',
  rationale: 'It gets no fixes, and with one update it is gone.',
  detection: 'The type stands in the table of hidden and deprecated components, or is the vendor\'s by its name and not in the table of its components. An old major version is informational.',
  fix: ['Replace it by the component of today.', 'Compare what both do with the same input.']
})

const hostAccess = definePolicy({
  code: 'CMP-003', title: 'Component with host access', severity: 'high', confidence: 'certain', platforms: BOTH, frameworks: controls(['LEAST', 'SUPPLY'], 'ISO 27001 A.8.18')
}, {
  description: 'A module runs commands on, or reads and writes files of, a machine.',
  rationale: 'Whoever may edit the scenario has the machine.',
  detection: 'A module that executes commands, opens SSH, or works on local files or repositories.',
  fix: ['Use an interface instead.', 'Isolate the runner.', 'Restrict who may edit the scenario.']
})

const dynamicSub = definePolicy({
  code: 'CMP-004', title: 'Sub-workflow chosen at run time', severity: 'high', confidence: 'certain', platforms: ['n8n'], frameworks: controls(['SUPPLY'], 'CWE-829')
}, {
  description: 'Which workflow is called is decided by data, a file or an address.',
  rationale: 'What was reviewed is not what runs.',
  detection: 'The sub-workflow is given by an address, a local file or inline text, or its id is an expression.',
  fix: ['Refer to a fixed workflow.', 'Choose among fixed ids with a switch.', 'Restrict which workflows may call it.']
})

const noHistory = definePolicy({
  code: 'LOG-001', title: 'Run history switched off', severity: 'medium', confidence: 'certain', platforms: ['n8n'], frameworks: controls(['AUDIT'])
}, {
  description: 'Failed runs are not kept; or a workflow with consequences keeps no successful ones either.',
  rationale: 'After an incident nobody can say what the workflow did, for whom and when.',
  detection: 'Failed executions are not saved; or successful ones are not, where money moves, identities change or something is deleted, and no step writes a record to a sheet, a store or a database.',
  fix: ['Keep failed runs.', 'Write an audit record elsewhere if the data is sensitive.', 'Use redaction instead of silence.']
})

export const COMPONENT_RULES: readonly Rule[] = [
  nodeRule(community, anyModule, { when: (node, _index, { organization }) => hasTrait(node, 'community') && !isAllowed(node, organization), evidence: 'community-component', says: 'comes from outside the vendor\'s packages.' }),
  nodeRule(superseded, anyModule, { when: (node) => hasTrait(node, 'superseded') || hasTrait(node, 'unknown-type') || hasTrait(node, 'old-version'), evidence: 'superseded-component', says: 'is hidden, replaced or unknown at its vendor, or of an old version.', down: (node, index, context) => [...onlyOld(node), ...allowListed(node, index, context)] }),
  nodeRule(hostAccess, anyModule, {
    when: (node) => hasTrait(node, 'host-access'),
    evidence: 'host-access',
    says: 'has access to a machine.',
    up: (_node, index, { analysis }) => analysis.fromOpen.has(index) ? ['open-entry'] : [],
    down: allowListed
  }),
  nodeRule(dynamicSub, ({ kind }) => kind === 'sub', { when: (node) => hasTrait(node, 'dynamic-sub'), evidence: 'dynamic-sub', says: 'calls a workflow that is chosen at run time.', down: allowListed }),
  flowRule(noHistory, ({ graph }) => graph.platform === 'n8n' && graph.nodes.length > 0, {
    when: ({ graph }) => graph.settings.keepsErrors === false || (graph.settings.keepsSuccesses === false && graph.nodes.some(hasConsequence) && !graph.nodes.some(writesRecord)),
    evidence: 'history-off',
    message: 'The workflow keeps no record of its runs.',
    pointer: '/settings'
  })
]

function allowListed (node: FlowNode, _index: number, { organization }: RuleContext): Reason[] {
  return isAllowed(node, organization) ? ['allow-listed'] : []
}

function onlyOld (node: FlowNode): Reason[] {
  return hasTrait(node, 'superseded') || hasTrait(node, 'unknown-type') ? [] : ['old-version']
}

function hasConsequence (node: FlowNode): boolean {
  return !node.disabled && hasEffect(node, ['MONEY', 'IDENTITY', 'DELETE'])
}

/** An audit record of its own: a step that writes to a sheet, a store or a database, and nothing with consequences. */
function writesRecord (node: FlowNode): boolean {
  return !node.disabled && !hasConsequence(node) && node.effects.includes('WRITE') && (node.kind === 'store' || hasEffect(node, ['SHEET', 'SQL']))
}
