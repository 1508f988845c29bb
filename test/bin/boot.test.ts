import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { spawnServer } from '../helper/process.ts'
import { prepareFolder, real } from '../helper/service.ts'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const entry = (name: string): string => fileURLToPath(new URL(`../../bin/${name}.js`, import.meta.url))
// Before the first process: one that is waited for synchronously would hold up the connections.
const stores = await real()
const folder = mkdtempSync(join(tmpdir(), 'flowbeacon-boot-'))
t.teardown(async () => {
  await stores?.drop()
  rmSync(folder, { recursive: true, force: true })
})

function boot (name: string, env: Record<string, string>): { status: number | null, stdout: string, stderr: string } {
  return spawnSync(process.execPath, [entry(name)], { encoding: 'utf8', timeout: 60_000, env: { PATH: process.env['PATH'] ?? '', PORT: '0', OPS_PORT: '0', DATA_DIR: join(folder, 'data'), ...env } })
}

for (const name of ['server', 'worker', 'migrate']) {
  t.test(`${name} refuses to start on a configuration that it does not understand, with exit 78 and every problem on a line`, async (t) => {
    const { status, stdout, stderr } = boot(name, { NODE_ENV: 'production', PUBLIC_API_REQUIRE_HMAC: 'true' })
    t.equal(status, 78)
    t.equal(stdout, '')
    t.match(stderr, /^The configuration is refused:\n {2}- /)
    for (const line of [/PUBLIC_API_REQUIRE_HMAC must not be set in production/, /WATERMARK_SECRET is missing/, /MASTER_KEYS is missing/, /DATABASE_URL is missing/, /REDIS_URL is missing/, /no transport security/]) t.match(stderr, line)
  })

  t.test(`${name} ends with exit 1 and one sentence when the database refuses it, without the password of its URL`, { skip: stores === null ? 'no PostgreSQL answered (TEST_DATABASE_URL)' : false }, async (t) => {
    const url = new URL(stores?.env['DATABASE_URL'] ?? '')
    url.pathname = '/flowbeacon_nowhere'
    url.password = 'hunter2'
    const { status, stdout, stderr } = boot(name, { DATABASE_URL: url.href })
    t.equal(status, 1)
    t.equal(stdout, '')
    t.match(stderr, /^the (?:stores cannot be used|migrations cannot be applied): database "flowbeacon_nowhere" does not exist \(3D000\)\n$/)
  })
}

t.test('a variable that nobody knows is named', async (t) => {
  t.match(boot('server', { PUBLIC_API_ENABLE: 'true' }), { status: 78, stdout: '', stderr: /^The configuration is refused:\n {2}- PUBLIC_API_ENABLE is not a known variable/ })
})

t.test('migrate ends with exit 1 and one sentence when the database is away, without the password of its URL', async (t) => {
  const { status, stdout, stderr } = boot('migrate', { DATABASE_URL: 'postgres://postgres:hunter2@127.0.0.1:1/x' })
  t.equal(status, 1)
  t.equal(stdout, '')
  t.equal(stderr, 'the migrations cannot be applied: ECONNREFUSED 127.0.0.1:1\n')
})

t.test('a port that is taken is named, and what was opened is closed again', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  const data = prepareFolder(join(folder, 'taken'))
  const { status, stderr } = boot('server', { PORT: String(port), LOG_LEVEL: 'silent', DATA_DIR: data })
  t.equal(status, 1)
  t.equal(stderr, `the service cannot listen: EADDRINUSE 127.0.0.1:${port}\n`)
  t.notOk(existsSync(join(data, 'pg.lock')))
  t.notOk(existsSync(join(data, 'admin.sock')))
  taken.close()
})

t.test('a certificate that is none stops the boot as a problem of the configuration', async (t) => {
  const pem = join(folder, 'none.pem')
  writeFileSync(pem, 'CANARY')
  t.match(boot('server', { TLS_CERT: pem, TLS_KEY: pem }), { status: 78, stderr: /TLS_CERT and TLS_KEY must be PEM files of a certificate and its key/ })
  t.match(boot('server', { TLS_CERT: pem, TLS_KEY: join(folder, 'absent') }), { status: 78, stderr: /TLS_KEY cannot be read \(ENOENT\)/ })
})

t.test('SIGTERM to npm drains the service that npm start runs: no shell stands between them', { skip: process.platform === 'win32' ? 'POSIX signals' : false }, async (t) => {
  const data = prepareFolder(join(folder, 'npm'))
  const npm = spawn('npm', ['start'], { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'], env: { PATH: process.env['PATH'] ?? '', HOME: folder, npm_config_update_notifier: 'false', PORT: '0', OPS_PORT: '0', DATA_DIR: data } })
  let text = ''
  for await (const chunk of npm.stdout) {
    text += String(chunk)
    if (/Public API on/.test(text) && !npm.killed) npm.kill('SIGTERM')
  }
  t.match(text, /"signal":"SIGTERM".*"msg":"draining"/)
  t.notOk(existsSync(join(data, 'pg.lock')), 'its stores were closed in order')
  t.notOk(existsSync(join(data, 'admin.sock')))
})

t.test('every line of the log is JSON, also before the application stands', { skip: stores === null ? 'no PostgreSQL answered (TEST_DATABASE_URL)' : false }, async (t) => {
  if (stores === null) return
  const server = await spawnServer({ ...stores.env, REDIS_URL: 'redis://:hunter2@127.0.0.1:1' })
  t.equal(await server.stop(), 0)
  const lines = server.output().trim().split('\n').filter((line) => !line.startsWith('FlowBeacon Public API on'))
  t.match(lines.map((line) => JSON.parse(line) as unknown).find((line) => JSON.stringify(line).includes('Redis is away')), { level: 40, instance: /./, code: 'ECONNREFUSED' })
  t.notMatch(server.output(), /hunter2/)
})
