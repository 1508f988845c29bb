import type { Policy } from '../graph/types.ts'
import type { Hit, Rule, RuleContext } from './definition.ts'
import { controls } from './profiles.ts'

/** Below this a reader sees at a glance what a scenario does. */
const MODULES_MIN = 8

const undocumented: Policy = {
  code: 'GOV-005',
  title: 'No documentation',
  description: 'A scenario of eight or more modules carries no note and no description.',
  severity: 'info',
  confidence: 'certain',
  platforms: ['make', 'n8n'],
  frameworks: controls(['CHANGE']),
  rationale: 'When its author is away, nobody knows its purpose, its owner or the data it handles.',
  detection: 'Eight or more modules and no canvas note, description or module note.',
  remediation: {
    make: ['Add a note that names purpose, owner, data and contact.'],
    n8n: ['Add a sticky note or description that names purpose, owner, data and contact.']
  }
}

export const GOVERNANCE_RULES: readonly Rule[] = [
  { policy: undocumented, minFacts: 1, applies: ({ graph }) => graph.nodes.length >= MODULES_MIN, run: missingNotes }
]

function missingNotes ({ graph }: RuleContext): Hit[] {
  if (graph.notes > 0 || graph.nodes.some(({ noted }) => noted)) return []
  return [{
    node: null,
    pointer: '',
    evidence: 'no-note',
    message: 'The scenario has many modules and neither a note nor a description.',
    severity: undocumented.severity,
    reason: null
  }]
}
