// Runs the compiled tests and closes with the line that scripts read: `N passed, N failed`.
// What the run's services wrote, what their stores held and the report itself are searched for secrets (test/helper/secrecy.ts); one that is
// found fails the run.
// `npm test -- build/test/plugins/*.js` narrows the run to the files named.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { searchLogs, secretsIn } from '../build/test/helper/secrecy.js'
import { makeTemplates } from '../build/test/helper/templates.js'

const output = '.tap/last-run.tap'
mkdirSync('.tap', { recursive: true })
rmSync(output, { force: true })
const logs = resolve('.tap/logs')
rmSync(logs, { recursive: true, force: true })
mkdirSync(logs, { recursive: true })

// The longest first, so that none of them is still running alone when all others are done.
const LONGEST = ['contract/published-client', 'threats/anomalies', 'threats/killed-process', 'bin/lifecycle', 'contract/redis-faults', 'plugins/support/http-edge', 'contract/instances',
  'contract/postgres-faults', 'contract/refusals', 'contract/regressions', 'bin/demo', 'contract/redis-cluster', 'contract/quickstart', 'threats/key-theft-from-logs', 'contract/kill-switch',
  'threats/redis-failover', 'bin/boot', 'bin/fb', 'contract/stores-away']
const asked = process.argv.slice(2)
const found = asked.length > 0 ? [] : readdirSync('build/test', { recursive: true }).filter((name) => name.endsWith('.test.js')).map((name) => join('build/test', name)).sort()
const first = LONGEST.map((name) => join('build/test', `${name}.test.js`)).filter((name) => found.includes(name))
const files = [...first, ...found.filter((name) => !first.includes(name))]

const templates = await makeTemplates()
const run = spawn(process.execPath, ['scripts/test-files.mjs', ...asked, ...files], { stdio: ['inherit', 'pipe', 'inherit'], env: { ...process.env, ...templates.env, FLOWBEACON_TEST_LOGS: logs } })
run.stdout.pipe(process.stdout)
run.stdout.pipe(createWriteStream(output))
// Whoever ends the run early leaves no template behind.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => run.kill(signal))
const [code] = await once(run, 'close')
await templates.drop()

const counts = { pass: 0, fail: 0, skip: 0, todo: 0 }
let report = ''
try { report = readFileSync(output, 'utf8') } catch { counts.fail = 1 }
const closing = (report.match(/^# \{ total: .*\}$/gm) ?? []).at(-1) ?? ''
for (const [, name, value] of closing.matchAll(/(\w+): (\d+)/g)) if (name in counts) counts[name] = Number(value)
if (code !== 0 && counts.fail === 0) counts.fail = 1

const { places, lines } = searchLogs(logs)
// Names of tests may speak of planted values; of keys, secrets and tokens nothing may.
places.push(...report.split('\n').flatMap((line, at) => secretsIn(line).filter((name) => !name.includes('body')).map((name) => `${output}:${at + 1} holds ${name}`)))
for (const place of places.slice(0, 50)) console.log(`secrecy: ${place}`)
if (places.length > 0) counts.fail++
console.log(`secrecy: ${lines} lines of logs searched, ${places.length} places with a secret`)

const stores = new Set([...report.matchAll(/# stores: (.+)$/gm)].map((match) => match[1]))
for (const line of stores) console.log(`stores used: ${line}`)
console.log(`\n${counts.pass} passed, ${counts.fail} failed`)
process.exit(code === 0 && places.length > 0 ? 1 : code ?? 1)
