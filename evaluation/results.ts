/** What a partner sees of a judgement: declared fields only, and a reference that ties one finding to the response it came from. */
import type { ItemRow } from '../db/queries/evaluations.ts'
import { mintRef } from '../plugins/lib/finding-ref.ts'
import { violationOnWire } from './check.ts'
import type { Finding, ScenarioResult } from './graph/types.ts'
import { openResult, type OpenResult, type Suppressor } from './suppressions.ts'

export interface Judgement {
  evaluation_status: 'complete'
  evaluated_at: string | null
  score: number
  modules: number
  catalogue_version: string
  violations: object[]
  module_summary: ScenarioResult['moduleSummary']
  evaluated_codes: string[]
  passing_count: number
  failing_count: number
  suppressed: object[]
}

/** Numbers and `violations` speak of what is open; what is suppressed is listed beside it with the reason. */
export function judgementOnWire (result: OpenResult, evaluatedAt: Date | null, watermark: string, secret: Buffer): Judgement {
  const marked = (finding: Finding): object => ({ ref: mintRef(watermark, finding.fingerprint, secret), ...violationOnWire(finding) })
  return {
    evaluation_status: 'complete',
    evaluated_at: evaluatedAt?.toISOString() ?? null,
    score: result.score,
    modules: result.modules,
    catalogue_version: result.catalogueVersion,
    violations: result.violations.map(marked),
    module_summary: result.moduleSummary,
    evaluated_codes: result.evaluatedCodes,
    passing_count: result.passingCount,
    failing_count: result.failingCount,
    suppressed: result.suppressed.map(({ finding, suppression: { id, reason, expiresAt } }) =>
      ({ ...marked(finding), suppression: { id, reason, expires_at: expiresAt.toISOString() } }))
  }
}

/** One line of an evaluation's progress. */
export function summaryOnWire (item: ItemRow, suppressor: Suppressor): object {
  const { scenarioId: id, name } = item
  if (item.result === null) return { id, name, error: item.error ?? 'Scenario could not be evaluated' }
  const result = openResult(item.result, id, suppressor)
  return { id, name, score: result.score, violations: result.violations.length, critical: result.critical, compliance_gaps: result.complianceGaps, modules: result.modules }
}
