/** Checks one blueprint on its own, without a database: for the command line and for pull requests. */
import { evaluateGraph } from './evaluate.ts'
import { parseBlueprint } from './graph/import.ts'
import type { Finding, Platform } from './graph/types.ts'

/** What of a finding may leave the service; `ref` is added where the policy's address is known. */
export type WireViolation = Pick<Finding, 'code' | 'title' | 'severity' | 'module' | 'message' | 'frameworks'>

export interface CheckFile {
  path: string
  /** Absent when the file was refused, as are `score` and `violations`. */
  platform?: Platform
  score?: number
  violations?: WireViolation[]
  /** Why the file could not be checked; never a value of it. */
  refused?: string
}

export function checkText (path: string, text: string): CheckFile {
  const imported = parseBlueprint(text)
  if (!imported.ok) return { path, refused: imported.reason }
  const { platform, score, violations } = evaluateGraph(imported.graph)
  return { path, platform, score, violations: violations.map(violationOnWire) }
}

/** Names each field: a field added to `Finding` later stays inside until somebody lets it out here. */
export function violationOnWire (finding: Finding): WireViolation {
  const { code, title, severity, module, message, frameworks } = finding
  return { code, title, severity, module, message, frameworks }
}
