import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { hardenedMacOf, parseHardenedHeader } from '../../../plugins/lib/hardened-signature.ts'

const KEY = `fb_live_${'0123456789abcdef'.repeat(3)}`
const SECRET = `fbs_${'0123456789abcdef'.repeat(4)}`
const TARGET = '/api/public/v1/scenarios?limit=2'

interface Outcome { code: number, out: string, err: string }

async function fb (args: string[], env: Record<string, string> = {}): Promise<Outcome> {
  return await new Promise((resolve) => {
    execFile(process.execPath, ['dist/bin/fb.js', ...args], { env: { PATH: process.env['PATH'] ?? '', ...env } }, (err, out, problem) => resolve({ code: Number(err?.code ?? 0), out, err: problem }))
  })
}

function isRight (header: string, method: string, target: string, body: string): boolean {
  const parsed = parseHardenedHeader(header)
  if (parsed === null) return false
  const { timestamp, nonce, macs } = parsed
  return macs[0]?.equals(hardenedMacOf({ secret: SECRET, timestamp, nonce, method, target, body: Buffer.from(body) })) === true
}

t.test('sign and call speak the hardened profile, with the secret from a file or the environment', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'fb-wire-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'secret')
  writeFileSync(file, `${SECRET}\n`)
  const seen: Array<{ signature: string, authorization: string | undefined, url: string, body: string }> = []
  const server = createServer((request, response) => {
    request.setEncoding('utf8').toArray().then((chunks) => {
      seen.push({ signature: String(request.headers['x-fb-signature']), authorization: request.headers.authorization, url: request.url ?? '', body: chunks.join('') })
      response.end('{"ok":true}')
    }, () => {})
  })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  const [signed, again, called, without, wrong, argued] = await Promise.all([
    fb(['sign', 'GET', TARGET, '--profile', 'hardened', '--json'], { FB_SIGNING_SECRET: SECRET }),
    fb(['sign', 'GET', TARGET, '--profile', 'hardened', '--secret-file', file, '--json']),
    fb(['call', 'POST', '/evaluate?x=1', '--data', '{"a":1}', '--profile', 'hardened', '--secret-file', file, '--url', url], { FB_API_KEY: KEY }),
    fb(['sign', 'GET', TARGET, '--profile', 'hardened'], { FB_API_KEY: KEY }),
    fb(['sign', 'GET', TARGET, '--profile', 'other'], { FB_API_KEY: KEY }),
    fb(['sign', 'GET', TARGET, '--secret', SECRET])
  ])
  const values = [signed, again].map(({ out }) => String(JSON.parse(out).value))
  for (const value of values) t.ok(isRight(value, 'GET', TARGET, ''))
  t.not(values[0], values[1], 'never the same nonce')
  t.equal(called.code, 0)
  t.match(seen, [{ authorization: `Bearer ${KEY}`, url: '/api/public/v1/evaluate?x=1', body: '{"a":1}' }])
  t.ok(isRight(seen[0]?.signature ?? '', 'POST', '/api/public/v1/evaluate?x=1', '{"a":1}'))
  t.match([without.code, without.err], [2, /FB_SIGNING_SECRET/])
  t.match([wrong.code, wrong.err], [2, /published, hardened/])
  t.equal(argued.code, 2, 'no secret on the command line')
})
