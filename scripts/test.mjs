// Runs the compiled tests with tap and closes with the line that scripts read: `N passed, N failed`.
// `npm test -- build/test/plugins/*.js` narrows the run to the files named.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'

const tap = 'node_modules/tap/dist/esm/run.mjs'
const output = '.tap/last-run.tap'
mkdirSync('.tap', { recursive: true })
rmSync(output, { force: true })

const run = spawnSync(process.execPath, [tap, 'run', `--output-file=${output}`, ...process.argv.slice(2)], { stdio: 'inherit' })

const counts = { pass: 0, fail: 0, skip: 0, todo: 0 }
let report = ''
try { report = readFileSync(output, 'utf8') } catch { counts.fail = 1 }
const closing = (report.match(/^# \{ total: .*\}$/gm) ?? []).at(-1) ?? ''
for (const [, name, value] of closing.matchAll(/(\w+): (\d+)/g)) if (name in counts) counts[name] = Number(value)
if (run.status !== 0 && counts.fail === 0) counts.fail = 1

const stores = new Set([...report.matchAll(/# stores: (.+)$/gm)].map((match) => match[1]))
for (const line of stores) console.log(`stores used: ${line}`)
console.log(`\n${counts.pass} passed, ${counts.fail} failed`)
process.exit(run.status ?? 1)
