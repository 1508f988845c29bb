import { createServer as createTlsServer } from 'node:tls'
import { createServer, type AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import t from 'tap'
import { createEgress } from '../../evaluation/egress.ts'
import { PUBLIC_ADDRESSES, SPECIAL_ADDRESSES } from '../helper/addresses.ts'
import { startReceiver } from '../helper/receiver.ts'

const BODY = Buffer.from('{}')
// A certificate of this test's own, for hooks.example.com, good for a hundred years.
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgEZD6FcVXGvIpa9lO
whOnT+Yty2G8fbaX8VlsVTXI4H2hRANCAAT2tDULkY7d03VRIrkm/ti7phPGZdx3
xIi1PG57jX4zbCaYhms34V9d/BoYKTbDROtSOv9BCpiGdDHcGjx9vw45
-----END PRIVATE KEY-----
`
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBrjCCAVOgAwIBAgIUfvxXUgbKFmcHAOd9LLp98GZsFnswCgYIKoZIzj0EAwIw
HDEaMBgGA1UEAwwRaG9va3MuZXhhbXBsZS5jb20wIBcNMjYxMTI0MDgyNjIxWhgP
MjEyNjEwMzEwODI2MjFaMBwxGjAYBgNVBAMMEWhvb2tzLmV4YW1wbGUuY29tMFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE9rQ1C5GO3dN1USK5Jv7Yu6YTxmXcd8SI
tTxue41+M2wmmIZrN+FfXfwaGCk2w0TrUjr/QQqYhnQx3Bo8fb8OOaNxMG8wHQYD
VR0OBBYEFADfqCVfmrJXn7+S7PHuI1CqCEk5MB8GA1UdIwQYMBaAFADfqCVfmrJX
n7+S7PHuI1CqCEk5MA8GA1UdEwEB/wQFMAMBAf8wHAYDVR0RBBUwE4IRaG9va3Mu
ZXhhbXBsZS5jb20wCgYIKoZIzj0EAwIDSQAwRgIhAK3tba16D06Wl0CKNAW3Ejsm
q1n4Xl75JEHLYc86V9VSAiEA1uT99AYqzTZwF9x+LyroMqBfW+LFlzDaC5fftoTb
vLw=
-----END CERTIFICATE-----
`
const LOCAL = { allowHttp: true, unsafeAllowedRanges: ['127.0.0.1/32'] }

function hostOf (address: string): string {
  return address.includes(':') ? `[${address}]` : address
}

// One listener on every address of this host: whatever is dialled here by mistake is seen.
async function listenEverywhere (): Promise<{ port: number, connections: () => number, close: () => Promise<void> }> {
  let count = 0
  const server = createServer((socket) => {
    count++
    socket.destroy()
  })
  await new Promise<void>((resolve) => server.listen(0, '::', resolve))
  return { port: (server.address() as AddressInfo).port, connections: () => count, close: async () => { await new Promise((resolve) => server.close(resolve)) } }
}

t.test('no special address is connected to, as a literal or behind a name', async (t) => {
  const trap = await listenEverywhere()
  t.teardown(() => trap.close())
  let asked = 0
  for (const address of SPECIAL_ADDRESSES) {
    const egress = createEgress({ allowHttp: true, resolve: async () => { asked++; return [address] } })
    for (const host of [hostOf(address), 'rebound.example.com']) {
      t.match(await egress.post(`http://${host}:${trap.port}/`, {}, BODY), { status: null, error: 'address_not_allowed' }, host)
      t.match(await egress.findProblem(`http://${host}:${trap.port}/`), /special address/)
    }
  }
  t.equal(asked, SPECIAL_ADDRESSES.length * 2)
  t.equal(trap.connections(), 0)
  t.comment(`${SPECIAL_ADDRESSES.length} addresses, literal and named, 0 connections`)
})

t.test('other spellings of a loopback address are the address', async (t) => {
  const egress = createEgress({ allowHttp: true, resolve: async () => PUBLIC_ADDRESSES.slice(0, 1) })
  for (const host of ['127.1', '0x7f.1', '0177.0.0.1', '2130706433', '0x7f000001', '127.0.0.1.', 'localhost', 'LOCALHOST', 'a.localhost', '①②⑦.0.0.1', '[::ffff:7f00:1]']) {
    t.match(await egress.post(`http://${host}/`, {}, BODY), { error: 'address_not_allowed' }, host)
  }
})

t.test('one special address among public ones refuses the name', async (t) => {
  for (const answers of [['8.8.8.8', '10.0.0.1'], ['127.0.0.1', '8.8.8.8'], ['2600::1', '::1']]) {
    t.match(await createEgress({ allowHttp: true, resolve: async () => answers }).post('http://mixed.example.com/', {}, BODY), { error: 'address_not_allowed' })
  }
})

t.test('a name that changes its answer after the check is asked once, and what was judged is what is dialled', async (t) => {
  const receiver = await startReceiver()
  t.teardown(() => receiver.close())
  const { port } = new URL(receiver.url)
  let asked = 0
  // The first answer may be reached, the second may not: the classic rebinding.
  const resolve = async (): Promise<string[]> => asked++ === 0 ? ['127.0.0.1'] : ['127.0.0.2']
  const egress = createEgress({ ...LOCAL, resolve })
  t.match(await egress.post(`http://rebound.example.com:${port}/`, {}, BODY), { status: 204, error: null })
  t.equal(asked, 1)
  t.match(await egress.post(`http://rebound.example.com:${port}/`, {}, BODY), { status: null, error: 'address_not_allowed' })
  t.equal(receiver.connections(), 1)
})

t.test('our own interfaces are refused, public or not', async (t) => {
  const egress = createEgress({ allowHttp: true, resolve: async () => ['9.9.9.9'], ownAddresses: () => ['9.9.9.9'] })
  t.match(await egress.post('http://ourselves.example.com/', {}, BODY), { error: 'address_not_allowed' })
  const real = createEgress({ allowHttp: true })
  for (const { address } of Object.values(networkInterfaces()).flatMap((list) => list ?? [])) {
    t.match(await real.post(`http://${hostOf(address.split('%')[0] ?? '')}/`, {}, BODY), { error: 'address_not_allowed' }, address)
  }
})

t.test('a proxy in the environment is not used', async (t) => {
  const proxy = await startReceiver()
  const receiver = await startReceiver()
  const before = { ...process.env }
  t.teardown(async () => {
    process.env = before
    await Promise.all([proxy.close(), receiver.close()])
  })
  for (const name of ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'ALL_PROXY']) process.env[name] = proxy.url
  process.env['NODE_USE_ENV_PROXY'] = '1'
  t.match(await createEgress(LOCAL).post(receiver.url, {}, BODY), { status: 204 })
  t.equal(proxy.connections(), 0)
})

t.test('a redirect is an outcome, not a journey', async (t) => {
  const inner = await startReceiver()
  t.teardown(() => inner.close())
  for (const status of [301, 302, 303, 307, 308]) {
    const outer = await startReceiver((_received, response) => { response.writeHead(status, { location: inner.url }).end() })
    t.match(await createEgress(LOCAL).post(outer.url, {}, BODY), { status, error: 'redirected' })
    await outer.close()
  }
  t.equal(inner.connections(), 0)
})

t.test('an answer that never ends is read to the limit and dropped; its status counts', async (t) => {
  let sentBytes = 0
  const receiver = await startReceiver((_received, response) => {
    response.writeHead(200)
    const chunk = Buffer.alloc(64 * 1024)
    const more = (): void => {
      if (response.destroyed || sentBytes > 64 * 1024 * 1024) return
      sentBytes += chunk.length
      response.write(chunk, () => setImmediate(more))
    }
    more()
  })
  t.teardown(() => receiver.close())
  t.match(await createEgress(LOCAL).post(receiver.url, {}, BODY), { status: 200, error: null })
  t.ok(sentBytes < 16 * 1024 * 1024, `${sentBytes} bytes were sent before the connection was dropped`)
})

t.test('whatever a receiver writes, an attempt ends, and a status that arrived counts', async (t) => {
  const ok = 'HTTP/1.1 200 OK\r\n'
  const table: Array<[string, boolean, number | null, string | null]> = [
    ['HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n', false, 101, 'refused_by_receiver'],
    ['HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n', true, 101, 'refused_by_receiver'],
    [`${ok}content-length: 10\r\n\r\nab`, true, 200, null],
    [`${ok}content-length: 10\r\n\r\nab`, false, 200, null],
    [`${ok}transfer-encoding: chunked\r\n\r\n5\r\nab`, true, 200, null],
    [`${ok}transfer-encoding: chunked\r\n\r\nzz\r\nab`, false, 200, null],
    ['HTTP/1.1 503 No\r\ncontent-length: 10\r\n\r\nab', false, 503, 'refused_by_receiver'],
    ['HTTP/1.1 100 Continue\r\n\r\n', true, null, 'connection_failed'],
    ['HTTP/1.1 100 Continue\r\n\r\n', false, null, 'timeout'],
    ['nonsense\r\n\r\n', false, null, 'connection_failed'],
    [`HTTP/1.1 200 OK\r\nx: ${'a'.repeat(70_000)}\r\n\r\n`, false, null, 'connection_failed'],
    ['', true, null, 'connection_failed'],
    ['', false, null, 'timeout']
  ]
  await Promise.all(table.map(async ([answer, isEnded, status, error]) => {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => {
        socket.write(answer)
        if (isEnded) socket.end()
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const outcome = await createEgress({ ...LOCAL, totalTimeoutMs: 1000 }).post(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, {}, BODY)
    t.match(outcome, { status, error }, `${JSON.stringify(answer.slice(0, 60))} ${isEnded ? 'and the end' : 'and silence'}`)
    server.close()
  }))
})

t.test('a receiver that does not answer ends at the deadline', async (t) => {
  const receiver = await startReceiver(() => {})
  t.teardown(() => receiver.close())
  t.match(await createEgress({ ...LOCAL, totalTimeoutMs: 200 }).post(receiver.url, {}, BODY), { status: null, error: 'timeout' })
})

t.test('a receiver that is not there, and a name that nobody knows, are told apart', async (t) => {
  const gone = await startReceiver()
  await gone.close()
  t.match(await createEgress(LOCAL).post(gone.url, {}, BODY), { error: 'connection_failed' })
  const unknown = createEgress({ allowHttp: true, resolve: async () => [] })
  t.match(await unknown.post('http://nobody.example.com/', {}, BODY), { error: 'name_not_resolved' })
  t.equal(await unknown.findProblem('http://nobody.example.com/'), null)
})

t.test('a certificate that nobody vouches for is refused', async (t) => {
  const server = createTlsServer({ key: KEY, cert: CERTIFICATE }, (socket) => socket.end('HTTP/1.1 204 No Content\r\n\r\n'))
  server.on('tlsClientError', () => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const resolve = async (): Promise<string[]> => ['127.0.0.1']
  const options = { unsafeAllowedRanges: ['127.0.0.1/32'], resolve }
  t.match(await createEgress(options).post(`https://hooks.example.com:${port}/`, {}, BODY), { error: 'tls_failed' })
  t.match(await createEgress({ ...options, ca: CERTIFICATE }).post(`https://hooks.example.com:${port}/`, {}, BODY), { status: 204, error: null })
  t.match(await createEgress({ ...options, ca: CERTIFICATE }).post(`https://other.example.com:${port}/`, {}, BODY), { error: 'tls_failed' })
})

t.test('in production only https is spoken', async (t) => {
  const egress = createEgress({ resolve: async () => ['8.8.8.8'] })
  t.equal(await egress.findProblem('http://hooks.example.com/'), 'must use https')
  t.match(await egress.post('http://hooks.example.com/', {}, BODY), { error: 'url_not_allowed' })
  t.equal(await egress.findProblem('https://hooks.example.com/'), null)
})
