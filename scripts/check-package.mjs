// Packs the package, installs the tarball into a small service outside the tree, type-checks it and lets it answer through two layers.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const root = resolve(import.meta.dirname ?? '.', '..')
const folder = mkdtempSync(join(tmpdir(), 'flowbeacon-sibling-'))
const run = (command, args, cwd) => execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })

const service = `import fastify from 'fastify'
import killSwitch, { ALL_KILLED, NOTHING_KILLED } from '@flowbeacon/public-api/plugins/kill-switch'
import watermark, { type WatermarkOptions } from '@flowbeacon/public-api/plugins/watermark'

let enabled = true
const rows: string[] = []
const options: WatermarkOptions = { secret: Buffer.alloc(32, 1), audit: { record: async (row) => { rows.push(row.watermark) } } }
const app = fastify()
await app.register(watermark, options)
await app.register(killSwitch, { state: () => enabled ? NOTHING_KILLED : ALL_KILLED })
app.get('/', async () => ({ ok: true, data: 'hello' }))
const first = await app.inject('/')
enabled = false
const second = await app.inject('/')
if (first.statusCode !== 200 || first.json().meta.watermark !== first.headers['x-fb-watermark']) throw new Error('the watermark layer did not mark the answer')
if (second.statusCode !== 503) throw new Error('the kill switch did not refuse')
console.log('a service outside the tree runs two layers from the package')
`

try {
  const [packed] = JSON.parse(run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], root))
  const { peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  writeFileSync(join(folder, 'package.json'), JSON.stringify({
    name: 'sibling', private: true, type: 'module', dependencies: { '@flowbeacon/public-api': `file:${packed.filename}`, fastify: peerDependencies.fastify }
  }))
  writeFileSync(join(folder, 'service.ts'), service)
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({
    compilerOptions: { target: 'ES2023', lib: ['ES2023'], module: 'NodeNext', types: ['node'], typeRoots: [join(root, 'node_modules/@types')], strict: true, skipLibCheck: true, rootDir: '.', outDir: 'out' }, include: ['service.ts']
  }))
  run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--silent', '--omit=dev'], folder)
  run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', '.'], folder)
  process.stdout.write(run(process.execPath, ['out/service.js'], folder))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
