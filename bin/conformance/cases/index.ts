/** All attack cases, in the order in which they run: what refuses first comes first, what uses up a key comes late. */
import type { AttackCase } from '../definition.ts'
import { authenticationCases } from './authentication.ts'
import { bodyCases } from './bodies.ts'
import { addressCases, organizationCases, permissionCases } from './callers.ts'
import { framingCases } from './framing.ts'
import { killSwitchCases } from './kill-switch.ts'
import { anomalyCases, limitCases } from './limits.ts'
import { watermarkCases } from './marks.ts'
import { resultCases } from './results.ts'
import { signatureCases } from './signature.ts'
import { browserCases, transportCases } from './transport.ts'
import { webhookCases } from './webhooks.ts'

export const CASES: readonly AttackCase[] = [
  ...browserCases, ...transportCases, ...framingCases, ...authenticationCases, ...signatureCases, ...addressCases, ...organizationCases, ...permissionCases,
  ...bodyCases, ...limitCases, ...anomalyCases, ...watermarkCases, ...killSwitchCases, ...resultCases, ...webhookCases
]
