import type { FlowNode, Policy } from '../graph/types.ts'
import { naming, type Hit, type Rule, type RuleContext } from './definition.ts'
import { hasTrait } from './hits.ts'
import { controls } from './profiles.ts'
import { idleReasons, settle, type Reason } from './severity.ts'

const FIXES = [
  'Make the tools read-only where that is possible.',
  'Put a human approval before the remaining ones.',
  'Fix parameters instead of letting the model choose them.',
  'Limit the number of calls per run.'
]

const actingAgent: Policy = {
  code: 'AIX-001',
  title: 'Agent can act without approval',
  description: 'An AI agent has a tool that changes something, and no human step can refuse.',
  severity: 'high',
  confidence: 'certain',
  platforms: ['make', 'n8n'],
  frameworks: controls(['AI', 'DUTIES'], 'OWASP LLM06'),
  rationale: 'A model can be talked into any action it has a tool for, by its user or by the data it reads.',
  detection: 'A tool of the agent writes, deletes, moves money, changes identities or runs code, SQL or shell, with no approval between.',
  remediation: { make: FIXES, n8n: FIXES }
}

export const AI_RULES: readonly Rule[] = [
  { policy: actingAgent, minFacts: 1, applies: ({ graph }) => graph.nodes.some(isAgent), run: actingAgents }
]

function actingAgents (context: RuleContext): Hit[] {
  return context.graph.nodes.flatMap((node, index) => {
    if (!context.analysis.actingAgents.has(index)) return []
    return [{
      node: index,
      pointer: node.pointer,
      evidence: 'acting-tool',
      message: `${naming(node)} has a tool that acts, and no approval stands before it.`,
      ...settle(actingAgent.severity, raising(context, node, index), idleReasons(context, index))
    }]
  })
}

function raising ({ analysis }: RuleContext, node: FlowNode, index: number): Reason[] {
  if (analysis.fromOpen.has(index)) return ['open-entry']
  if (analysis.unguarded.has(index) && analysis.towardsDanger.has(index)) return ['dangerous-path']
  return hasTrait(node, 'wide-scopes') ? ['wide-scopes'] : []
}

function isAgent (node: FlowNode): boolean {
  return node.kind === 'agent'
}
