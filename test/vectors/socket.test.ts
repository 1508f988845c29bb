import { createSecretKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import type { SigningSecret } from '../../plugins/context.ts'
import signature from '../../plugins/signature.ts'
import { bareApp, principal } from '../helper/bare.ts'
import { talk } from '../helper/raw-http.ts'
import { bodyOf, type HardenedVector, type SignatureVector, type Vector } from '../helper/vectors.ts'

const read = (name: string): any => JSON.parse(readFileSync(`test/vectors/${name}`, 'utf8'))
const published = read('request-signature.json').vectors as SignatureVector[]
const hardened = read('hardened-signature.json').vectors as HardenedVector[]

// The caller that the next request speaks for, and what the layer left of it.
let vector: SignatureVector | HardenedVector | null = null
let seen: { body: Buffer | null, replayId: string | null } = { body: null, replayId: null }

const app = await bareApp()
app.addHook('onRequest', async (request) => {
  if (vector === null) throw new Error('no vector')
  const signing = 'secret' in vector ? { signing: secretsOf(vector) } : {}
  request.principal = principal(signing)
  request.bearerKey = 'key' in vector ? vector.key : published[0]?.key ?? ''
})
await app.register(signature, { now: () => (vector?.now ?? 0) * 1000 })
app.removeAllContentTypeParsers()
app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
app.route({
  method: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
  url: '/*',
  config: { access: 'key', scope: 'admin' },
  handler: async (request) => {
    seen = { body: request.rawBody, replayId: request.replayId }
    return { ok: true }
  }
})
await app.listen({ port: 0, host: '127.0.0.1' })
t.teardown(() => app.close())
const { port } = app.server.address() as AddressInfo

function secretsOf ({ secret, previous_secret: previous, previous_until: until = 0 }: HardenedVector): SigningSecret[] {
  const opened = (text: string, untilMs: number | null): SigningSecret => ({ secret: createSecretKey(text, 'latin1'), untilMs })
  return [opened(secret, null), ...(previous === undefined ? [] : [opened(previous, until * 1000)])]
}

// Header values and methods that HTTP lets through unchanged.
const travels = ({ header, method }: Vector): boolean => /^[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/.test(header) && method === method.toUpperCase()

async function ask (one: SignatureVector | HardenedVector): Promise<{ status: number, code: string | null }> {
  vector = one
  seen = { body: null, replayId: null }
  const body = bodyOf(one)
  const head = [`${one.method} ${one.target} HTTP/1.1`, 'Host: api.test', `X-FB-Signature: ${one.header}`, ...(body.length === 0 ? [] : ['Content-Type: application/octet-stream', `Content-Length: ${body.length}`])]
  const { answers: [answer] } = await talk(`http://127.0.0.1:${port}`, [Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'), body])
  return { status: answer?.status ?? 0, code: answer?.body?.code ?? null }
}

for (const [name, vectors, atLeast] of [['published', published, 85], ['hardened', hardened, 95]] as const) {
  t.test(`${name} profile: over a socket each vector gets its verdict, and an accepted body arrives byte for byte`, async (t) => {
    const able = vectors.filter(travels)
    t.ok(able.length >= atLeast, `${able.length} of ${vectors.length}`)
    for (const one of able) {
      const answer = await ask(one)
      t.same(answer, one.valid ? { status: 200, code: null } : { status: 403, code: 'signature_invalid' }, one.name)
      if (!one.valid) t.same(seen, { body: null, replayId: null }, one.name)
      else t.ok(bodyOf(one).equals(seen.body ?? Buffer.from('absent')), one.name)
      if (one.valid) t.equal(seen.replayId !== null, name === 'hardened' || one.method !== 'GET', one.name)
    }
  })
}
