/**
 * How often each code occurs over a folder of blueprints: by files and by findings, per platform, with the time an evaluation takes.
 * `npm run distribution -- DIR [CODE]`; with a code, the places of its findings, for reading them by eye.
 */
import { readFileSync } from 'node:fs'
import { listBlueprintFiles } from '../bin/fb/files.ts'
import { evaluateGraph } from '../evaluation/evaluate.ts'
import { parseBlueprint } from '../evaluation/graph/import.ts'
import { RULES } from '../evaluation/rules/index.ts'

const [folder = 'examples/n8n', wanted] = process.argv.slice(2)
const files = { make: 0, n8n: 0 }
const counts = new Map(RULES.map(({ policy }) => [policy.code, { make: 0, n8n: 0, findings: 0, evaluated: 0 }]))
const scores: number[] = []
let refused = 0
let slowest = { path: '', ms: 0 }

for (const { path } of await listBlueprintFiles([folder])) {
  const startedMs = performance.now()
  const imported = parseBlueprint(readFileSync(path, 'utf8'))
  if (!imported.ok) {
    refused++
    continue
  }
  const { platform } = imported.graph
  const result = evaluateGraph(imported.graph)
  const ms = performance.now() - startedMs
  if (ms > slowest.ms) slowest = { path, ms }
  files[platform]++
  scores.push(result.score)
  for (const code of result.evaluatedCodes) bump(code, 'evaluated')
  for (const code of new Set(result.violations.map(({ code }) => code))) bump(code, platform)
  for (const violation of result.violations) {
    bump(violation.code, 'findings')
    if (violation.code === wanted) process.stdout.write(`${path}  ${violation.pointer}  ${violation.severity}  ${violation.message}\n`)
  }
}

process.stdout.write(`${files.make} Make and ${files.n8n} n8n files, ${refused} refused; slowest ${slowest.ms.toFixed(1)} ms\n`)
scores.sort((a, b) => a - b)
process.stdout.write(`scores: ${[0.05, 0.25, 0.5, 0.75, 0.95].map((share) => `p${share * 100} ${scores[Math.floor(scores.length * share)] ?? '-'}`).join(', ')}\n\n`)
process.stdout.write('code     make   n8n   findings  evaluated\n')
for (const [code, row] of [...counts].sort((a, b) => b[1].make + b[1].n8n - a[1].make - a[1].n8n)) {
  process.stdout.write(`${code}  ${share(row.make, files.make)}  ${share(row.n8n, files.n8n)}  ${String(row.findings).padStart(7)}  ${String(row.evaluated).padStart(8)}\n`)
}

function bump (code: string, field: 'make' | 'n8n' | 'findings' | 'evaluated'): void {
  const row = counts.get(code)
  if (row !== undefined) row[field]++
}

function share (count: number, of: number): string {
  return of === 0 ? '    -' : `${Math.round(100 * count / of)} %`.padStart(5)
}
