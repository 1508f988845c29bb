/** Suppressions of an organization as `fb suppress list --json` prints them, for a check without a server. */
import { readFile } from 'node:fs/promises'
import { OperationError } from '../../evaluation/operator.ts'
import type { Suppression } from '../../evaluation/suppressions.ts'

/** Those in force now that can hold for a file. Throws a usage error for anything else: a damaged list must not hide or reveal by chance. */
export async function readSuppressions (path: string, nowMs: number): Promise<Suppression[]> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new OperationError('usage', `the suppressions cannot be read: ${path}`, { cause })
  })
  const read = listIn(text)?.map(readOne)
  if (read === undefined || read.includes(null)) throw new OperationError('usage', `${path} is not a list of suppressions; fb suppress list --json prints one`)
  return read.flatMap((one) => one !== null && one.isInForce && one.scenarioId === null && one.expiresAt.getTime() > nowMs ? [one] : [])
}

function listIn (text: string): unknown[] | undefined {
  try {
    const parsed: unknown = JSON.parse(text)
    const list: unknown = typeof parsed === 'object' && parsed !== null && 'suppressions' in parsed ? parsed.suppressions : undefined
    return Array.isArray(list) ? list : undefined
  } catch {
    // Told by the caller, with the file's name.
    return undefined
  }
}

function readOne (value: unknown): (Suppression & { isInForce: boolean }) | null {
  if (typeof value !== 'object' || value === null) return null
  const { id, code, scenario_id: scenarioId, fingerprint, reason, state, expires_at: expires, approved_by: approvedBy } = value as Record<string, unknown>
  if (typeof id !== 'string' || typeof code !== 'string' || typeof reason !== 'string' || typeof expires !== 'string' || typeof state !== 'string') return null
  // It is shown on a terminal: no escape sequence may hide in a file that somebody edited.
  if (/\p{Cc}/u.test(reason)) return null
  const expiresAt = new Date(expires)
  if (!isTextOrNull(scenarioId) || !isTextOrNull(fingerprint) || !isTextOrNull(approvedBy) || Number.isNaN(expiresAt.getTime())) return null
  return { id, code, scenarioId, fingerprint, reason, expiresAt, isApproved: approvedBy !== null, isInForce: state === 'active' }
}

function isTextOrNull (value: unknown): value is string | null {
  return value === null || typeof value === 'string'
}
