import type { FlowNode, Policy } from '../graph/types.ts'
import { hasEffect } from './analysis.ts'
import { naming, type Hit, type Rule, type RuleContext } from './definition.ts'
import { controls } from './profiles.ts'
import { idleReasons, settle, type Reason } from './severity.ts'

/** Started by hand, by another workflow or by an error: nobody waits for these unattended. */
const ATTENDED_TRIGGERS: ReadonlySet<string> = new Set([
  'n8n-nodes-base.manualTrigger', 'n8n-nodes-base.start', 'n8n-nodes-base.executeWorkflowTrigger', 'n8n-nodes-base.errorTrigger',
  'n8n-nodes-base.evaluationTrigger', '@n8n/n8n-nodes-langchain.manualChatTrigger'
])

const noHandler: Policy = {
  code: 'ERR-001',
  title: 'Outside call without error handler',
  description: 'A module that changes something outside has no error handler.',
  severity: 'low',
  confidence: 'certain',
  platforms: ['make'],
  frameworks: controls(['RESIL'], 'CWE-755'),
  rationale: 'When the call fails the run stops half way, and what was done before it stays done.',
  detection: 'An action or HTTP module writes, deletes or moves money and has no error handler of its own.',
  remediation: {
    make: [
      'Attach a Break handler with retries for faults that pass.',
      'Use Resume or Ignore only where losing the item is acceptable.',
      'Alert somebody when the handler runs.'
    ]
  }
}

const noErrorWorkflow: Policy = {
  code: 'ERR-002',
  title: 'No error workflow',
  description: 'The workflow runs unattended and names no error workflow.',
  severity: 'low',
  confidence: 'certain',
  platforms: ['n8n'],
  frameworks: controls(['RESIL', 'AUDIT']),
  rationale: 'A failed run is noticed only by somebody who happens to look at the list of executions.',
  detection: 'The workflow has a production trigger and its settings name no error workflow.',
  remediation: {
    n8n: ['Build one error workflow for the team.', 'Select it in the settings of this workflow.', 'Test it with a forced failure.']
  }
}

const discarded: Policy = {
  code: 'ERR-003',
  title: 'Failure discarded',
  description: 'A failing step is ignored and the run goes on as if it had worked.',
  severity: 'medium',
  confidence: 'certain',
  platforms: ['make', 'n8n'],
  frameworks: controls(['RESIL', 'INTEG'], 'CWE-391'),
  rationale: 'The run reports success while records are missing, so the loss is found late or never.',
  detection: 'Make: an Ignore directive is the whole handler. n8n: the node continues on its regular output and no later node tests for the error.',
  remediation: {
    make: ['Route failures to a handler that keeps the item.', 'Count and report them.', 'Remove the handler if the step is essential.'],
    n8n: ['Route failures to the error output and handle them.', 'Count and report them.', 'Stop the workflow if the step is essential.']
  }
}

export const FAILURE_RULES: readonly Rule[] = [
  { policy: noHandler, minFacts: 1, applies: ({ graph }) => graph.nodes.some(changesOutside), run: callsWithoutHandler },
  { policy: noErrorWorkflow, minFacts: 1, applies: ({ graph }) => graph.nodes.some(startsUnattended), run: missingErrorWorkflow },
  { policy: discarded, minFacts: 1, applies: ({ graph }) => graph.nodes.some(handlesErrors), run: discardedFailures }
]

function callsWithoutHandler (context: RuleContext): Hit[] {
  return context.graph.nodes.flatMap((node, index) => {
    // A step of a handler chain is the answer to a failure; asking for a handler of the handler has no end.
    if (!changesOutside(node) || node.directive !== undefined || context.analysis.handlers.has(index)) return []
    const up: Reason[] = hasEffect(node, ['MONEY', 'DELETE']) ? ['consequential-effect'] : []
    return [{
      node: index,
      pointer: node.pointer,
      evidence: 'no-handler',
      message: `${naming(node)} changes data outside the scenario and has no error handler.`,
      ...settle(noHandler.severity, up, idleReasons(context, index))
    }]
  })
}

function missingErrorWorkflow (context: RuleContext): Hit[] {
  const { graph } = context
  if (graph.settings.errorWorkflow) return []
  const consequential = graph.nodes.some((node) => !node.disabled && hasEffect(node, ['MONEY', 'DELETE', 'IDENTITY']))
  return [{
    node: null,
    pointer: '/settings',
    evidence: 'no-error-workflow',
    message: 'The workflow runs unattended and names no error workflow.',
    ...settle(noErrorWorkflow.severity, consequential ? ['consequential-effect'] : [], idleReasons(context, null))
  }]
}

function discardedFailures (context: RuleContext): Hit[] {
  return context.graph.nodes.flatMap((node, index) => {
    if (!discards(context, node, index)) return []
    const up: Reason[] = node.retry ? ['retries-hidden'] : []
    return [{
      node: index,
      pointer: node.pointer,
      evidence: 'failure-discarded',
      message: `${naming(node)} discards its failures and lets the run go on.`,
      ...settle(discarded.severity, up, idleReasons(context, index))
    }]
  })
}

function discards ({ graph, analysis }: RuleContext, node: FlowNode, index: number): boolean {
  if (graph.platform === 'make') return node.directive === 'Ignore' && node.handlerOnlyDirective === true
  // What starts a run has nothing behind it that could go on without it.
  return node.kind !== 'trigger' && node.onError === 'continue' && !analysis.towardsErrorTest.has(index)
}

function changesOutside (node: FlowNode): boolean {
  return (node.kind === 'action' || node.kind === 'http') && hasEffect(node, ['WRITE', 'DELETE', 'MONEY'])
}

function startsUnattended (node: FlowNode): boolean {
  return node.kind === 'trigger' && !node.disabled && !ATTENDED_TRIGGERS.has(node.type)
}

function handlesErrors (node: FlowNode): boolean {
  return node.onError !== 'stop' || node.directive !== undefined
}
