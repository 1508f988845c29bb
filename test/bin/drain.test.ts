import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import t from 'tap'
import { drainOf } from '../../bin/drain.ts'

t.test('answers that waited on a connection which broke off are forgotten with it', async (t) => {
  const held: ServerResponse[] = []
  const server = createServer((_request, response) => { held.push(response) })
  const drain = drainOf(server)
  t.teardown(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1', () => client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(5)))
  while (held.length < 5) await once(server, 'request')
  t.equal(drain.underWay(), 5)
  const [{ socket } = { socket: null }] = held
  if (socket === null) return t.fail('the first answer has its connection')
  const closed = new Promise((resolve) => socket.once('close', resolve))
  client.resetAndDestroy()
  await closed
  t.equal(drain.underWay(), 0)
})

t.test('while it drains, every answer that has not begun says that the connection ends', async (t) => {
  const held: ServerResponse[] = []
  const server = createServer((_request, response) => { held.push(response) })
  const drain = drainOf(server)
  t.teardown(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1', () => client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'))
  while (held.length < 1) await once(server, 'request')
  drain.begin()
  held[0]?.end('x')
  let text = ''
  client.on('data', (chunk: Buffer) => { text += chunk.toString() })
  await once(client, 'close')
  t.match(text, /connection: close/i)
  t.equal(drain.underWay(), 0)
})
