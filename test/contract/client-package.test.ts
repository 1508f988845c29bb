import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import t from 'tap'

const TSC = resolve('node_modules/typescript/bin/tsc')

const run = (command: string, args: string[], cwd: string): string => {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${args[0] ?? command} ended with ${String(status)}: ${stdout}${stderr}`)
  return stdout
}

const CONSUMER = `
import { FlowBeacon, RefusedError, verifyWebhook, type Answer, type EvaluationProgress } from '@flowbeacon/client'
const client = new FlowBeacon({ baseUrl: 'https://api.example.com', apiKey: ['fb_live', '0'.repeat(48)].join('_') })
export async function scoreOf (id: string): Promise<number | null> {
  try {
    const { data }: Answer<EvaluationProgress> = await client.getEvaluation(id)
    const [first] = data.scenarios ?? []
    return first !== undefined && 'score' in first ? first.score : null
  } catch (err) {
    if (err instanceof RefusedError && err.code === 'not_found') return null
    throw err
  }
}
// @ts-expect-error a status that is not one of the API's
export const wrong = (progress: EvaluationProgress): boolean => progress.status === 'done'
console.log(typeof client.evaluateAndWait, typeof verifyWebhook)
`

t.test('the client packs clean, installs nothing, and gives a strict consumer its types', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'flowbeacon-client-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const root = resolve('clients/typescript')
  const { dependencies, devDependencies, peerDependencies, scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  t.same([dependencies, devDependencies, peerDependencies, scripts.install, scripts.postinstall], Array(5).fill(undefined))
  run(process.execPath, [TSC, '-p', '.'], root)
  const [packed] = JSON.parse(run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], root))
  const names = ['client', 'errors', 'exchange', 'index', 'signing', 'types', 'webhooks']
  t.same(packed.files.map(({ path }: { path: string }) => path).sort(), ['LICENSE', 'README.md', 'package.json', ...names.flatMap((name) => [`dist/${name}.d.ts`, `dist/${name}.js`])].sort())

  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }))
  run('npm', ['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund', `./${packed.filename}`], folder)
  writeFileSync(join(folder, 'consumer.ts'), CONSUMER)
  run(process.execPath, [TSC, '--strict', '--exactOptionalPropertyTypes', '--target', 'es2023', '--module', 'nodenext', '--types', 'node', '--typeRoots', resolve('node_modules/@types'), '--ignoreConfig', 'consumer.ts'], folder)
  t.equal(run(process.execPath, ['consumer.js'], folder), 'function function\n')
})
