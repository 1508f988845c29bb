import net from 'node:net'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import transport from '../../plugins/transport.ts'
import { bareApp, route } from '../helper/bare.ts'

async function raw (port: number, text: string): Promise<string> {
  return await new Promise((resolve, reject) => {
    let answer = ''
    const socket = net.connect(port, '127.0.0.1', () => socket.end(text))
    socket.on('data', (chunk) => { answer += chunk.toString() })
    socket.on('close', () => resolve(answer))
    socket.on('error', reject)
  })
}

t.test('refuses plain HTTP when HTTPS is required, and never redirects', async (t) => {
  const app = await bareApp()
  await app.register(transport)
  const seen = route(app)
  const answer = await app.inject('/thing')
  t.equal(answer.statusCode, 403)
  t.equal(answer.json().error, 'HTTPS required')
  t.equal(answer.headers.location, undefined)
  t.equal(seen.calls, 0)
})

t.test('refuses a CORS pre-flight and sends no Access-Control header', async (t) => {
  const app = await bareApp()
  await app.register(transport, { requireHttps: false })
  app.route({ method: 'OPTIONS', url: '/thing', config: { access: 'open' }, handler: async () => ({ ok: true }) })
  const answer = await app.inject({ method: 'OPTIONS', url: '/thing', headers: { origin: 'https://a.example', 'access-control-request-method': 'POST' } })
  t.equal(answer.statusCode, 403)
  t.equal(answer.json().code, 'browser_refused')
  t.notOk(Object.keys(answer.headers).some((name) => name.startsWith('access-control-')))
})

t.test('refuses every security header that is sent twice, and a body where none belongs', async (t) => {
  const app = await bareApp()
  await app.register(transport, { requireHttps: false })
  const seen = route(app)
  await app.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(() => app.close())
  const { port } = app.server.address() as AddressInfo
  for (const header of ['Authorization: Bearer x', 'X-FB-Signature: t=1,v1=0', 'Content-Type: application/json']) {
    const answer = await raw(port, `GET /thing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${header}\r\n${header}\r\n\r\n`)
    t.match(answer, /^HTTP\/1\.1 400 /, header)
    t.match(answer, /"code":"malformed_request"/, header)
  }
  t.match(await raw(port, 'GET /thing HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 400 /)
  t.match(await raw(port, 'GET /thing HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}'), /^HTTP\/1\.1 400 /)
  t.equal(seen.calls, 0)
})

t.test('judges the framing itself, whatever a parser before it let through', async (t) => {
  const app = await bareApp()
  await app.register(transport, { requireHttps: false })
  const seen = route(app, { method: 'POST' })
  const cases: Array<Record<string, string>> = [
    { 'transfer-encoding': 'chunked', 'content-length': '2' },
    { 'transfer-encoding': 'gzip, chunked' },
    { 'content-length': '+2' },
    { 'content-length': '02' },
    { expect: '200-ok' },
    { host: 'a/b' }
  ]
  for (const headers of cases) {
    const answer = await app.inject({ method: 'POST', url: '/thing', headers, payload: '{}' })
    t.match([answer.statusCode, answer.json()], [400, { code: 'malformed_request' }], JSON.stringify(headers))
  }
  t.equal(seen.calls, 0)
})
