import { spawnSync } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const FB = fileURLToPath(new URL('../../bin/fb.js', import.meta.url))
const EXAMPLES = fileURLToPath(new URL('../../../examples', import.meta.url))
const KEY = `fb_live_${'0a'.repeat(24)}`

const folder = mkdtempSync(join(tmpdir(), 'fb-test-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

function fb (args: string[], env: Record<string, string> = {}) {
  return spawnSync(process.execPath, [FB, ...args], { encoding: 'utf8', env: { PATH: process.env['PATH'] ?? '', DATA_DIR: join(folder, 'data'), ...env } })
}

t.test('check judges every example offline', async (t) => {
  const run = fb(['check', '--json', EXAMPLES])
  t.equal(run.status, 0, run.stderr)
  const answer = JSON.parse(run.stdout)
  t.type(answer.catalogue_version, 'string')
  t.ok(answer.files.length >= 12)
  for (const file of answer.files) {
    t.equal(file.refused, undefined, file.path)
    t.ok(file.score >= 0 && file.score <= 100)
  }
})

t.test('check exits 1 when a finding reaches --fail-on, 0 without it', async (t) => {
  t.equal(fb(['check', '--fail-on', 'info', EXAMPLES]).status, 1)
  t.equal(fb(['check', EXAMPLES]).status, 0)
})

t.test('check refuses what is no blueprint with a reason', async (t) => {
  const path = join(folder, 'other.json')
  writeFileSync(path, '{"hello":1}')
  const run = fb(['check', '--json', path])
  t.equal(run.status, 0)
  t.type(JSON.parse(run.stdout).files[0].refused, 'string')
  t.equal(fb(['check', '--fail-on', 'critical', path]).status, 1)
})

t.test('sign prints the header that an independent HMAC gives, over the exact bytes and without the query', async (t) => {
  const path = join(folder, 'body.json')
  writeFileSync(path, '{"a": "ü"}\n')
  const run = fb(['sign', 'POST', '/evaluate?x=1', '--body-file', path, '--json'], { FB_API_KEY: KEY })
  t.equal(run.status, 0, run.stderr)
  const { value } = JSON.parse(run.stdout)
  const [, time = ''] = /^t=(\d+),v1=[0-9a-f]{64}$/.exec(value) ?? []
  t.equal(value, `t=${time},v1=${createHmac('sha256', KEY).update(`${time}.POST./api/public/v1/evaluate.{"a": "ü"}\n`).digest('hex')}`)
  t.notMatch(run.stdout + run.stderr, KEY)
})

t.test('a wrong command line exits 2, with one JSON object under --json', async (t) => {
  for (const args of [[], ['nonsense'], ['org', 'create'], ['check', join(folder, 'absent.json')], ['check', '--fail-on', 'awful', folder], ['sign', 'GET', 'health'],
    ['sign', 'GET', '/x', '--key', 'short'], ['sign', 'GET', '/x', '--data', '{}', '--key', KEY]]) {
    t.equal(fb(args).status, 2, args.join(' '))
  }
  const run = fb(['check', '--json', join(folder, 'absent.json')])
  t.match(JSON.parse(run.stdout), { error: /no such file/ })
})

t.test('call exits 3 when nothing answers', async (t) => {
  t.equal(fb(['call', 'GET', '/governance/health', '--url', 'http://127.0.0.1:1']).status, 3)
})

t.test('the embedded default works without a server, and the raw key is shown once', async (t) => {
  const org = JSON.parse(fb(['org', 'create', '--name', 'Acme', '--json']).stdout)
  const key = JSON.parse(fb(['key', 'create', '--org', org.id, '--name', 'ci', '--permissions', 'governance:read', '--json']).stdout)
  t.match(key, { id: /^key_/, key: /^fb_live_[0-9a-f]{48}$/, permissions: ['governance:read'], expires_at: null })
  const list = fb(['key', 'list', '--org', org.id, '--json'])
  t.notMatch(list.stdout, key.key)
  t.match(JSON.parse(fb(['key', 'revoke', key.prefix, '--json']).stdout), { id: key.id, state: 'revoked' })
  t.equal(fb(['trace', 'wm_forged', '--json']).status, 1)
})
