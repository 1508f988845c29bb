import type { Severity } from '../graph/types.ts'
import type { RuleContext } from './definition.ts'

export const SEVERITIES: readonly Severity[] = ['critical', 'high', 'medium', 'low', 'info']

/** Reasons for leaving the catalogue's severity, each with the sentence that a finding appends. */
export const REASONS = {
  'dangerous-path': 'Raised: it leads unguarded to a step that moves money, deletes, changes identities, or runs SQL or shell commands.',
  'open-entry': 'Raised: anyone who knows the address of an entry can reach it.',
  'outside-event': 'Raised: an event from outside reaches it, and nothing on the way can refuse it.',
  'consequential-effect': 'Raised: a failure here concerns money, deletion or identities.',
  'retries-hidden': 'Raised: every retry can fail and the run still reports success.',
  'order-uncertain': 'Lowered: the shape shows where the module stands, not whether it ran.',
  'personal-data': 'Raised: personal or card data lies on the same path.',
  'personal-samples': 'Raised: the samples look like data of persons.',
  'wide-scopes': 'Raised: the scopes of its connection are unlimited or unknown.',
  'cannot-run': 'Lowered: this part of the scenario cannot run.',
  inactive: 'Lowered: the scenario is not active.',
  template: 'Lowered: the scenario is a template without any bound connection.',
  'caller-checked': 'Lowered: a condition compares a header, token or signature before anything happens.',
  'address-list': 'Lowered: only listed addresses can call the entry.',
  'allow-listed': 'Lowered: the organization allows this app or component.',
  'small-sample': 'Lowered: the workflow is not active, and the samples are few and impersonal.',
  'designer-warning': 'Lowered: the designer warns and does not refuse.',
  'read-only-code': 'Lowered: the code reads the answer and evaluates no text.',
  'old-version': 'Lowered: the type is current, only its version is old.',
  'values-parameterised': 'Lowered: values are passed through the parameter list of the module.'
} as const

export type Reason = keyof typeof REASONS

/** 0 is the worst; used for sorting and for "at or above". */
export function severityRank (severity: Severity): number {
  return SEVERITIES.indexOf(severity)
}

export function isAtLeast (severity: Severity, threshold: Severity): boolean {
  return severityRank(severity) <= severityRank(threshold)
}

/** Moves by one step at most. A reason up and a reason down cancel each other: neither is stronger than the catalogue. */
export function settle (catalogue: Severity, up: readonly Reason[], down: readonly Reason[]): { severity: Severity, reason: Reason | null } {
  const raise = up[0]
  const lower = down[0]
  if (raise !== undefined && lower === undefined) return step(catalogue, -1, raise)
  if (lower !== undefined && raise === undefined) return step(catalogue, 1, lower)
  return { severity: catalogue, reason: null }
}

function step (catalogue: Severity, by: -1 | 1, reason: Reason): { severity: Severity, reason: Reason | null } {
  // Past either end of the scale the array answers undefined: nothing exceeds critical or drops below info.
  const moved = SEVERITIES[severityRank(catalogue) + by]
  return moved === undefined ? { severity: catalogue, reason: null } : { severity: moved, reason }
}

/** Reasons to lower that hold for every rule about what happens at run time. `node` null asks about the scenario as a whole. */
export function idleReasons ({ graph, analysis }: RuleContext, node: number | null): Reason[] {
  const reasons: Reason[] = []
  if (node !== null && (graph.nodes[node]?.disabled === true || !analysis.reach.has(node))) reasons.push('cannot-run')
  if (graph.settings.active === false) reasons.push('inactive')
  if (analysis.unboundTemplate) reasons.push('template')
  return reasons
}
