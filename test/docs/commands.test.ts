import { execFile, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import t from 'tap'
import { fbHost } from '../helper/process.ts'
import { embedded, newCaller, real, start } from '../helper/service.ts'

// Every command of a `sh` block in the documents is run here, or is in the table with what runs it: a file that says so, by a text that stands in it.
const DOCUMENTS = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', ...markdown('docs'), ...markdown('examples'), ...markdown('bench'), 'clients/typescript/README.md', 'test/vectors/README.md']
const ELSEWHERE: ReadonlyArray<readonly [RegExp, string, string]> = [
  [/^npm ci$/, '.ci/run', 'npm ci'],
  [/^npm run demo$/, '.ci/run', 'demo.js --once'],
  [/^npm test( -- build\/test\/plugins\/signature\.test\.js)?$/, '.ci/run', 'npm test'],
  [/^npm run (lint|check:package|check:stack)$/, '.ci/run', 'npm run --silent $1'],
  [/^npm run typecheck$/, 'package.json', 'tsc -p test/tsconfig.json --noEmit'],
  [/^npm run torture -- --seconds 30$/, '.ci/run', 'torture/main.js --seconds'],
  [/^npm run (build|build:test)$/, 'package.json', 'npm run --silent $1'],
  [/^node build\/test\/plugins\/signature\.test\.js$/, 'test/plugins/signature.test.ts', 'import t'],
  [/^npm run docs:openapi$/, 'test/contract/openapi.test.ts', 'openapi.json'],
  [/^npm run docs:rules$/, 'test/evaluation/rules/document.test.ts', 'rules.md'],
  [/^npm run defects$/, 'test/defects/list.test.ts', 'defects'],
  [/^npm run proof$/, 'test/threats/killed-process.test.ts', 'npm run proof'],
  [/^npm run bench$/, 'test/bench/gates.test.ts', 'bench'],
  [/^npm (run build --prefix|pack --ignore-scripts) (\.\/)?clients\/typescript$/, 'test/contract/quickstart.test.ts', 'docs/quickstart.md'],
  [/^(export FB_CONFORMANCE_KEY=|(npx )?flowbeacon-guard-conformance --target )/, 'scripts/check-package.mjs', 'conformance'],
  [/^docker compose (up|run|cp|down)\b/, 'scripts/check-stack.mjs', 'stack.services'],
  [/^curl --cacert certificate\.pem https:\/\/127\.0\.0\.1:8443/, 'scripts/check-stack.mjs', 'governance/health']
]
const QUICKSTART = 'docs/quickstart.md'
const hasTools = spawnSync('bash', ['-c', 'command -v curl openssl']).status === 0

interface Block { readonly document: string, readonly text: string, readonly commands: readonly string[] }

function markdown (folder: string): string[] {
  return readdirSync(folder, { recursive: true }).map(String).filter((name) => name.endsWith('.md') && !name.includes('node_modules')).map((name) => `${folder}/${name}`).sort()
}

const blocks: Block[] = DOCUMENTS.flatMap((document) => [...readFileSync(document, 'utf8').matchAll(/^```(?:sh|bash|console)\n([^]*?)^```/gm)].map(([, text = '']) => (
  { document, text, commands: text.replaceAll(/\s*\\\n\s*/g, ' ').split('\n').map((line) => line.replace(/\s+#\s.*$/, '').trim()).filter((line) => line !== '' && !line.startsWith('#')) })))
const isSigned = ({ text }: Block): boolean => text.includes('openssl dgst') && text.includes('curl')
const argsOf = (command: string): string[] | null => {
  const [, line] = /^(?:npx )?fb (.+)$/.exec(command) ?? []
  return line === undefined ? null : [...line.replace(/ > .*$/, '').matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '')
}

const host = fbHost()
t.teardown(() => host.close())

t.test('each command is run by a test, and each that is not run here is in the table', async (t) => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }
  const used = new Set<RegExp>()
  for (const block of blocks.filter((one) => one.document !== QUICKSTART && !isSigned(one))) {
    for (const command of block.commands.filter((one) => argsOf(one) === null)) {
      const row = ELSEWHERE.find(([pattern]) => pattern.test(command))
      if (row === undefined) {
        t.fail(`${block.document}: no test runs \`${command}\``)
        continue
      }
      const [pattern, file, says] = row
      used.add(pattern)
      const [, first = ''] = pattern.exec(command) ?? []
      t.ok(existsSync(file) && readFileSync(file, 'utf8').includes(says.replace('$1', first)), `${file} runs ${command}`)
      const [, script] = /^npm run (\S+)(?! .*--prefix)/.exec(command) ?? []
      if (script !== undefined && !command.includes('--prefix')) t.ok(script in scripts, command)
    }
  }
  for (const [pattern] of ELSEWHERE) t.ok(used.has(pattern), `no document says ${pattern.source} any more`)
})

t.test('each command line of fb names a command and options that it has', async (t) => {
  let lines = 0
  for (const { document, commands } of blocks) {
    for (const command of commands) {
      const args = argsOf(command)
      if (args === null || document === QUICKSTART) continue
      lines++
      const end = args.findIndex((arg, at) => at > 0 && !/^[a-z]+$/.test(arg))
      const path = end < 0 ? args : args.slice(0, end)
      const help = await host.run([...path, '--help'], {})
      t.equal(help.status, 0, command)
      t.match(help.stdout, new RegExp(`^Usage: fb ${path[0] ?? ''}`), command)
      for (const option of args.filter((arg) => arg.startsWith('--'))) t.ok(help.stdout.includes(option), `${document}: ${command}: ${option}`)
    }
  }
  t.ok(lines > 8)
})

t.test('the operators\' lines and the signed request of the README work as they stand', { skip: hasTools ? false : 'needs bash, curl and openssl' }, async (t) => {
  const stores = await real() ?? embedded()
  t.teardown(() => stores.drop())
  const readme = blocks.filter(({ document }) => document === 'README.md')
  let org = ''
  for (const command of readme.flatMap(({ commands }) => commands)) {
    const args = argsOf(command)
    if (args === null) continue
    const done = await host.run(args.map((arg) => arg === 'org_…' ? org : arg), stores.env)
    t.equal(done.status, 0, `${command}: ${done.stderr}`)
    org = /org_\w+/.exec(done.stdout)?.[0] ?? org
  }
  const [block, another] = readme.filter(isSigned)
  t.equal(another, undefined)
  const { runtime, url } = await start(stores)
  t.teardown(() => runtime.close())
  const { key } = await newCaller(runtime)
  const script = block?.text.replace('http://127.0.0.1:3000', url) ?? ''
  t.match(JSON.parse((await promisify(execFile)('bash', ['-c', script], { env: { PATH: process.env['PATH'] ?? '', KEY: key } })).stdout), { ok: true, data: { policies: [{ code: /./ }] }, meta: { watermark: /^wm_/ } })
})
