import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Received { path: string, headers: Record<string, string>, body: Buffer, json: any }
export type Respond = (received: Received, response: ServerResponse) => void

export interface Receiver { url: string, received: Received[], connections: () => number, peak: () => number, next: (count: number) => Promise<Received[]>, close: () => Promise<void> }

// A webhook receiver on a real socket. Answers 204 unless told otherwise.
export async function startReceiver (respond: Respond = (_received, response) => { response.writeHead(204).end() }): Promise<Receiver> {
  const received: Received[] = []
  let connections = 0
  let underway = 0
  let peak = 0
  let waiting: Array<() => void> = []
  const server = createHttpServer((request: IncomingMessage, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks)
      const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]))
      const one = { path: request.url ?? '', headers, body, json: body.length === 0 ? null : JSON.parse(body.toString()) }
      received.push(one)
      peak = Math.max(peak, ++underway)
      response.once('close', () => { underway-- })
      respond(one, response)
      for (const wake of waiting) wake()
      waiting = []
    })
    request.on('error', () => {})
  })
  server.on('connection', () => { connections++ })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    received,
    connections: () => connections,
    // Requests under way at once, at the most.
    peak: () => peak,
    async next (count) {
      while (received.length < count) await new Promise<void>((resolve) => waiting.push(resolve))
      return received
    },
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}
