import type { Confidence, FactGraph, FlowNode, Policy, Severity } from '../graph/types.ts'
import type { Organization } from '../organization.ts'
import type { Analysis } from './analysis.ts'
import type { Reason } from './severity.ts'

/** What a rule may look at. No part holds a value of the blueprint, so no rule can leak one. */
export interface RuleContext { graph: FactGraph, analysis: Analysis, organization: Organization }

/** One raw hit; `evaluateGraph` turns it into a finding. */
export interface Hit {
  /** Index of the node, or null when the finding belongs to the scenario as a whole. */
  node: number | null
  /** RFC 6901 pointer of the evidence. */
  pointer: string
  /** Kind of evidence, part of the fingerprint: never renamed. */
  evidence: string
  /** Fixed template with at most the module's label. */
  message: string
  severity: Severity
  /** Why `severity` differs from the catalogue's; null when it does not. */
  reason: Reason | null
  /** Where this hit is less certain than its policy. Default: the policy's. */
  confidence?: Confidence
}

export interface Rule {
  policy: Policy
  /** Least `factsVersion` of a graph this rule can judge. */
  minFacts: number
  /** True when the rule's subject occurs; otherwise the rule counts as neither passed nor failed. */
  applies: (context: RuleContext) => boolean
  run: (context: RuleContext) => Hit[]
}

/** The only text of the file that a message may carry; without a label the sentence names nothing. */
export function naming (node: FlowNode): string {
  return node.label === undefined ? 'A module' : `Module "${node.label}"`
}
