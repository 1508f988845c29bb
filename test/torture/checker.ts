import { accessChecks } from './checks/access.ts'
import { admissionChecks } from './checks/admissions.ts'
import { markChecks } from './checks/marks.ts'
import { recoveryChecks } from './checks/recovery.ts'
import { tokenChecks } from './checks/tokens.ts'
import { workChecks } from './checks/work.ts'
import type { Check, Run, Verdict } from './verdict.ts'

const CHECKS: readonly Check[] = [...workChecks, ...tokenChecks, ...markChecks, ...admissionChecks, ...accessChecks, ...recoveryChecks]

// Pure: the same history is judged the same, in the run that made it and afterwards.
export function check (run: Run): Verdict[] {
  return CHECKS.map((judge) => judge(run))
}
