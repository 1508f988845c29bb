import { once } from 'node:events'
import { createServer, ServerResponse, type IncomingMessage, type RequestListener } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { EdgeResponse } from '../../../plugins/support/edge-response.ts'

type Responses = typeof ServerResponse<IncomingMessage>

/** How many of a socket's writes were of one piece and how many gathered several. */
interface Writes { single: number, gathered: number }

async function listen (t: Test, Responses: Responses, listener: RequestListener): Promise<{ port: number, writes: Writes }> {
  const writes = { single: 0, gathered: 0 }
  const server = createServer({ ServerResponse: Responses }, listener)
  server.on('connection', (socket: Socket) => {
    const { _write: write, _writev: writev } = socket
    socket._write = (...args) => { writes.single++; write.apply(socket, args) }
    socket._writev = (...args) => { writes.gathered++; writev?.apply(socket, args) }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.closeAllConnections(); server.close() })
  return { port: (server.address() as AddressInfo).port, writes }
}

/** All bytes that come back until the server closes. */
async function exchange (port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.write(bytes)
  await once(socket, 'close')
  return Buffer.concat(chunks).toString('latin1').replace(/^Date: .*$/gm, 'Date: *')
}

const CASES: Record<string, RequestListener> = {
  'a text with its length': (_request, response) => { response.writeHead(200, { 'content-length': '4' }).end('four') },
  'a text beyond ASCII': (_request, response) => { response.writeHead(200, { 'content-length': '11' }).end('fünf €\u00e9') },
  'a text in another encoding': (_request, response) => { response.writeHead(200, { 'content-length': '2' }).end('beef', 'hex') },
  'a text without a length': (_request, response) => { response.writeHead(200).end('four') },
  'no head before the text': (_request, response) => { response.end('four') },
  'an empty text': (_request, response) => { response.writeHead(200, { 'content-length': '0' }).end('') },
  nothing: (_request, response) => { response.writeHead(204).end() },
  'a status without a body, and a text': (_request, response) => { response.writeHead(304).end('four') },
  bytes: (_request, response) => { response.writeHead(200, { 'content-length': '4' }).end(Buffer.from('four')) },
  pieces: (_request, response) => { response.writeHead(200, { 'content-length': '8' }).write('four'); response.end('more') },
  'pieces without a length': (_request, response) => { response.writeHead(200).write('four'); response.end('more') },
  'a trailer': ({ method, httpVersion }, response) => {
    // Without chunks there is no place for one.
    if (method === 'HEAD' || httpVersion === '1.0') return response.end()
    response.writeHead(200, { trailer: 'x-end' }).addTrailers({ 'x-end': 'yes' })
    response.end('four')
  },
  'a callback': (_request, response) => { response.writeHead(200, { 'content-length': '4' }).end('four', () => {}) },
  'an encoding and a callback': (_request, response) => { response.writeHead(200, { 'content-length': '4' }).end('four', 'latin1', () => {}) },
  'a text later': (_request, response) => { setImmediate(() => response.writeHead(200, { 'content-length': '4' }).end('four')) },
  'a large text': (_request, response) => { response.writeHead(200, { 'content-length': String(4 << 20) }).end('x'.repeat(4 << 20)) },
  'an end after the end': (_request, response) => { response.on('error', () => {}); response.writeHead(200, { 'content-length': '4' }).end('four'); response.end('more') },
  'another connection end': (_request, response) => { response.writeHead(200, { 'content-length': '4', connection: 'close' }).end('four') }
}

const REQUESTS: Record<string, string> = {
  GET: 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
  HEAD: 'HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
  'HTTP/1.0': 'GET / HTTP/1.0\r\n\r\n',
  'three at once': 'GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
}

t.test('sends what Node sends, to the byte', async (t) => {
  for (const [name, listener] of Object.entries(CASES)) {
    const [own, nodes] = [await listen(t, EdgeResponse, listener), await listen(t, ServerResponse, listener)]
    for (const [request, bytes] of Object.entries(REQUESTS)) t.equal(await exchange(own.port, bytes), await exchange(nodes.port, bytes), `${name}: ${request}`)
  }
})

t.test('an answer of one text is one plain write', async (t) => {
  const { port, writes } = await listen(t, EdgeResponse, CASES['a text with its length'] as RequestListener)
  await exchange(port, REQUESTS['GET'] as string)
  t.same(writes, { single: 1, gathered: 0 })
})

t.test('tells of its end like any other', async (t) => {
  const told: string[] = []
  const { port } = await listen(t, EdgeResponse, (_request, response) => {
    for (const event of ['prefinish', 'finish', 'close']) response.on(event, () => told.push(event))
    response.writeHead(200, { 'content-length': '4' }).end('four')
    t.ok(response.writableEnded, 'it has ended')
    t.same(told.filter((event) => event !== 'prefinish'), [], 'nobody is told before whoever ended it is done')
  })
  await exchange(port, REQUESTS['GET'] as string)
  t.same(told, ['prefinish', 'finish', 'close'])
})

t.test('an answer on a connection that is gone or ending does not count as sent, as with Node', async (t) => {
  for (const leave of ['destroy', 'end'] as const) {
    for (const Responses of [EdgeResponse, ServerResponse]) {
      const told: string[] = []
      const answered = new Promise<void>((resolve) => {
        listen(t, Responses, (request, response) => {
          const { socket } = request
          if (leave === 'destroy') socket.destroy()
          else socket.end()
          response.on('finish', () => told.push('finish'))
          response.writeHead(200, { 'content-length': '4' }).end('four')
          told.push(`${response.writableEnded} ${socket.bytesWritten}`)
          setTimeout(resolve, 20)
        }).then(({ port }) => connect(port, '127.0.0.1').on('error', () => {}).write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'), (err: unknown) => { t.fail(String(err)) })
      })
      await answered
      t.same(told, ['true 0'], `${leave}: ${Responses.name}`)
    }
  }
})

t.test('a client that has gone makes no error', async (t) => {
  const gone = new Promise<void>((resolve) => {
    listen(t, EdgeResponse, (request, response) => {
      request.socket.on('close', () => {
        response.on('error', (err) => t.fail(err.message))
        response.writeHead(200, { 'content-length': '4' }).end('four')
        setImmediate(resolve)
      })
    }).then(({ port }) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.write(REQUESTS['three at once'] as string)
        setTimeout(() => socket.resetAndDestroy(), 20)
      })
    }).catch((err: unknown) => { t.fail(String(err)) })
  })
  await gone
  t.pass()
})
