/**
 * A check as SARIF 2.1.0 (OASIS Standard), for code-scanning services and editors. Deterministic: no clock, no machine, no absolute
 * path of a file below the working folder. Fingerprints are ours, so a finding keeps its identity when its module moves.
 */
import { isAbsolute } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { CheckFile, FileFinding } from './check.ts'
import type { Confidence, Policy, Severity } from './graph/types.ts'
import { CATALOGUE_VERSION, POLICIES } from './rules/index.ts'

const SCHEMA = 'https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json'
/** Raised together with a change of evaluation/rules/fingerprint.ts: a consumer compares fingerprints of one name only. */
const FINGERPRINT_NAME = 'flowbeaconFinding/v1'
const SOURCE_ROOT = '%SRCROOT%'
const LEVELS: Readonly<Record<Severity, 'error' | 'warning' | 'note'>> = { critical: 'error', high: 'error', medium: 'warning', low: 'note', info: 'note' }
/** Scale of CVSS, as code-scanning services read it: above 9.0 critical, from 7.0 high, from 4.0 medium, below that low. */
const SECURITY_SEVERITY: Readonly<Record<Severity, string>> = { critical: '9.5', high: '8.0', medium: '5.5', low: '3.0', info: '1.0' }
const PRECISION: Readonly<Record<Confidence, string>> = { certain: 'very-high', likely: 'high', possible: 'medium' }
const PLATFORM_NAMES = { make: 'Make', n8n: 'n8n' } as const

export interface SarifOptions {
  /** Findings that a baseline does not hold; absent without a baseline. */
  fresh?: ReadonlySet<FileFinding>
}

/**
 * The whole log: one run, a rule for each policy of the catalogue, a result for each finding. An empty list of suppressions says "not
 * suppressed"; left out it would leave that open (section 3.27.23).
 */
export function sarifLog (files: readonly CheckFile[], options: SarifOptions = {}): object {
  const ruleIndex = new Map(POLICIES.map(({ code }, index) => [code, index]))
  const refused = files.filter((file) => file.refused !== undefined)
  return {
    $schema: SCHEMA,
    version: '2.1.0',
    runs: [{
      tool: { driver: { name: 'FlowBeacon', fullName: 'FlowBeacon governance check', semanticVersion: CATALOGUE_VERSION, rules: POLICIES.map(ruleOf) } },
      columnKind: 'utf16CodeUnits',
      originalUriBaseIds: { [SOURCE_ROOT]: { description: { text: 'The folder in which the check ran.' } } },
      invocations: [{ executionSuccessful: true, toolExecutionNotifications: refused.map(notificationOf) }],
      artifacts: files.map(({ path }) => ({ location: artifactLocation(path), mimeType: 'application/json', roles: ['analysisTarget'] })),
      results: files.flatMap(({ path, violations = [], suppressed = [] }, artifactIndex) => {
        const contextOf = ({ code }: FileFinding): ResultContext => ({ location: { ...artifactLocation(path), index: artifactIndex }, ruleIndex: ruleIndex.get(code) ?? -1 })
        return [
          ...violations.map((finding) => ({ ...resultOf(finding, contextOf(finding)), ...baselineState(finding, options.fresh), suppressions: [] })),
          ...suppressed.map((finding) => ({ ...resultOf(finding, contextOf(finding)), suppressions: [{ kind: 'external', status: 'accepted', justification: finding.suppression.reason }] }))
        ]
      })
    }]
  }
}

function ruleOf (policy: Policy): object {
  const { code, title, description, severity, confidence, frameworks, platforms } = policy
  return {
    id: code,
    name: title.replace(/[^A-Za-z0-9]+(.)?/g, (_match, next: string | undefined) => (next ?? '').toUpperCase()),
    shortDescription: { text: title },
    fullDescription: { text: description },
    help: helpOf(policy),
    defaultConfiguration: { level: LEVELS[severity] },
    // Services cut long lists of tags, so the controls have a property of their own.
    properties: { tags: ['security', 'governance', ...platforms], precision: PRECISION[confidence], 'security-severity': SECURITY_SEVERITY[severity], severity, controls: frameworks }
  }
}

/** The policy's own words. A consumer that shows only text misses no step. */
function helpOf ({ description, rationale, detection, remediation, frameworks }: Policy): { text: string, markdown: string } {
  const fixes = (['make', 'n8n'] as const).flatMap((platform) => {
    const steps = remediation[platform]
    return steps === undefined ? [] : [{ heading: `How to fix it in ${PLATFORM_NAMES[platform]}`, steps }]
  })
  const listed = (steps: readonly string[]): string => steps.map((step, index) => `${index + 1}. ${step}`).join('\n')
  const parts = [
    { heading: 'Why it matters', body: rationale },
    { heading: 'How it is found', body: detection },
    ...fixes.map(({ heading, steps }) => ({ heading, body: listed(steps) })),
    { heading: 'Controls it bears on', body: frameworks.join(', ') }
  ]
  return {
    text: [description, ...parts.map(({ heading, body }) => `${heading}:\n${body}`)].join('\n\n'),
    markdown: [description, ...parts.map(({ heading, body }) => `### ${heading}\n\n${body}`)].join('\n\n')
  }
}

interface ResultContext { location: object, ruleIndex: number }

function resultOf (finding: FileFinding, { location, ruleIndex }: ResultContext): object {
  const { code, severity, message, line, column, fingerprint, module, pointer, confidence } = finding
  return {
    ruleId: code,
    ruleIndex,
    level: LEVELS[severity],
    kind: 'fail',
    message: { text: message },
    locations: [{
      physicalLocation: { artifactLocation: location, region: { startLine: line, startColumn: column } },
      ...(module === null ? {} : { logicalLocations: [{ name: module.name, fullyQualifiedName: module.id, kind: 'module' }] })
    }],
    partialFingerprints: { [FINGERPRINT_NAME]: fingerprint },
    properties: { severity, confidence, pointer, ...(module === null ? {} : { moduleType: module.type }) }
  }
}

function baselineState (finding: FileFinding, fresh: ReadonlySet<FileFinding> | undefined): { baselineState?: 'new' | 'unchanged' } {
  if (fresh === undefined) return {}
  return { baselineState: fresh.has(finding) ? 'new' : 'unchanged' }
}

function notificationOf ({ path, refused = '' }: CheckFile): object {
  return {
    descriptor: { id: 'file-not-checked' },
    level: 'warning',
    message: { text: `The file was not checked: ${refused}` },
    locations: [{ physicalLocation: { artifactLocation: artifactLocation(path) } }]
  }
}

/** Below the working folder relative to it; elsewhere absolute, since a relative URI must not climb. */
function artifactLocation (path: string): { uri: string, uriBaseId?: string } {
  if (isAbsolute(path) || path.startsWith('../')) return { uri: pathToFileURL(path).href }
  return { uri: path.split('/').map(encodeURIComponent).join('/'), uriBaseId: SOURCE_ROOT }
}
