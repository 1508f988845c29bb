import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { CASES } from '../../../bin/conformance/cases/index.ts'
import { PARTS, THREATS, type Finding } from '../../../bin/conformance/definition.ts'
import { escapeHtml, htmlOf } from '../../../bin/conformance/html.ts'
import { DEFAULT_PATHS, readSettings, targetOf } from '../../../bin/conformance/inputs.ts'
import { Lab } from '../../../bin/conformance/lab.ts'
import { Pace } from '../../../bin/conformance/pace.ts'
import { makeReport, textOf } from '../../../bin/conformance/report.ts'
import { LAYER_NAMES } from '../../../plugins/index.ts'
import { KEY } from '../../helper/bare.ts'

const BIN = fileURLToPath(new URL('../../../bin/conformance.js', import.meta.url))
const run = promisify(execFile)

function finding (changes: Partial<Finding> = {}): Finding {
  return { id: 'SIG-001', parts: ['signature'], threats: ['token-replay'], title: 'an unsigned GET', expected: '403', verdict: 'PASS', seen: '403', milliseconds: 1, ...changes }
}

function reportOf (findings: Finding[]): ReturnType<typeof makeReport> {
  return makeReport({ findings, settings: { target: new URL('http://127.0.0.1:3000'), profile: 'published', parts: new Set(PARTS) }, version: '1.0.0', startedAt: new Date(0), finishedAt: new Date(1500) })
}

t.test('each case has an id of its own, and each layer and threat has cases', async (t) => {
  t.equal(new Set(CASES.map(({ id }) => id)).size, CASES.length)
  t.ok(CASES.length >= 150, `${CASES.length} cases`)
  for (const { id, title, expected } of CASES) if (!/^[A-Z]{3}-\d{3}$/.test(id) || title === '' || expected === '') t.fail(id)
  for (const layer of LAYER_NAMES) t.ok(CASES.some(({ parts }) => parts[0] === layer), layer)
  for (const threat of Object.keys(THREATS)) t.ok(CASES.some(({ threats }) => threats.some((one) => one === threat)), threat)
})

t.test('only this machine is attacked, unless another one is allowed', async (t) => {
  for (const target of ['http://127.0.0.1:3000', 'http://127.9.9.9:1', 'https://[::1]:3000', 'http://localhost:3000', 'http://0x7f.1:80']) t.equal(targetOf('--target', target, false).origin, new URL(target).origin)
  for (const target of ['http://192.0.2.1', 'https://api.example.test', 'http://127.0.0.1.example.test', 'http://localhost.example.test', 'http://[::ffff:127.0.0.1]:80', 'http://0.0.0.0:80', 'http://128.0.0.1']) {
    t.throws(() => targetOf('--target', target, false), { message: /leads to another machine \(.*\); these are attacks: give --allow-remote/ }, target)
    t.equal(targetOf('--target', target, true).origin, new URL(target).origin)
  }
  for (const target of ['ftp://127.0.0.1', 'http://user@127.0.0.1', 'http://127.0.0.1/path', 'http://127.0.0.1?x', 'nothing']) t.throws(() => targetOf('--target', target, true), /--target/, target)
})

t.test('what is said wrongly is said to be wrong, and no key is repeated', async (t) => {
  const read = (options: object, env: NodeJS.ProcessEnv = { FB_CONFORMANCE_KEY: KEY }): unknown => readSettings({ ...DEFAULT_PATHS, profile: 'published', target: 'http://127.0.0.1:1', ...options }, env)
  t.ok(read({}))
  t.throws(() => read({ layers: 'signature,signatures' }), /"signatures" is none of transport, authentication/)
  t.throws(() => read({ profile: 'other' }), /published or hardened/)
  t.throws(() => read({ profile: 'hardened' }), /signing secret/)
  t.throws(() => read({}, {}), /give a key in the environment: FB_CONFORMANCE_KEY/)
  t.throws(() => read({}, { FB_CONFORMANCE_KEY: `${KEY}0` }), { message: /^FB_CONFORMANCE_KEY is no key: fb_live_ and 48 hex characters, for a hardened key followed by a colon and its signing secret$/ })
  t.throws(() => read({ postBody: '[]' }), /--post-body must be a JSON object/)
  t.throws(() => read({ path: 'none' }), /every service has a route/)
  t.throws(() => read({ keysFile: '/nowhere' }), /cannot be read/)
  t.ok(read({ layers: 'transport,kill-switch' }, {}), 'without authentication no key is needed')
  const folder = mkdtempSync(join(tmpdir(), 'conformance-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const keysFile = join(folder, 'keys')
  writeFileSync(keysFile, `# keys\nFB_CONFORMANCE_KEY=${KEY}\n`)
  t.ok(read({ keysFile }, {}))
  writeFileSync(keysFile, 'KEY=1\n')
  t.throws(() => read({ keysFile }, {}), /:1 is not FB_CONFORMANCE_/)
})

t.test('the report counts by layer and by threat, and names what was missing', async (t) => {
  const report = reportOf([finding(), finding({ id: 'SIG-002', verdict: 'FAIL', seen: '200' }), finding({ id: 'RTL-010', parts: ['rate-limits'], verdict: 'SKIPPED', seen: 'needs a key (FB_CONFORMANCE_LIMITED_KEY)' }), finding({ id: 'KIL-001', parts: ['kill-switch'], threats: ['leaked-results'], verdict: 'NOT IN SCOPE' })])
  t.same(report.totals, { PASS: 1, FAIL: 1, SKIPPED: 1, 'NOT IN SCOPE': 1 })
  t.match(report.layers.find(({ layer }) => layer === 'signature'), { counts: { PASS: 1, FAIL: 1 }, cases: ['SIG-001', 'SIG-002'] })
  t.match(report.threats.find(({ threat }) => threat === 'leaked-results'), { counts: { 'NOT IN SCOPE': 1 } })
  const text = textOf(report)
  t.match(text, /FAIL {2}SIG-002 {2}an unsigned GET\n {6}expected {2}403\n {6}seen {6}200\n/)
  t.match(text, /SKIPPED 1: needs a key \(FB_CONFORMANCE_LIMITED_KEY\)/)
  t.notMatch(text, /SIG-001/)
  t.match(textOf(report, true), /PASS {2}SIG-001/)
  t.match(text, /1 passed, 1 failed, 1 skipped, 1 not in scope$/)
})

t.test('the HTML report stands alone and escapes what a service answered', async (t) => {
  const html = htmlOf(reportOf([finding({ verdict: 'FAIL', seen: '<script>alert(1)</script>"\'&\u0000' })]))
  t.notMatch(html, /<script|<link|<img|https?:\/\/(?!127\.0\.0\.1:3000)/)
  t.ok(html.includes('&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;\ufffd'))
  t.equal([...html.matchAll(/ id="SIG-001"/g)].length, 1, 'links lead to one place')
  t.match(html, /default-src 'none'/)
  t.match(htmlOf(reportOf([finding(), finding({ id: 'SIG-002', verdict: 'SKIPPED' })])), /<td>signature<\/td><td><span class="PARTLY">PARTLY<\/span>/, 'what was not tried has not passed')
  t.equal(escapeHtml('a<b>'), 'a&lt;b&gt;')
})

t.test('a key stays in its window: requests go to the key with most left, and wait when none has any', async (t) => {
  let nowMs = 0
  const waits: number[] = []
  const pace = new Pace({ now: () => nowMs, sleep: async (ms) => { nowMs += ms }, onWait: (seconds) => waits.push(seconds) })
  pace.learn('a', 5)
  pace.learn('b', 4)
  const taken = []
  for (let n = 0; n < 6; n++) taken.push(await pace.take(['a', 'b']))
  t.same([taken.slice(0, 5).sort(), waits, nowMs], [['a', 'a', 'a', 'b', 'b'], [60], 60_000], 'two of each window are left alone')
})

t.test('no two writes are signed to the same bytes, however the clock goes on and whoever ran before', async (t) => {
  const seen: string[] = []
  const server = createServer((request, answer) => {
    const signature = String(request.headers['x-fb-signature'])
    let body = ''
    request.setEncoding('utf8').on('data', (chunk: string) => { body += chunk }).on('end', () => {
      seen.push(`${signature} ${body}`)
      answer.end()
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => server.close())
  const settings = readSettings({ ...DEFAULT_PATHS, profile: 'published', target: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }, { FB_CONFORMANCE_KEY: KEY })
  const clock = Date.now
  t.teardown(() => { Date.now = clock })
  const startMs = clock()
  const laboratories = [new Lab(settings), new Lab(settings)]
  // Half a second, a second and none between two requests, in both runs.
  for (const lab of laboratories) {
    for (let n = 0; n < 20; n++) {
      Date.now = () => startMs + 1000 * n + 500 * (n % 3)
      await lab.admit({ method: 'POST', path: '/thing', body: lab.postBody() })
      await lab.admit({ method: 'DELETE', path: `/thing/${laboratories.indexOf(lab)}` })
    }
  }
  t.equal(seen.length, 80)
  t.equal(new Set(seen).size, 80)
})

t.test('an address that failed too often is waited for; a key whose window is used up is not', async (t) => {
  let asked = 0
  const server = createServer((request, answer) => {
    asked++
    if (request.url === '/window') answer.setHeader('x-ratelimit-limit', '60')
    answer.writeHead(request.url === '/window' || asked < 3 ? 429 : 401, { 'retry-after': '7' }).end()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => server.close())
  const waits: number[] = []
  const settings = readSettings({ ...DEFAULT_PATHS, profile: 'published', target: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }, { FB_CONFORMANCE_KEY: KEY })
  const lab = new Lab(settings, new Pace({ sleep: async () => {}, onWait: (seconds) => waits.push(seconds) }))
  t.equal((await lab.ask({ key: null }))?.status, 401)
  t.equal((await lab.ask({ path: '/window' }))?.status, 429)
  t.same([waits, asked], [[7, 7], 4])
})

t.test('the command line says what it wants, and ends with 2 when it cannot run', async (t) => {
  const { stdout } = await run(process.execPath, [BIN, '--help'])
  t.match(stdout, /FB_CONFORMANCE_LIMITED_KEY/)
  const env = { PATH: process.env['PATH'] ?? '', FB_CONFORMANCE_KEY: KEY }
  await t.rejects(run(process.execPath, [BIN, '--target', 'http://192.0.2.1'], { env }), { code: 2, stderr: /leads to another machine/ })
  await t.rejects(run(process.execPath, [BIN, '--target', 'http://127.0.0.1:1'], { env }), { code: 2, stderr: /could not be sent \(ECONNREFUSED\); nothing listens there/ })
  await t.rejects(run(process.execPath, [BIN, '--tarjet', 'x'], { env }), { code: 2, stderr: /unknown option/ })
})
