/** What `fb check` tells a person: a table for each file with findings, one line for each without, and the sum. */
import type { CheckFile, FileFinding } from '../../evaluation/check.ts'
import { CATALOGUE_VERSION } from '../../evaluation/rules/index.ts'
import { SEVERITIES } from '../../evaluation/rules/severity.ts'
import { table } from './output.ts'

const COLUMNS = ['severity', 'code', 'line', 'module', 'message']
const MODULE_CHARS_MAX = 32

export function describeCheck (files: readonly CheckFile[], fresh?: ReadonlySet<FileFinding>): string {
  const judged = files.filter(({ refused }) => refused === undefined)
  const findings = files.flatMap(({ violations = [] }) => violations)
  const counts = SEVERITIES.map((severity) => ({ severity, count: findings.filter((finding) => finding.severity === severity).length }))
  const listed = counts.filter(({ count }) => count > 0).map(({ severity, count }) => `${count} ${severity}`)
  const suppressed = files.flatMap((file) => file.suppressed ?? []).length
  const sum = `${judged.length} judged, ${files.length - judged.length} refused; ${findings.length} findings${listed.length === 0 ? '' : ` (${listed.join(', ')})`}` +
    `${suppressed === 0 ? '' : `, ${suppressed} suppressed`}${fresh === undefined ? '' : `, ${fresh.size} new since the baseline`}; catalogue ${CATALOGUE_VERSION}`
  return [...files.map((file) => describeFile(file, fresh)), sum].join('\n')
}

function describeFile ({ path, platform, score, violations = [], suppressed = [], refused }: CheckFile, fresh: ReadonlySet<FileFinding> | undefined): string {
  if (refused !== undefined) return `${path}\n  refused: ${refused}\n`
  const head = `${path}\n  ${platform ?? ''}, score ${score ?? '-'}, ${violations.length === 0 ? 'no findings' : `${violations.length} findings`}`
  const aside = suppressed.map(({ code, line, suppression }) => `  suppressed ${code} in line ${line}: ${suppression.reason}\n`).join('')
  if (violations.length === 0) return `${head}\n${aside}`
  const columns = fresh === undefined ? COLUMNS : ['', ...COLUMNS]
  const rows = violations.map((finding) => [...(fresh === undefined ? [] : [fresh.has(finding) ? 'new' : '']), ...cellsOf(finding)])
  return `${head}\n${table(columns, rows).replace(/^/gm, '  ')}\n${aside}`
}

function cellsOf ({ severity, code, line, module, message }: FileFinding): string[] {
  const name = module?.name ?? '-'
  return [severity, code, String(line), name.length > MODULE_CHARS_MAX ? `${name.slice(0, MODULE_CHARS_MAX - 1)}…` : name, message]
}
