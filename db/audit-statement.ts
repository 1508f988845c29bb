/**
 * The one statement that writes audit rows: fixed text, so it is prepared once, and one array a column, so a batch of any size is
 * one round trip and one commit. `unnest` takes columns, not rows.
 */
import type { AuditRow } from '../plugins/context.ts'

const COLUMNS: ReadonlyArray<{ name: string, type: string, value: (row: AuditRow) => unknown }> = [
  { name: 'watermark', type: 'text', value: (row) => row.watermark },
  { name: 'at', type: 'timestamptz', value: (row) => textOf(row.at) },
  { name: 'org_id', type: 'text', value: (row) => row.orgId },
  { name: 'key_id', type: 'text', value: (row) => row.keyId },
  { name: 'key_prefix', type: 'text', value: (row) => row.keyPrefix },
  { name: 'method', type: 'text', value: (row) => row.method },
  { name: 'route', type: 'text', value: (row) => row.route },
  { name: 'path_hash', type: 'text', value: (row) => row.pathHash },
  { name: 'status', type: 'integer', value: (row) => row.status },
  { name: 'code', type: 'text', value: (row) => row.code },
  { name: 'reason', type: 'text', value: (row) => row.reason },
  { name: 'ip', type: 'inet', value: (row) => row.ip },
  { name: 'user_agent', type: 'text', value: (row) => row.userAgent },
  { name: 'instance', type: 'text', value: (row) => row.instance },
  { name: 'degraded', type: 'boolean', value: (row) => row.degraded },
  { name: 'jti', type: 'text', value: (row) => row.jti },
  { name: 'actor', type: 'text', value: (row) => row.actor ?? null }
]

// Arrays travel as text and are cast on arrival: the same literal serves both drivers.
export const INSERT_AUDIT_ROWS = `insert into audit_rows (${COLUMNS.map(({ name }) => name).join(', ')})
select * from unnest(${COLUMNS.map(({ type }, index) => `$${index + 1}::text::${type}[]`).join(', ')})`

let last = { at: new Date(Number.NaN), text: '' }

/** Many rows are of one millisecond, and share its `Date`. */
function textOf (at: Date): string {
  if (at !== last.at) last = { at, text: at.toISOString() }
  return last.text
}

/** The statement's parameters: one PostgreSQL array literal a column. `unnest` fills up with nulls what is shorter, so a column of nulls is an empty one. */
export function auditParameters (rows: readonly AuditRow[]): string[] {
  return COLUMNS.map(({ value }) => {
    const values = rows.map(value)
    return values.every(isNull) ? '{}' : arrayLiteral(values)
  })
}

function isNull (value: unknown): boolean {
  return value === null
}

/** A PostgreSQL array literal of texts; null stays null. */
export function arrayLiteral (values: readonly unknown[]): string {
  const [first] = values
  if (values.length === 0) return '{}'
  // Rows of one time are alike in most of their columns.
  if (values.every((value) => value === first)) return `{${`${literalOf(first)},`.repeat(values.length - 1)}${literalOf(first)}}`
  let text = `{${literalOf(first)}`
  for (let at = 1; at < values.length; at++) text += `,${literalOf(values[at])}`
  return `${text}}`
}

function literalOf (value: unknown): string {
  if (value === null) return 'NULL'
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  const text = String(value)
  return text.includes('"') || text.includes('\\') ? `"${text.replace(/[\\"]/g, '\\$&')}"` : `"${text}"`
}
