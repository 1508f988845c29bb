/**
 * A baseline: the findings that somebody accepted as the starting point, by fingerprint. A later check counts what is new. Two
 * copies of a flow give the same fingerprints, so a baseline is a bag, not a set: it accepts as many findings as it holds. An entry
 * belongs to its file; only when that file is gone (moved or renamed) may it speak for a finding in another one.
 */
import { CATALOGUE_VERSION } from './rules/index.ts'
import type { CheckFile, FileFinding } from './check.ts'

const VERSION = 1
const CODE = /^[A-Z]{3}-\d{3}$/
const FINGERPRINT = /^[0-9a-f]{32}$/

export interface BaselineEntry { path: string, code: string, fingerprint: string }

export interface Baseline {
  version: typeof VERSION
  catalogue_version: string
  /** Sorted by path, code and fingerprint, so that a change of the file reads well in a review. */
  findings: BaselineEntry[]
}

export class BaselineError extends Error {
  override readonly name = 'BaselineError'
}

/** The open findings of a check as a baseline. Suppressed ones have a reason and an end of their own. */
export function baselineOf (files: readonly CheckFile[]): Baseline {
  const findings = files.flatMap(({ path, violations = [] }) => violations.map(({ code, fingerprint }) => ({ path, code, fingerprint })))
  const keyOf = ({ path, code, fingerprint }: BaselineEntry): string => `${path}\0${code}\0${fingerprint}`
  return { version: VERSION, catalogue_version: CATALOGUE_VERSION, findings: findings.sort((a, b) => keyOf(a) < keyOf(b) ? -1 : 1) }
}

/** Reads a baseline. Throws `BaselineError` for anything else: a baseline that is not understood must not accept or refuse by chance. */
export function parseBaseline (text: string): Baseline {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new BaselineError('is not JSON', { cause })
  }
  if (!isObject(value) || value['version'] !== VERSION) throw new BaselineError(`is not a baseline of version ${VERSION}`)
  const { catalogue_version: catalogueVersion, findings } = value
  if (typeof catalogueVersion !== 'string' || !Array.isArray(findings) || !findings.every(isEntry)) throw new BaselineError('holds an entry that is not understood')
  return { version: VERSION, catalogue_version: catalogueVersion, findings }
}

/** The findings that the baseline does not hold. `isGone` tells whether a path of the baseline no longer exists. */
export function newFindings (files: readonly CheckFile[], baseline: Baseline, isGone: (path: string) => boolean): Set<FileFinding> {
  const accepted = new Map<string, number>()
  const homeless = new Map<string, number>()
  const present = new Set(files.map(({ path }) => path))
  const gone = new Set([...new Set(baseline.findings.map(({ path }) => path))].filter((path) => !present.has(path) && isGone(path)))
  for (const { path, fingerprint } of baseline.findings) {
    if (gone.has(path)) add(homeless, fingerprint)
    else add(accepted, `${path}\0${fingerprint}`)
  }
  const open = files.flatMap(({ path, violations = [] }) => violations.filter(({ fingerprint }) => !take(accepted, `${path}\0${fingerprint}`)))
  // Entries of files that are gone come last: a file's own entries have the first word.
  return new Set(open.filter(({ fingerprint }) => !take(homeless, fingerprint)))
}

function add (counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

function take (counts: Map<string, number>, key: string): boolean {
  const left = counts.get(key) ?? 0
  if (left > 0) counts.set(key, left - 1)
  return left > 0
}

function isEntry (value: unknown): value is BaselineEntry {
  if (!isObject(value)) return false
  const { path, code, fingerprint } = value
  return typeof path === 'string' && typeof code === 'string' && CODE.test(code) && typeof fingerprint === 'string' && FINGERPRINT.test(fingerprint)
}

function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
