/**
 * Judges one fact graph. Pure: no clock, no randomness, no I/O; the same graph gives the same bytes. It sees facts only, so
 * nothing it returns can hold a value of the blueprint beyond a module's own label, key and type.
 */
import type { FactGraph, Finding, ScenarioResult } from './graph/types.ts'
import { NO_ORGANIZATION, type Organization } from './organization.ts'
import { analyse } from './rules/analysis.ts'
import type { Hit, Rule, RuleContext } from './rules/definition.ts'
import { fingerprints } from './rules/fingerprint.ts'
import { CATALOGUE_VERSION, RULES } from './rules/index.ts'
import { isAtLeast, REASONS, severityRank } from './rules/severity.ts'
import { scenarioScore } from './score.ts'

const COMPLIANCE_THRESHOLD = 'medium'

/** Thrown when a stored graph lacks facts that a rule of today needs: silence would look like a pass. */
export class StaleFactsError extends Error {
  override readonly name = 'StaleFactsError'
  readonly factsVersion: number
  readonly neededVersion: number

  constructor (factsVersion: number, neededVersion: number) {
    super(`The scenario must be imported again: its facts are of version ${factsVersion}, the rules need version ${neededVersion}.`)
    this.factsVersion = factsVersion
    this.neededVersion = neededVersion
  }
}

interface Located { finding: Finding, node: number | null }

/** Throws `StaleFactsError` when the graph is older than a rule of the catalogue. Without an organization a graph is judged on its own. */
export function evaluateGraph (graph: FactGraph, organization: Organization = NO_ORGANIZATION): ScenarioResult {
  refuseStaleFacts(graph)
  const context: RuleContext = { graph, analysis: analyse(graph), organization }
  const evaluated = RULES.filter((rule) => rule.policy.platforms.includes(graph.platform) && rule.applies(context))
  const located = findingsOf(context, evaluated)
  const violations = located.map(({ finding }) => finding)
  const failingCount = new Set(violations.map(({ code }) => code)).size
  return {
    catalogueVersion: CATALOGUE_VERSION,
    tablesVersion: graph.tablesVersion,
    platform: graph.platform,
    score: scenarioScore(violations),
    modules: graph.nodes.length,
    violations,
    critical: violations.filter(({ severity }) => severity === 'critical').length,
    complianceGaps: complianceGaps(violations),
    evaluatedCodes: evaluated.map(({ policy }) => policy.code).sort(),
    passingCount: evaluated.length - failingCount,
    failingCount,
    moduleSummary: moduleSummary(located),
    problems: graph.problems
  }
}

function refuseStaleFacts (graph: FactGraph): void {
  const needed = Math.max(...RULES.map(({ minFacts }) => minFacts))
  if (graph.factsVersion < needed) throw new StaleFactsError(graph.factsVersion, needed)
}

function findingsOf (context: RuleContext, rules: readonly Rule[]): Located[] {
  const raw = rules.flatMap((rule) => rule.run(context).map((hit) => ({ rule, hit })))
  const marks = fingerprints(context.graph, raw.map(({ rule, hit }) => ({ code: rule.policy.code, hit })))
  const located = raw.map(({ rule, hit }, index) => ({
    finding: toFinding(context.graph, rule, hit, marks[index] ?? ''), node: hit.node
  }))
  // Sorting is stable: within one module the document order of the rule's own walk remains.
  return located.sort((a, b) => severityRank(a.finding.severity) - severityRank(b.finding.severity) ||
    compareText(a.finding.code, b.finding.code) || (a.node ?? -1) - (b.node ?? -1))
}

function toFinding (graph: FactGraph, { policy }: Rule, hit: Hit, fingerprint: string): Finding {
  const node = hit.node === null ? undefined : graph.nodes[hit.node]
  return {
    code: policy.code,
    title: policy.title,
    severity: hit.severity,
    confidence: hit.confidence ?? policy.confidence,
    module: node === undefined ? null : { id: node.key, name: node.label ?? node.type, type: node.type },
    message: hit.reason === null ? hit.message : `${hit.message} ${REASONS[hit.reason]}`,
    // A copy: a caller that sorts or trims its result must not change the catalogue.
    frameworks: [...policy.frameworks],
    fingerprint,
    pointer: hit.pointer
  }
}

/** Sorted union of the controls of findings at or above medium: informational ones would name nearly every control. */
export function complianceGaps (findings: readonly Finding[]): string[] {
  const open = findings.filter(({ severity }) => isAtLeast(severity, COMPLIANCE_THRESHOLD))
  return [...new Set(open.flatMap(({ frameworks }) => frameworks))].sort(compareText)
}

/** Modules with findings, in document order. `located` is sorted, so a module's first finding is its worst. */
function moduleSummary (located: readonly Located[]): ScenarioResult['moduleSummary'] {
  const byNode = new Map<number, Finding[]>()
  for (const { finding, node } of located) {
    if (node === null) continue
    const list = byNode.get(node)
    if (list === undefined) byNode.set(node, [finding])
    else list.push(finding)
  }
  return [...byNode].sort(([a], [b]) => a - b).flatMap(([, findings]) => {
    const [worst] = findings
    if (worst === undefined || worst.module === null) return []
    const codes = [...new Set(findings.map(({ code }) => code))].sort(compareText)
    return [{ ...worst.module, worst_severity: worst.severity, codes, violations: findings.length }]
  })
}

/** By code unit, never by locale: the order must not depend on the machine. */
function compareText (a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
