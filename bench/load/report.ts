/** The result as a table for a person and as a chart. */
import type { Reached } from './goals.ts'
import type { Row } from './summary.ts'

const BAR_WIDTH = 420
const LABEL_WIDTH = 340
const ROW_HEIGHT = 40
const TITLE_HEIGHT = 48

export function table (rows: readonly Row[]): string {
  const head = ['', 'ratio [IQR]', 'CPU', 'µs/req', 'Redis µs', 'PG µs', 'p50 ms', 'p99 ms', 'trips', 'rows/commit']
  const lines = rows.map((row) => row.skipped !== null || row.void !== null
    ? [row.title, row.skipped === null ? `void: ${row.void}` : `skipped: ${row.skipped}`]
    : [
        row.title,
        `${row.ratio.toFixed(2)} [${row.ratioLow.toFixed(2)}-${row.ratioHigh.toFixed(2)}]`,
        row.cpuRatio.toFixed(2),
        row.serverMicros.toFixed(0),
        row.redisMicros.toFixed(1),
        row.postgresMicros.toFixed(1),
        row.p50Ms.toFixed(2),
        row.p99Ms.toFixed(1),
        row.roundTrips.toFixed(3),
        row.rowsPerCommit?.toFixed(1) ?? ''
      ])
  return aligned([head, ...lines])
}

export function goalsTable (goals: readonly Reached[]): string {
  return aligned([
    ['', 'must', 'goal', 'measured', '', 'by requests'],
    ...goals.map(({ measure, must, goal, measured, beside, isMet, isGoal }) => [measure, ...[must, goal, measured].map((value) => value.toFixed(Number.isInteger(value) ? 0 : 2)), wordOf(isMet, isGoal), beside?.toFixed(2) ?? ''])
  ])
}

function wordOf (isMet: boolean, isGoal: boolean): string {
  if (isGoal) return 'goal'
  return isMet ? 'ok' : 'MISSED'
}

/** Cells in columns, the first to the left. */
export function aligned (lines: readonly string[][]): string {
  const columns = lines[0]?.length ?? 0
  const widths = (lines[0] ?? []).map((_cell, column) => Math.max(...lines.map((line) => line.length === columns || column === 0 ? line[column]?.length ?? 0 : 0)))
  return lines.map((line) => line.map((cell, column) => column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)).join('  ').trimEnd()).join('\n')
}

/** Bars of requests per second and of processor time, as shares of bare Fastify. Colours and text are readable on white and on black. */
export function chart (title: string, rows: readonly Row[]): string {
  const shown = rows.filter((row) => row.void === null && row.skipped === null)
  const widest = Math.max(1, ...shown.flatMap((row) => [row.ratio, row.cpuRatio]))
  const bars = shown.map((row, at) => {
    const y = TITLE_HEIGHT + at * ROW_HEIGHT
    const bar = (value: number, dy: number, colour: string): string => {
      const width = Math.round(value / widest * BAR_WIDTH)
      return `<rect x="${LABEL_WIDTH}" y="${y + dy}" width="${width}" height="12" fill="${colour}"/><text x="${LABEL_WIDTH + width + 6}" y="${y + dy + 10}" font-size="11">${value.toFixed(2)}</text>`
    }
    return `<text x="${LABEL_WIDTH - 8}" y="${y + 18}" text-anchor="end" font-size="12">${escaped(row.title)}</text>${bar(row.ratio, 2, '#2f6fb3')}${bar(row.cpuRatio, 16, '#b3782f')}`
  })
  const height = TITLE_HEIGHT + shown.length * ROW_HEIGHT + 8
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${LABEL_WIDTH + BAR_WIDTH + 60} ${height}" font-family="system-ui, sans-serif" fill="#777">
<text x="8" y="18" font-size="14">${escaped(title)}</text>
<text x="8" y="36" font-size="11">bare Fastify = 1; upper bar: requests a second, lower bar: processor time of the server</text>
${bars.join('\n')}
</svg>
`
}

function escaped (text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;')
}
