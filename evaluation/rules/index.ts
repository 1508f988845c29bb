import type { Policy } from '../graph/types.ts'
import { ACCESS_RULES } from './access.ts'
import { AI_RULES } from './ai.ts'
import { ANSWER_RULES } from './answers.ts'
import { COMPONENT_RULES } from './components.ts'
import { CONSEQUENCE_RULES } from './consequences.ts'
import type { Rule } from './definition.ts'
import { DESTINATION_RULES } from './destinations.ts'
import { ENTRY_RULES } from './entries.ts'
import { FAILURE_RULES } from './failure.ts'
import { FLOW_RULES } from './flow.ts'
import { GOVERNANCE_RULES } from './governance.ts'
import { INJECTION_RULES } from './injection.ts'
import { INPUT_RULES } from './input.ts'
import { MODEL_RULES } from './model-output.ts'
import { PRIVACY_RULES } from './privacy.ts'
import { RECOVERY_RULES } from './recovery.ts'
import { REFERENCE_RULES } from './references.ts'
import { SECRET_PLACE_RULES } from './secret-places.ts'
import { SECRET_RULES } from './secrets.ts'
import { TRANSPORT_RULES } from './transport.ts'
import { WIRING_RULES } from './wiring.ts'

/** Raised whenever a rule, a severity or a mapping changes; scores are comparable only within one version. */
export const CATALOGUE_VERSION = '2026.12.1'

/** Listed by hand: a file in this folder is not a rule until somebody says so here. */
export const RULES: readonly Rule[] = [
  ...SECRET_RULES,
  ...SECRET_PLACE_RULES,
  ...ACCESS_RULES,
  ...ENTRY_RULES,
  ...TRANSPORT_RULES,
  ...DESTINATION_RULES,
  ...INJECTION_RULES,
  ...INPUT_RULES,
  ...PRIVACY_RULES,
  ...AI_RULES,
  ...MODEL_RULES,
  ...FAILURE_RULES,
  ...RECOVERY_RULES,
  ...FLOW_RULES,
  ...REFERENCE_RULES,
  ...WIRING_RULES,
  ...ANSWER_RULES,
  ...COMPONENT_RULES,
  ...GOVERNANCE_RULES,
  ...CONSEQUENCE_RULES
]

/** The texts of the catalogue, in the order of the rules. */
export const POLICIES: readonly Policy[] = RULES.map(({ policy }) => policy)
