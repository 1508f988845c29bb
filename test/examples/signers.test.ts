import { execFileSync, spawnSync } from 'node:child_process'
import { createHash, createHmac } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import typescript from 'typescript'
import { bodyOf, type HardenedVector, type SignatureVector } from '../helper/vectors.ts'

const SIGNERS = resolve('examples/signers')
const read = (name: string): any => JSON.parse(readFileSync(`test/vectors/${name}`, 'utf8')).vectors
// Every kind of body, target, key and nonce; the spellings of the header are the parser's matter.
const published = (read('request-signature.json') as SignatureVector[]).filter(({ canonical }) => canonical)
const hardened = (read('hardened-signature.json') as HardenedVector[]).filter(({ canonical }) => canonical)

const folder = mkdtempSync(join(tmpdir(), 'fb-signers-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

function isInstalled (command: string, args: string[]): boolean {
  return spawnSync(command, args).status === 0
}

function transpiled (): string {
  const { outputText } = typescript.transpileModule(readFileSync(join(SIGNERS, 'sign.ts'), 'utf8'), { compilerOptions: { module: typescript.ModuleKind.ESNext, target: typescript.ScriptTarget.ES2022 } })
  writeFileSync(join(folder, 'sign.mjs'), outputText)
  return join(folder, 'sign.mjs')
}

function built (): string {
  execFileSync('go', ['build', '-o', join(folder, 'sign-go'), join(SIGNERS, 'sign.go')], { env: { ...process.env, GOCACHE: join(folder, 'go-cache'), GOFLAGS: '-mod=mod', GO111MODULE: 'off' } })
  return join(folder, 'sign-go')
}

const LANGUAGES: ReadonlyArray<{ name: string, needs: [string, string[]], command: () => string[] }> = [
  { name: 'TypeScript', needs: [process.execPath, ['--version']], command: () => [process.execPath, transpiled()] },
  { name: 'Python', needs: ['python3', ['--version']], command: () => ['python3', join(SIGNERS, 'sign.py')] },
  { name: 'bash', needs: ['bash', ['-c', 'command -v openssl']], command: () => ['bash', join(SIGNERS, 'sign.sh')] },
  { name: 'PHP', needs: ['php', ['--version']], command: () => ['php', join(SIGNERS, 'sign.php')] },
  { name: 'Go', needs: ['go', ['version']], command: () => [built()] }
]

/** Each signature is a process of its own, so by default a language signs every third vector, each another third; with EVERY_STORE=1 all. */
const THIRDS = process.env['EVERY_STORE'] === '1' ? 1 : 3

for (const [place, { name, needs, command }] of LANGUAGES.entries()) {
  const share = <V>(vectors: V[]): V[] => vectors.filter((_, at) => at % THIRDS === place % THIRDS)
  t.test(`the signer in ${name} signs the vectors of both profiles`, { skip: isInstalled(...needs) ? false : `${needs[0]} is not installed`, timeout: 150_000 }, async (t) => {
    const [program = '', ...first] = command()
    const sign = (vector: SignatureVector | HardenedVector, env: Record<string, string>): string => {
      const body = bodyOf(vector)
      const file = join(folder, 'body')
      writeFileSync(file, body)
      return execFileSync(program, [...first, vector.method, vector.target, ...(body.length === 0 ? [] : [file])], { encoding: 'utf8', env: { PATH: process.env['PATH'] ?? '', LD_LIBRARY_PATH: process.env['LD_LIBRARY_PATH'] ?? '', FB_TIME: String(vector.t), ...env } })
    }
    for (const vector of share(published)) t.equal(sign(vector, { FB_API_KEY: vector.key }), `${vector.header}\n`, vector.name)
    for (const vector of share(hardened)) t.equal(sign(vector, { FB_SIGNING_SECRET: vector.secret, FB_NONCE: vector.n }), `${vector.header}\n`, `${vector.name}, hardened`)
  })
}

t.test('the n8n workflow signs every vector whose body is text, and sends the text that it signed', async (t) => {
  const { nodes } = JSON.parse(readFileSync(join(SIGNERS, 'n8n-workflow.json'), 'utf8')) as { nodes: Array<{ name: string, parameters: any }> }
  const parametersOf = (name: string): any => nodes.find((node) => node.name === name)?.parameters
  const evaluate = (expression: string, scope: object): string => String(runInNewContext(expression.replace(/^=\{\{(.*)\}\}$/s, '($1)'), scope))
  const { action, type, encoding, value, secret, dataPropertyName } = parametersOf('Sign')
  t.same([action, type, encoding, dataPropertyName], ['hmac', 'SHA256', 'hex', 'signature'])
  t.equal(parametersOf('Send').body, '={{ $json.body }}')
  const header = parametersOf('Send').headerParameters.parameters.find(({ name }: { name: string }) => name === 'X-FB-Signature').value
  const textual = published.filter(({ body }) => body !== undefined)
  t.ok(textual.length >= 20)
  for (const { t: time, method, target, body, key, header: expected, name } of textual) {
    const $json = { time: String(time), method, target, body }
    const scope = { $json, $vars: { FB_API_KEY: key } }
    const signature = createHmac('sha256', evaluate(secret, scope)).update(evaluate(value, scope)).digest('hex')
    t.equal(evaluate(header, { ...scope, $json: { ...$json, signature } }), expected, name)
  }
})

t.test('the hardened n8n workflow signs every vector whose body is text, with a nonce of its own', async (t) => {
  const { nodes, connections } = JSON.parse(readFileSync(join(SIGNERS, 'n8n-workflow-hardened.json'), 'utf8')) as { nodes: Array<{ name: string, parameters: any }>, connections: any }
  const parametersOf = (name: string): any => nodes.find((node) => node.name === name)?.parameters
  const evaluate = (expression: string, scope: object): string => String(runInNewContext(expression.replace(/^=\{\{(.*)\}\}$/s, '($1)'), scope))
  t.match(parametersOf('Nonce'), { action: 'generate', encodingType: 'uuid', dataPropertyName: 'nonce' })
  t.match(parametersOf('Hash'), { action: 'hash', type: 'SHA256', encoding: 'hex', value: '={{ $json.body }}', dataPropertyName: 'bodyHash' })
  t.match(parametersOf('Sign'), { action: 'hmac', type: 'SHA256', encoding: 'hex', dataPropertyName: 'signature' })
  t.equal(parametersOf('Send').body, '={{ $json.body }}')
  const order = ['When clicking Execute', 'Request', 'Nonce', 'Hash', 'Sign', 'Send']
  t.same(order.slice(0, -1).map((name) => connections[name].main[0][0].node), order.slice(1))
  const header = parametersOf('Send').headerParameters.parameters.find(({ name }: { name: string }) => name === 'X-FB-Signature').value
  const textual = hardened.filter(({ body }) => body !== undefined)
  t.ok(textual.length >= 20)
  for (const { t: time, n: nonce, method, target, body, secret, header: expected, name } of textual) {
    const $json = { time: String(time), nonce, method, target, body, bodyHash: createHash('sha256').update(body ?? '').digest('hex') }
    const scope = { $json, $vars: { FB_SIGNING_SECRET: secret } }
    const signature = createHmac('sha256', evaluate(parametersOf('Sign').secret, scope)).update(evaluate(parametersOf('Sign').value, scope)).digest('hex')
    t.equal(evaluate(header, { ...scope, $json: { ...$json, signature } }), expected, name)
  }
})

t.test('the Make recipe signs the vectors', { skip: 'Make runs only in Make' }, async () => {})
