/** Checks one blueprint on its own, without a database: for the command line and for pull requests. */
import { evaluateGraph } from './evaluate.ts'
import { parseBlueprint } from './graph/import.ts'
import type { Confidence, Finding, Platform } from './graph/types.ts'
import { connectionUses, type ConnectionUse, type Organization } from './organization.ts'
import { openResult, type Suppression, type Suppressor } from './suppressions.ts'
import { locate, type Position } from './source-position.ts'

/** What of a finding may leave the service; `ref` is added where the policy's address is known. */
export type WireViolation = Pick<Finding, 'code' | 'title' | 'severity' | 'module' | 'message' | 'frameworks'>

/** A finding for whoever holds the file: with its identity, and where in the file it stands. */
export interface FileFinding extends WireViolation, Position {
  confidence: Confidence
  fingerprint: string
  /** RFC 6901 pointer of the evidence. */
  pointer: string
}

export interface SuppressedFileFinding extends FileFinding { suppression: Pick<Suppression, 'id' | 'reason'> }

export interface CheckFile {
  path: string
  /** Absent when the file was refused, as are `score`, `violations` and `suppressed`. */
  platform?: Platform
  /** Of the open findings, as are `violations`. */
  score?: number
  violations?: FileFinding[]
  suppressed?: SuppressedFileFinding[]
  /** Why the file could not be checked; never a value of it. */
  refused?: string
}

/** A file is no stored scenario, so suppressions of one scenario do not hold here. */
const NO_SCENARIO = ''

export interface CheckOptions {
  /** Default: nothing is suppressed. */
  suppressor?: Suppressor
  /** Default: the file is judged on its own. */
  organization?: Organization
  /** Told what the file does with its connections. Default none. */
  onConnections?: (platform: Platform, uses: ReadonlyMap<string, ConnectionUse>) => void
}

export function checkText (path: string, text: string, options: CheckOptions = {}): CheckFile {
  const { suppressor = () => null, organization, onConnections } = options
  const imported = parseBlueprint(text)
  if (!imported.ok) return { path, refused: imported.reason }
  onConnections?.(imported.graph.platform, connectionUses(imported.graph))
  const result = evaluateGraph(imported.graph, organization)
  const { platform, score, violations, suppressed } = openResult(result, NO_SCENARIO, suppressor)
  const positions = locate(text, result.violations.map(({ pointer }) => pointer))
  const inFile = (finding: Finding): FileFinding => findingInFile(finding, positions.get(finding.pointer))
  return {
    path,
    platform,
    score,
    violations: violations.map(inFile),
    suppressed: suppressed.map(({ finding, suppression: { id, reason } }) => ({ ...inFile(finding), suppression: { id, reason } }))
  }
}

/** Names each field: a field added to `Finding` later stays inside until somebody lets it out here. */
export function violationOnWire (finding: Finding): WireViolation {
  const { code, title, severity, module, message, frameworks } = finding
  return { code, title, severity, module, message, frameworks }
}

function findingInFile (finding: Finding, position: Position = { line: 1, column: 1 }): FileFinding {
  const { confidence, fingerprint, pointer } = finding
  return { ...violationOnWire(finding), confidence, fingerprint, pointer, ...position }
}
