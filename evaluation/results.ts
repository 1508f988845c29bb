/** What a partner sees of a judgement: declared fields only, and a reference that ties one finding to the response it came from. */
import { createHmac } from 'node:crypto'
import type { ItemRow } from '../db/queries/evaluations.ts'
import { violationOnWire } from './check.ts'
import type { ScenarioResult } from './graph/types.ts'

const REF_CHARS = 24

/** A MAC over watermark and finding: one leaked finding alone names the response that it was taken from. */
export function refOf (watermark: string, fingerprint: string, secret: Buffer): string {
  return `vr_${createHmac('sha256', secret).update(`${watermark}.${fingerprint}`).digest('hex').slice(0, REF_CHARS)}`
}

export function judgementOnWire (result: ScenarioResult, evaluatedAt: Date | null, watermark: string, secret: Buffer): object {
  return {
    evaluation_status: 'complete',
    evaluated_at: evaluatedAt?.toISOString() ?? null,
    score: result.score,
    modules: result.modules,
    catalogue_version: result.catalogueVersion,
    violations: result.violations.map((finding) => ({ ref: refOf(watermark, finding.fingerprint, secret), ...violationOnWire(finding) })),
    module_summary: result.moduleSummary,
    evaluated_codes: result.evaluatedCodes,
    passing_count: result.passingCount,
    failing_count: result.failingCount
  }
}

/** One line of an evaluation's progress. */
export function summaryOnWire (item: ItemRow): object {
  const { scenarioId: id, name, result } = item
  if (result === null) return { id, name, error: item.error ?? 'Scenario could not be evaluated' }
  return { id, name, score: result.score, violations: result.violations.length, critical: result.critical, compliance_gaps: result.complianceGaps, modules: result.modules }
}
