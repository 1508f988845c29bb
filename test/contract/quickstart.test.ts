import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import t from 'tap'

const NOT_IN_A_CLONE = new Set(['.git', 'node_modules', 'build', '.tap', '.flowbeacon'])
const hasTools = spawnSync('bash', ['-c', 'command -v curl openssl']).status === 0

async function freePort (): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

t.test('every block of the quickstart runs as it stands, to a verified webhook', { skip: hasTools ? false : 'needs bash, curl and openssl', timeout: 170_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'flowbeacon-quickstart-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  cpSync('.', folder, { recursive: true, filter: (source) => !NOT_IN_A_CLONE.has(basename(source)) })
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'))

  const text = readFileSync('docs/quickstart.md', 'utf8')
  const blocks = [...text.matchAll(/^```sh\n([^]*?)^```/gm)].map(([, block = '']) => block)
  t.equal(blocks.length, 7)
  t.equal(text.match(/^```/gm)?.length, 14, 'there is no other kind of block')
  // Packages and build are there already (the run of the tests begins with both), and other services may have the port.
  const port = await freePort()
  const script = `set -e\nnpm() { case "$*" in ci\\ *|"run build") ;; *) command npm "$@" ;; esac; }\n${blocks.map((block, at) => `echo "== ${at + 1}"\n${block}`).join('\n')}`
    .replaceAll('127.0.0.1:3000', `127.0.0.1:${port}`)
  const { PATH = '', HOME = '' } = process.env
  // A block that fails must not leave the service behind.
  const { status, stdout, stderr } = spawnSync('bash', ['-c', `trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n${script}`], { cwd: folder, encoding: 'utf8', timeout: 160_000, env: { PATH, HOME, PORT: String(port), OPS_PORT: '0' } })
  t.equal(status, 0, stderr.split('\n').slice(-5).join(' ').replaceAll(/fb_live_\w+/g, 'key'))
  for (const [step, said] of [
    [1, /"service":"flowbeacon-public-api"/], [2, /first/], [3, /"ok":true,"data":\{"policies"/], [4, /"status":"complete"[^]*"scenarios":\[\{"id":"triage"/],
    [5, /^Sales agent \d+ [A-Z]{3}-\d{3}[^]*^watermark wm_/m], [6, /^verified webhook\.ping msg_[^]*^verified evaluation\.complete msg_/m]
  ] as const) {
    t.match(stdout.slice(stdout.indexOf(`== ${step}\n`), stdout.indexOf(`== ${step + 1}\n`)), said, `step ${step}`)
  }
})
