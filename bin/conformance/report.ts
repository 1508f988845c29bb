/** What a run found, as one value that the JSON file holds as it is, and as text for a terminal. */
import { PARTS, THREATS, type Finding, type Part, type Threat, type Verdict } from './definition.ts'
import type { Settings } from './inputs.ts'

export type Counts = Record<'PASS' | 'FAIL' | 'SKIPPED' | 'NOT IN SCOPE', number>

export interface Report {
  tool: 'flowbeacon-guard-conformance'
  version: string
  runtime: string
  target: string
  profile: Settings['profile']
  scope: Part[]
  startedAt: string
  finishedAt: string
  totals: Counts
  layers: Array<{ layer: Part, counts: Counts, cases: string[] }>
  threats: Array<{ threat: Threat, title: string, counts: Counts, cases: string[] }>
  findings: Finding[]
}

export interface ReportOptions { findings: Finding[], settings: Pick<Settings, 'target' | 'profile' | 'parts'>, version: string, startedAt: Date, finishedAt: Date }

export function makeReport ({ findings, settings, version, startedAt, finishedAt }: ReportOptions): Report {
  return {
    tool: 'flowbeacon-guard-conformance',
    version,
    runtime: `Node.js ${process.version}`,
    target: settings.target.origin,
    profile: settings.profile,
    scope: PARTS.filter((part) => settings.parts.has(part)),
    startedAt: startedAt.toISOString(),
    finishedAt: finishedAt.toISOString(),
    totals: countsOf(findings),
    layers: PARTS.map((layer) => summary(findings.filter(({ parts }) => parts.includes(layer)), { layer })),
    threats: (Object.keys(THREATS) as Threat[]).map((threat) => summary(findings.filter(({ threats }) => threats.includes(threat)), { threat, title: THREATS[threat] })),
    findings
  }
}

function summary<Name extends object> (findings: readonly Finding[], name: Name): Name & { counts: Counts, cases: string[] } {
  return { ...name, counts: countsOf(findings), cases: findings.map(({ id }) => id) }
}

function countsOf (findings: readonly Finding[]): Counts {
  const count = (wanted: Verdict): number => findings.filter(({ verdict }) => verdict === wanted).length
  return { PASS: count('PASS'), FAIL: count('FAIL'), SKIPPED: count('SKIPPED'), 'NOT IN SCOPE': count('NOT IN SCOPE') }
}

/** One line a case that did not pass, then a line a layer and a threat. With `isVerbose` a line for every case. */
export function textOf (report: Report, isVerbose = false): string {
  const { totals, target, startedAt, finishedAt } = report
  const seconds = (Date.parse(finishedAt) - Date.parse(startedAt)) / 1000
  const told = report.findings.filter(({ verdict }) => isVerbose || verdict === 'FAIL')
  return [
    `${report.tool} ${report.version} on ${target}, ${report.profile} profile, ${startedAt}, ${seconds.toFixed(1)} s`,
    '',
    ...told.flatMap(({ verdict, id, title, expected, seen }) => [`${verdict}  ${id}  ${title}`, `      expected  ${expected}`, `      seen      ${seen}`]),
    ...(told.length > 0 ? [''] : []),
    ...linesOf('layer', report.layers.map(({ layer, counts }) => [layer, counts])),
    '',
    ...linesOf('threat', report.threats.map(({ title, counts }) => [title, counts])),
    '',
    ...skippedOf(report.findings),
    `${totals.PASS} passed, ${totals.FAIL} failed, ${totals.SKIPPED} skipped, ${totals['NOT IN SCOPE']} not in scope`
  ].join('\n')
}

function linesOf (heading: string, rows: ReadonlyArray<readonly [string, Counts]>): string[] {
  return [
    `${heading.padEnd(34)}  pass  fail  skipped  not in scope`,
    ...rows.map(([name, counts]) => `${name.padEnd(34)}  ${String(counts.PASS).padStart(4)}  ${String(counts.FAIL).padStart(4)}  ${String(counts.SKIPPED).padStart(7)}  ${String(counts['NOT IN SCOPE']).padStart(12)}`)
  ]
}

/** Which inputs were missing, and how many cases each would have let run. */
function skippedOf (findings: readonly Finding[]): string[] {
  const reasons = new Map<string, number>()
  for (const { verdict, seen } of findings) if (verdict === 'SKIPPED') reasons.set(seen, (reasons.get(seen) ?? 0) + 1)
  return reasons.size === 0 ? [] : [...[...reasons].map(([reason, cases]) => `SKIPPED ${cases}: ${reason}`), '']
}
