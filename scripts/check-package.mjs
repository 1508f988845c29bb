// Packs the package and judges what a sibling service gets: publint and arethetypeswrong on the tarball, the example service built and
// run against it, two layers by the README's own lines, each layer alone, and the conformance tool fired at the running example.
import { execFileSync, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'

const root = resolve(import.meta.dirname ?? '.', '..')
const folder = mkdtempSync(join(tmpdir(), 'flowbeacon-sibling-'))
const run = (command, args, options = {}) => execFileSync(command, args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], ...options })
const say = (text) => process.stdout.write(`${text}\n`)
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const LAYERS = 'transport,authentication,signature,rate-limits,watermark,kill-switch,json-body'
const README_LINES_MAX = 20
const children = []

try {
  const [packed] = JSON.parse(run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], { cwd: root }))
  const tarball = join(folder, packed.filename)
  await judgeTarball(readFileSync(tarball))
  buildSibling(packed.filename)
  await tryLayersAlone()
  await attackSibling()
} finally {
  for (const child of children) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
}

async function judgeTarball (bytes) {
  const { messages } = await publint({ pack: { tarball: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) }, level: 'suggestion', strict: true })
  if (messages.length > 0) throw new Error(`publint: ${messages.map((message) => formatMessage(message, manifest)).join('; ')}`)
  // A pattern of subpaths is no list, so each layer is named. An ES module is no CommonJS, and node10 knows no subpaths: neither is promised.
  const layers = readdirSync(join(root, 'plugins')).filter((name) => name.endsWith('.ts')).map((name) => `./plugins/${name.slice(0, -3)}`)
  const { problems, entrypoints } = await checkPackage(createPackageFromTarballData(bytes), { includeEntrypoints: layers })
  const promised = problems.filter(({ kind, resolutionKind }) => kind !== 'CJSResolvesToESM' && resolutionKind !== 'node10' && resolutionKind !== 'node16-cjs')
  if (promised.length > 0) throw new Error(`arethetypeswrong: ${JSON.stringify(promised)}`)
  const judged = layers.filter((name) => entrypoints[name]?.resolutions['node16-esm'].resolution?.isTypeScript === true)
  if (judged.length !== layers.length) throw new Error(`arethetypeswrong found no types of ${layers.filter((name) => !judged.includes(name)).join(', ')}`)
  say(`publint and arethetypeswrong find nothing in the package's ${judged.length} plugin subpaths`)
}

function buildSibling (filename) {
  cpSync(join(root, 'examples/sibling-service'), folder, { recursive: true })
  const [, snippet = ''] = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(folder, 'README.md'), 'utf8')) ?? []
  if (snippet.split('\n').length > README_LINES_MAX) throw new Error(`the README needs ${snippet.split('\n').length} lines for two layers`)
  writeFileSync(join(folder, 'two-layers.ts'), snippet)
  cpSync(join(root, 'scripts/layers-alone.ts'), join(folder, 'layers-alone.ts'))
  const { dependencies, ...own } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  if (dependencies.fastify !== manifest.peerDependencies.fastify) throw new Error('the example asks for another fastify than the package')
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ ...own, dependencies: { ...dependencies, [manifest.name]: `file:${filename}` } }))
  run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--silent', '--omit=dev', '--prefer-offline'])
  run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', '.', '--typeRoots', join(root, 'node_modules/@types')])
  say('the example service builds against the package')
}

async function tryLayersAlone () {
  process.env.WATERMARK_SECRET = randomBytes(32).toString('hex')
  const { app } = await import(join(folder, 'out/two-layers.js'))
  const first = await app.inject('/parcels')
  process.env.SWITCHED_OFF = '1'
  const second = await app.inject('/parcels')
  delete process.env.SWITCHED_OFF
  if (first.statusCode !== 200 || first.json().meta.watermark !== first.headers['x-fb-watermark']) throw new Error('the README\'s lines did not mark the answer')
  if (second.statusCode !== 503) throw new Error('the README\'s lines did not switch anything off')
  for (const closed of ['plugins/lib/hmac', 'plugins/lib/api-key', 'bin/server', 'db/client']) {
    const found = await import(pathOf(closed)).then(() => true, (err) => err.code !== 'ERR_PACKAGE_PATH_NOT_EXPORTED')
    if (found) throw new Error(`${closed} can be imported`)
  }
  say('two layers by the README\'s lines mark and refuse; what is not exported is closed')
  say(run(process.execPath, ['out/layers-alone.js']).trim())
}

/** Resolved from within the folder, as the example would. */
function pathOf (subpath) {
  const probe = join(folder, `probe-${subpath.replaceAll('/', '-')}.mjs`)
  writeFileSync(probe, `import '${manifest.name}/${subpath}'\n`)
  return probe
}

async function attackSibling () {
  const keys = Array.from({ length: 4 }, () => `fb_live_${randomBytes(24).toString('hex')}`)
  writeFileSync(join(folder, 'partners.json'), JSON.stringify(keys.map((key, at) => ({ name: `partner-${Math.floor(at / 3)}`, key_sha256: createHash('sha256').update(key).digest('hex'), per_minute: 60 }))))
  const [url, killed] = await Promise.all([startSibling({}), startSibling({ PARCELS_ENABLED: 'false', AUDIT_FILE: 'killed.jsonl' })])
  mkdirSync(join(root, '.tap'), { recursive: true })
  const output = await tool(['--target', url, '--killed-target', killed, '--path', '/parcels/v1/parcels', '--post-path', '/parcels/v1/parcels', '--post-body', '{"to":"Berlin","weight_grams":1200}',
    '--open-path', '/parcels/v1/status', '--prefix', '/parcels/v1', '--record-path', 'none', '--layers', LAYERS, '--html', join(root, '.tap/conformance-sibling.html'), '--quiet'], {
    FB_CONFORMANCE_KEY: keys[0], FB_CONFORMANCE_KEYS: keys[1], FB_CONFORMANCE_LIMITED_KEY: keys[2], FB_CONFORMANCE_FOREIGN_KEY: keys[3]
  })
  say(output.trim().split('\n').at(-1))
  const rows = readFileSync(join(folder, 'audit.jsonl'), 'utf8').trim().split('\n')
  if (rows.some((row) => keys.some((key) => row.includes(key)))) throw new Error('an audit row of the example holds a key')
}

async function tool (args, env) {
  const child = spawn(join(folder, 'node_modules/.bin/flowbeacon-guard-conformance'), args, { cwd: folder, env: { PATH: process.env.PATH, ...env }, stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  let text = ''
  child.stdout.on('data', (chunk) => { text += chunk })
  const code = await new Promise((resolve) => child.on('close', resolve))
  if (code !== 0) throw new Error(`the conformance tool ended with ${code}:\n${text}`)
  return text
}

async function startSibling (env) {
  const child = spawn(process.execPath, ['out/main.js'], { cwd: folder, env: { PATH: process.env.PATH, PORT: '0', WATERMARK_SECRET: randomBytes(32).toString('hex'), ...env }, stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  return await new Promise((resolve, reject) => {
    child.stdout.once('data', (chunk) => resolve(String(chunk).trim()))
    child.once('exit', () => reject(new Error('the example service ended before it listened')))
  })
}
