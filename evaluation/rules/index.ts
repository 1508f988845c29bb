import type { Policy } from '../graph/types.ts'
import { ACCESS_RULES } from './access.ts'
import { AI_RULES } from './ai.ts'
import type { Rule } from './definition.ts'
import { FAILURE_RULES } from './failure.ts'
import { FLOW_RULES } from './flow.ts'
import { GOVERNANCE_RULES } from './governance.ts'
import { INJECTION_RULES } from './injection.ts'
import { SECRET_RULES } from './secrets.ts'
import { TRANSPORT_RULES } from './transport.ts'

/** Raised whenever a rule, a severity or a mapping changes; scores are comparable only within one version. */
export const CATALOGUE_VERSION = '2026.11.0'

/** Listed by hand: a file in this folder is not a rule until somebody says so here. */
export const RULES: readonly Rule[] = [
  ...SECRET_RULES,
  ...ACCESS_RULES,
  ...TRANSPORT_RULES,
  ...INJECTION_RULES,
  ...AI_RULES,
  ...FAILURE_RULES,
  ...FLOW_RULES,
  ...GOVERNANCE_RULES
]

/** The texts of the catalogue, in the order of the rules. */
export const POLICIES: readonly Policy[] = RULES.map(({ policy }) => policy)
