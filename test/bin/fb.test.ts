import { spawnSync } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { copyFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { fbHost, type FbLine } from '../helper/process.ts'
import { prepareFolder } from '../helper/service.ts'

const FB = fileURLToPath(new URL('../../bin/fb.js', import.meta.url))
const EXAMPLES = fileURLToPath(new URL('../../../examples', import.meta.url))
const FLOWS = [join(EXAMPLES, 'make'), join(EXAMPLES, 'n8n')]
const KEY = `fb_live_${'0a'.repeat(24)}`

const folder = mkdtempSync(join(tmpdir(), 'fb-test-'))
prepareFolder(join(folder, 'data'))
const host = fbHost()
t.teardown(() => {
  host.close()
  rmSync(folder, { recursive: true, force: true })
})

async function fb (args: string[], env: Record<string, string> = {}): Promise<FbLine> {
  return await host.run(args, { DATA_DIR: join(folder, 'data'), ...env })
}

// As a process of its own: its exit, and that nothing keeps it alive, belong to the promise.
function fbProcess (args: string[]): FbLine {
  return spawnSync(process.execPath, [FB, ...args], { encoding: 'utf8', env: { PATH: process.env['PATH'] ?? '', DATA_DIR: join(folder, 'data') } })
}

t.test('check judges every example offline', async (t) => {
  const run = await fb(['check', '--json', ...FLOWS])
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
  t.equal((await fb(['check', '--fail-on', 'info', ...FLOWS])).status, 1)
  t.equal((await fb(['check', ...FLOWS])).status, 0)
})

t.test('check refuses what is no blueprint with a reason', async (t) => {
  const path = join(folder, 'other.json')
  writeFileSync(path, '{"hello":1}')
  const run = await fb(['check', '--json', path])
  t.equal(run.status, 0)
  t.type(JSON.parse(run.stdout).files[0].refused, 'string')
  t.equal((await fb(['check', '--fail-on', 'critical', path])).status, 1)
})

t.test('check lets only new findings fail with a baseline, and refuses one it does not understand', async (t) => {
  const baseline = join(folder, 'baseline.json')
  const flows = join(folder, 'flows')
  mkdirSync(flows)
  copyFileSync(join(EXAMPLES, 'make/parcel-tracking-sync.json'), join(flows, 'a.json'))
  t.equal((await fb(['check', '--write-baseline', baseline, flows])).status, 0)
  t.equal((await fb(['check', '--fail-on', 'high', flows])).status, 1)
  t.equal((await fb(['check', '--fail-on', 'high', '--baseline', baseline, flows])).status, 0)
  t.equal((await fb(['check', '--baseline', baseline, flows])).status, 0)
  copyFileSync(join(EXAMPLES, 'make/support-mail-triage.json'), join(flows, 'b.json'))
  const run = await fb(['check', '--json', '--baseline', baseline, flows])
  t.equal(run.status, 1, 'any new finding fails unless --fail-on says otherwise')
  const [old, fresh] = JSON.parse(run.stdout).files
  t.same(new Set(old.violations.map((finding: { is_new: boolean }) => finding.is_new)), new Set([false]))
  t.same(new Set(fresh.violations.map((finding: { is_new: boolean }) => finding.is_new)), new Set([true]))
  t.match((await fb(['check', '--baseline', baseline, flows])).stdout, /new +critical +SEC-001/)
  renameSync(join(flows, 'a.json'), join(flows, 'c.json'))
  rmSync(join(flows, 'b.json'))
  t.equal((await fb(['check', '--baseline', baseline, flows])).status, 0, 'a renamed file keeps its findings')
  writeFileSync(baseline, '{}')
  t.equal((await fb(['check', '--baseline', baseline, flows])).status, 2)
  t.equal((await fb(['check', '--baseline', join(folder, 'absent'), flows])).status, 2)
  t.equal((await fb(['check', '--write-baseline', join(folder, 'no', 'such', 'folder'), flows])).status, 2)
})

t.test('check counts the files of a folder as the scenarios of one organization, and takes its options', async (t) => {
  const flows = join(folder, 'shared')
  mkdirSync(flows)
  for (const name of ['a', 'b', 'c']) writeFileSync(join(flows, `${name}.json`), JSON.stringify({ name, flow: [{ id: 1, module: 'app#acme-1x2:getThing', version: 1, parameters: { __IMTCONN__: 9 }, mapper: {} }], metadata: { version: 1 } }))
  const options = join(folder, 'options.json')
  const codesWith = async (text: object): Promise<string[]> => {
    writeFileSync(options, JSON.stringify(text))
    const { files } = JSON.parse((await fb(['check', '--json', '--options', options, flows])).stdout)
    return files.map(({ violations }: { violations: { code: string }[] }) => violations.map(({ code }) => code).join(' '))
  }
  t.same(await codesWith({}), ['CMP-001', 'CMP-001', 'CMP-001'])
  t.same(await codesWith({ connection_scenarios: 3 }), ['CMP-001 ACC-006', 'CMP-001 ACC-006', 'CMP-001 ACC-006'])
  t.same(await codesWith({ connection_scenarios: 4, allowed: ['app#acme-1x2'] }), ['', '', ''])
  for (const text of ['', '[]', '{"allowed":"all"}', '{"unknown":1}']) {
    writeFileSync(options, text)
    t.equal((await fb(['check', '--options', options, flows])).status, 2, text)
  }
  t.equal((await fb(['check', '--options', join(folder, 'absent'), flows])).status, 2)
})

t.test('options are set for an organization and shown with the defaults of the rest', async (t) => {
  const org = JSON.parse((await fb(['org', 'create', '--name', 'Acme', '--json'])).stdout).id
  const file = join(folder, 'set.json')
  writeFileSync(file, '{"modules":80}')
  t.equal((await fb(['options', 'set', file, '--org', org])).status, 0)
  t.match(JSON.parse((await fb(['options', 'show', '--org', org, '--json'])).stdout), { org, options: { modules: 80, nesting: 4, allowed: [] } })
  t.match((await fb(['options', 'show', '--org', org])).stdout, /allowed: none\nconnection_scenarios: 10\nmodules: 80/)
  t.equal((await fb(['options', 'show', '--org', 'org_absent'])).status, 1)
})

t.test('check leaves out what is suppressed now, and refuses a list it does not understand', async (t) => {
  const path = join(folder, 'suppressions.json')
  const one = { id: 'sup_1', code: 'ERR-001', scenario_id: null, fingerprint: null, reason: 'known', state: 'active', expires_at: '2999-01-01T00:00:00Z', approved_by: null }
  const flow = join(EXAMPLES, 'make/parcel-tracking-sync.json')
  const codesWith = async (list: object[]): Promise<{ open: string[], suppressed: string[] }> => {
    writeFileSync(path, JSON.stringify({ suppressions: list }))
    const [file] = JSON.parse((await fb(['check', '--json', '--suppressions', path, flow])).stdout).files
    const codes = (of: { code: string }[]): string[] => [...new Set(of.map(({ code }) => code))]
    return { open: codes(file.violations), suppressed: codes(file.suppressed) }
  }
  const all = await codesWith([])
  t.ok(all.open.includes('ERR-001'))
  t.same(await codesWith([one]), { open: all.open.filter((code) => code !== 'ERR-001'), suppressed: ['ERR-001'] })
  const none = await codesWith([{ ...one, expires_at: '2020-01-01T00:00:00Z' }, { ...one, state: 'withdrawn' }, { ...one, scenario_id: 'scn_1' }])
  t.same(none, all)
  for (const text of ['', '{}', '[]', '{"suppressions":[{}]}', JSON.stringify({ suppressions: [{ ...one, reason: '\u001b[2J' }] })]) {
    writeFileSync(path, text)
    t.equal((await fb(['check', '--suppressions', path, flow])).status, 2, text)
  }
})

t.test('check prints one SARIF log, with the exit code of the check', async (t) => {
  const run = await fb(['check', '--sarif', '--fail-on', 'high', ...FLOWS])
  t.equal(run.status, 1)
  t.match(JSON.parse(run.stdout), { version: '2.1.0', runs: [{ tool: { driver: { name: 'FlowBeacon' } } }] })
  t.equal((await fb(['check', '--sarif', '--json', ...FLOWS])).status, 2)
})

t.test('sign prints the header that an independent HMAC gives, over the exact bytes and without the query', async (t) => {
  const path = join(folder, 'body.json')
  writeFileSync(path, '{"a": "ü"}\n')
  const run = await fb(['sign', 'POST', '/evaluate?x=1', '--body-file', path, '--json'], { FB_API_KEY: KEY })
  t.equal(run.status, 0, run.stderr)
  const { value } = JSON.parse(run.stdout)
  const [, time = ''] = /^t=(\d+),v1=[0-9a-f]{64}$/.exec(value) ?? []
  t.equal(value, `t=${time},v1=${createHmac('sha256', KEY).update(`${time}.POST./api/public/v1/evaluate.{"a": "ü"}\n`).digest('hex')}`)
  t.notMatch(run.stdout + run.stderr, KEY)
})

t.test('a wrong command line exits 2, with one JSON object under --json', async (t) => {
  for (const args of [[], ['nonsense'], ['org', 'create'], ['check', join(folder, 'absent.json')], ['check', '--fail-on', 'awful', folder], ['sign', 'GET', 'health'],
    ['sign', 'GET', '/x', '--key', 'short'], ['sign', 'GET', '/x', '--data', '{}', '--key', KEY]]) {
    t.equal((await fb(args)).status, 2, args.join(' ').replace(KEY, 'KEY'))
  }
  const run = await fb(['check', '--json', join(folder, 'absent.json')])
  t.match(JSON.parse(run.stdout), { error: /no such file/ })
})

t.test('call exits 3 when nothing answers', async (t) => {
  t.equal(fbProcess(['call', 'GET', '/governance/health', '--url', 'http://127.0.0.1:1']).status, 3)
})

t.test('the embedded default works without a server, and the raw key is shown once', async (t) => {
  const org = JSON.parse(fbProcess(['org', 'create', '--name', 'Acme', '--json']).stdout)
  const key = JSON.parse(fbProcess(['key', 'create', '--org', org.id, '--name', 'ci', '--permissions', 'governance:read', '--json']).stdout)
  t.match(key, { id: /^key_/, key: /^fb_live_[0-9a-f]{48}$/, permissions: ['governance:read'], expires_at: null })
  const list = fbProcess(['key', 'list', '--org', org.id, '--json'])
  t.notMatch(list.stdout, key.key)
  t.match(JSON.parse(fbProcess(['key', 'revoke', key.prefix, '--json']).stdout), { id: key.id, state: 'revoked' })
  t.equal(fbProcess(['trace', 'wm_forged', '--json']).status, 1)
})
