import type { FaultEvent } from './history.ts'
import type { Verdict } from './verdict.ts'

const VIOLATIONS_SHOWN = 10
const OPERATIONS_SHOWN = 12

export function table (verdicts: readonly Verdict[]): string {
  const lines = verdicts.flatMap(({ promise, counts, violations }) => [
    `${violations.length === 0 ? 'kept  ' : 'BROKEN'}  ${promise}`,
    `          ${Object.entries(counts).map(([name, value]) => `${name} ${value.toLocaleString('en-US')}`).join(' · ')} · violations ${violations.length}`
  ])
  return `${lines.join('\n')}\n`
}

// What broke a promise, with the operations of it, in the order they began.
export function evidence (verdicts: readonly Verdict[]): string {
  const lines: string[] = []
  for (const { promise, violations } of verdicts.filter((one) => one.violations.length > 0)) {
    lines.push('', `BROKEN: ${promise}`)
    for (const { what, operations } of violations.slice(0, VIOLATIONS_SHOWN)) {
      lines.push(`  ${what}`)
      for (const { id, client, kind, instance, invokedMs, endedMs, outcome, status, code, watermark } of [...operations].sort((a, b) => a.invokedMs - b.invokedMs).slice(0, OPERATIONS_SHOWN)) {
        lines.push(`    #${id} ${invokedMs.toFixed(1)}..${endedMs.toFixed(1)} ms  ${kind} by ${client} at ${instance}: ${outcome} ${status ?? ''} ${code ?? ''} ${watermark ?? ''}`.trimEnd())
      }
      if (operations.length > OPERATIONS_SHOWN) lines.push(`    and ${operations.length - OPERATIONS_SHOWN} more`)
    }
    if (violations.length > VIOLATIONS_SHOWN) lines.push(`  and ${violations.length - VIOLATIONS_SHOWN} more`)
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`
}

export function faultCounts (faults: readonly FaultEvent[]): string {
  const counts = new Map<string, number>()
  for (const { name } of faults) counts.set(name, (counts.get(name) ?? 0) + 1)
  return [...counts].sort(([a], [b]) => a.localeCompare(b)).map(([name, count]) => `  ${String(count).padStart(3)}  ${name}`).join('\n')
}
