import { CHAIN } from './chain.ts'
import type { Defect } from './defect.ts'
import { LIFECYCLE } from './lifecycle.ts'
import { LIMITS } from './limits.ts'
import { RECORDS } from './records.ts'
import { WORK } from './work.ts'

export const DEFECTS: readonly Defect[] = [...CHAIN, ...LIMITS, ...LIFECYCLE, ...RECORDS, ...WORK]
