/** The report as one HTML file without script, link or outside asset: it can be filed, mailed and opened offline. */
import type { Finding } from './definition.ts'
import type { Counts, Report } from './report.ts'

const STYLE = `
:root{color-scheme:light dark;--line:light-dark(#d5dae0,#3a3f47);--soft:light-dark(#f3f5f7,#1e2127);--dim:light-dark(#57606a,#a3abb6)}
body{font:15px/1.5 system-ui,sans-serif;background:light-dark(#fff,#16181d);color:light-dark(#1b1f24,#e4e7eb);margin:2rem auto;max-width:72rem;padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.15rem;margin:2rem 0 .5rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.35rem .6rem;border-bottom:1px solid var(--line)}
th{font-weight:600;background:var(--soft)}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
a{color:light-dark(#0b57b0,#7ab4ff)}.wide{overflow:auto}td>code{white-space:nowrap}.ids{min-width:15rem}.ids code{white-space:normal}.ids a{white-space:nowrap}
code{font:13px ui-monospace,monospace}.ids{word-spacing:.2rem}
.PASS{color:light-dark(#116329,#5fc27a)}.FAIL{color:#fff;background:#b3261e;padding:0 .4rem;border-radius:3px}.SKIPPED,.PARTLY{color:light-dark(#7a4d00,#e0b050)}.NOT{color:var(--dim)}
.total{font-size:1.15rem;margin:1rem 0}dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;margin:1rem 0}dt{color:var(--dim)}dd{margin:0}
@media(max-width:40rem){.ids{display:none}}
@media print{:root{color-scheme:light}.wide{overflow:visible}body{margin:0;max-width:none;font-size:11px}h2{break-after:avoid}tr{break-inside:avoid}}`

export function htmlOf (report: Report): string {
  const { totals } = report
  const title = `Guard conformance of ${report.target}`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeHtml(title)}</title>
<style>${STYLE}
</style>
</head>
<body>
<h1>${escapeHtml(title)}</h1>
<p class="total">${verdictSpan(verdictOf(totals))} ${totals.PASS} passed, ${totals.FAIL} failed, ${totals.SKIPPED} skipped, ${totals['NOT IN SCOPE']} not in scope</p>
<p>PARTLY: nothing failed of what was tried, and what some cases need was not given. The table of cases says what that is.</p>
<dl>
${definition('Tool', `${report.tool} ${report.version}, ${report.runtime}`)}
${definition('Target', report.target)}
${definition('Signature profile', report.profile)}
${definition('Said to be in scope', report.scope.join(', '))}
${definition('Started', report.startedAt)}
${definition('Finished', report.finishedAt)}
</dl>
${failures(report.findings)}
<h2>Threats</h2>
${summaryTable('Threat', report.threats.map(({ title: name, counts, cases }) => ({ name, counts, cases })))}
<h2>Layers and what stands beside them</h2>
${summaryTable('Layer', report.layers.map(({ layer: name, counts, cases }) => ({ name, counts, cases })))}
<h2>Every case</h2>
${caseTable(report.findings, true)}
</body>
</html>
`
}

/** Text as it may stand in an element or a quoted attribute. */
export function escapeHtml (text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\x00-\x08\x0b-\x1f\x7f]/g, '\ufffd').replace(/[&<>"']/g, (character) => entities[character] ?? '')
}

function definition (name: string, value: string): string {
  return `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd>`
}

function failures (findings: readonly Finding[]): string {
  const failed = findings.filter(({ verdict }) => verdict === 'FAIL')
  return failed.length === 0 ? '' : `<h2>Failed</h2>\n${caseTable(failed, false)}`
}

function summaryTable (heading: string, rows: ReadonlyArray<{ name: string, counts: Counts, cases: readonly string[] }>): string {
  const head = `<tr><th>${heading}</th><th>Verdict</th><th class="n">Pass</th><th class="n">Fail</th><th class="n">Skipped</th><th class="n">Not in scope</th><th class="ids">Cases</th></tr>`
  return `<div class="wide"><table>\n<thead>${head}</thead>\n<tbody>\n${rows.map(({ name, counts, cases }) => `<tr><td>${escapeHtml(name)}</td><td>${verdictSpan(verdictOf(counts))}</td><td class="n">${counts.PASS}</td><td class="n">${counts.FAIL}</td><td class="n">${counts.SKIPPED}</td><td class="n">${counts['NOT IN SCOPE']}</td><td class="ids"><code>${cases.map((id) => `<a href="#${escapeHtml(id)}">${escapeHtml(id)}</a>`).join(' ')}</code></td></tr>`).join('\n')}\n</tbody>\n</table></div>`
}

/** Links lead to the table of all cases, so only its rows are anchors. */
function caseTable (findings: readonly Finding[], isLinked: boolean): string {
  const row = ({ id, verdict, title, expected, seen, parts }: Finding): string => {
    const anchor = isLinked ? ` id="${escapeHtml(id)}"` : ''
    return `<tr${anchor}><td><code>${escapeHtml(id)}</code></td><td>${verdictSpan(verdict)}</td><td>${escapeHtml(title)}</td><td>${escapeHtml(expected)}</td><td>${escapeHtml(seen)}</td><td>${escapeHtml(parts.join(', '))}</td></tr>`
  }
  return `<div class="wide"><table>\n<thead><tr><th>Case</th><th>Verdict</th><th>What was tried</th><th>What was expected</th><th>What was seen</th><th>Layers</th></tr></thead>\n<tbody>\n${findings.map(row).join('\n')}\n</tbody>\n</table></div>`
}

/** Of what was not tried nobody should file that it passed. */
function verdictOf (counts: Counts): Finding['verdict'] | 'PARTLY' {
  if (counts.FAIL > 0) return 'FAIL'
  if (counts.PASS > 0) return counts.SKIPPED > 0 ? 'PARTLY' : 'PASS'
  return counts.SKIPPED > 0 ? 'SKIPPED' : 'NOT IN SCOPE'
}

function verdictSpan (verdict: Finding['verdict'] | 'PARTLY'): string {
  return `<span class="${verdict.split(' ')[0] ?? ''}">${verdict}</span>`
}
