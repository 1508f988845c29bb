/** What to do about a scenario: the steps for every open finding, worst first, each tied to its module. */
import { mintRef } from '../plugins/lib/finding-ref.ts'
import { violationOnWire, type WireViolation } from './check.ts'
import type { Finding, Platform } from './graph/types.ts'
import { POLICIES } from './rules/index.ts'
import { deductions } from './score.ts'
import type { OpenResult } from './suppressions.ts'

/** A stored result may be older than the catalogue. */
const RETIRED_STEPS = ['This policy is no longer in the catalogue: evaluate the scenario again.']

const BY_CODE = new Map(POLICIES.map((policy) => [policy.code, policy]))

export interface Remedy extends WireViolation {
  /** From 1: the order in which to work. */
  order: number
  ref: string
  steps: string[]
}

export interface Remediation {
  score: number
  /** What each failing code costs: the points that are gained once its last finding is gone. */
  deductions: { code: string, points: number }[]
  remediation: Remedy[]
}

/** Findings come sorted by severity, code and document order, which is the order to work in. */
export function remediationOnWire (judged: OpenResult, watermark: string, secret: Buffer): Remediation {
  return {
    score: judged.score,
    deductions: deductions(judged.violations),
    remediation: judged.violations.map((finding, index) => ({
      order: index + 1,
      ref: mintRef(watermark, finding.fingerprint, secret),
      ...violationOnWire(finding),
      steps: stepsOf(finding, judged.platform)
    }))
  }
}

function stepsOf ({ code }: Finding, platform: Platform): string[] {
  const policy = BY_CODE.get(code)
  return policy === undefined ? RETIRED_STEPS : policy.remediation[platform] ?? []
}
