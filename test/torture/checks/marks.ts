import type { AuditFact, Check, Violation } from '../verdict.ts'
import type { Operation } from '../history.ts'

const watermarks: Check = ({ operations, facts }) => {
  const answers = operations.filter(({ watermark }) => watermark !== null)
  const seen = new Map<string, Operation>()
  const violations: Violation[] = []
  let recorded = 0
  for (const answer of answers) {
    const mark = answer.watermark ?? ''
    const before = seen.get(mark)
    seen.set(mark, answer)
    const problem = problemOf(answer, facts.rows.get(mark), facts.isMarkOurs(mark))
    if (before !== undefined) violations.push({ what: `two answers carry the watermark ${mark}`, operations: [before, answer] })
    if (problem !== null) violations.push({ what: `${mark} ${problem}`, operations: [answer] })
    if (facts.rows.has(mark)) recorded++
  }
  const unmarked = operations.filter(({ status, watermark }) => status !== null && watermark === null)
  violations.push(...unmarked.map((answer) => ({ what: `an answer ${answer.status ?? ''} carries no watermark`, operations: [answer] })))
  return {
    promise: 'each watermark seen is ours and has exactly one audit row',
    counts: { seen: answers.length, 'with a row': recorded, 'refused without one (503, or before authentication)': answers.length - recorded },
    violations
  }
}

function problemOf (answer: Operation, row: AuditFact | undefined, isOurs: boolean): string | null {
  if (!isOurs) return 'has no valid MAC'
  if (row !== undefined && row.count !== 1) return `has ${row.count} audit rows`
  return row === undefined && needsRow(answer) ? `has no audit row; the answer was ${answer.status ?? 0}` : null
}

/** Data, and every refusal of somebody who was known; 503 says that it could not be written. */
function needsRow ({ status, isAuthenticated, kind, code }: Operation): boolean {
  if (status === null || status >= 500) return false
  if (kind === 'redeem') return status < 400 || code === 'evaluation_incomplete' || code === 'result_token_used'
  return status < 400 || isAuthenticated
}

export const markChecks: readonly Check[] = [watermarks]
