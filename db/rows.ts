/** The rows of a raw statement: the two drivers answer one in two shapes. */
export function rowsOf (result: unknown): ReadonlyArray<Record<string, unknown>> {
  if (Array.isArray(result)) return result
  if (typeof result === 'object' && result !== null && 'rows' in result && Array.isArray(result.rows)) return result.rows
  return []
}
