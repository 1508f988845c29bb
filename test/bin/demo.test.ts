import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { FLOW } from '../helper/service.ts'

const DEMO = fileURLToPath(new URL('../../bin/demo.js', import.meta.url))
const PRELOAD = new URL('../helper/hanging-thread.js', import.meta.url).href
const canPaste = spawnSync('bash', ['-c', 'command -v curl openssl']).status === 0
const folder = mkdtempSync(join(tmpdir(), 'flowbeacon-demo-test-'))
const temporary = join(folder, 'tmp')
mkdirSync(temporary)
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

// A temporary folder of its own, so that what the demonstration leaves behind can be counted; and settings that must not reach it.
const env = (over: Record<string, string> = {}): Record<string, string> => ({ PATH: process.env['PATH'] ?? '', TMPDIR: temporary, DATABASE_URL: 'postgres://127.0.0.1:1/production', PUBLIC_API_UNKNOWN: 'x', ...over })

function blueprints (name: string, files: Record<string, unknown>): string {
  const path = join(folder, name)
  mkdirSync(path)
  for (const [file, content] of Object.entries(files)) writeFileSync(join(path, file), typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

function demo (args: string[], over: Record<string, string> = {}): { status: number | null, stdout: string, stderr: string } {
  return spawnSync(process.execPath, [DEMO, ...args], { encoding: 'utf8', timeout: 60_000, env: env(over) })
}

t.test('every step goes as promised, the request that it prints works when it is pasted, and Ctrl-C leaves nothing behind', async (t) => {
  const path = blueprints('mixed', { 'flow.json': FLOW, 'not.json': '{"hello":1}' })
  const child = spawn(process.execPath, [DEMO, '--blueprints', path], { env: env(), stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  let text = ''
  for await (const chunk of child.stdout) {
    text += String(chunk)
    if (!/^Ctrl-C ends it/m.test(text) || child.killed) continue
    const lines = /^ {2}KEY=[^]*?^ {2}curl .*$/m.exec(text)?.[0] ?? ''
    if (canPaste) t.match(JSON.parse(spawnSync('bash', ['-c', lines], { encoding: 'utf8' }).stdout), { ok: true, data: { policies: [{ code: /./ }] } }, 'pasted into bash')
    child.kill('SIGINT')
  }
  t.match(text, /1 blueprint imported, 1 refused/)
  t.match(text, /refused not\.json: The document is neither/)
  for (const step of ['governance/health', 'Signed POST /evaluate', 'Poll GET', 'the token alone', 'The same token again', 'An unsigned POST', 'changed after it was signed', 'pre-flight', 'A scenario of another', 'An evaluation of another', 'The 61st request', 'Trace the watermark']) {
    t.match(text, new RegExp(`\\d+\\. .*${step}[^]*?got .*✓`), step)
  }
  t.match(text, /^scenario +score +C +H +M +L +I +gaps$/m)
  t.match(text, /^Small +\d+ /m)
  t.match(text, /^All 13 steps went as promised \(\d+\.\d s\)\.$/m)
  t.same(await ended, [0, null])
  t.same(readdirSync(temporary), [])
})

t.test('a step that does not go as promised is named, and the exit code says so', async (t) => {
  const path = blueprints('dying', { 'good.json': FLOW, 'bad.json': { ...FLOW, name: 'DIE' } })
  const { status, stdout } = demo(['--once', '--blueprints', path], { NODE_OPTIONS: `--import=${PRELOAD}` })
  t.equal(status, 1)
  t.match(stdout, /expected {2}2 of 2 evaluated\n {4}got {7}1 evaluated {2}✗/)
  t.match(stdout, /^DIE +- .*Scenario could not be evaluated$/m)
  t.match(stdout, /^1 of 13 steps failed/m)
  t.same(readdirSync(temporary), [])
})

t.test('what cannot be shown is said at once', async (t) => {
  t.match(demo(['--once', '--blueprints', join(folder, 'absent')]), { status: 2, stdout: '', stderr: /^demo: no such file or folder/ })
  t.match(demo(['--port', '70000']), { status: 2, stdout: '', stderr: /^demo: --port must be a port number/ })
  t.match(demo(['--nonsense']), { status: 2 })
  const nothing = demo(['--once', '--blueprints', blueprints('nothing', { 'a.json': '[]' })])
  t.match(nothing, { status: 1, stdout: /refused a\.json/, stderr: /no blueprint could be imported/ })
  t.same(readdirSync(temporary), [])
})
