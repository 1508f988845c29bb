import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What happens to one request: an answer of the proxy's own, a cut before the service has it, a cut after it answered, or a wait. */
export type Fault = { status: number, headers?: Record<string, string>, body?: string } | { cut: 'before' | 'after' } | { waitMs: number } | { cutAnswerAfterBytes: number }

export interface Seen { method: string, path: string, headers: Record<string, string>, body: Buffer }
export interface FaultyProxy { url: string, seen: Seen[], close: () => Promise<void> }

// An HTTP proxy that does to each request what `faultFor` says; null lets it pass.
export async function startFaultyProxy (target: string, faultFor: (seen: Seen, count: number) => Fault | null): Promise<FaultyProxy> {
  const seen: Seen[] = []
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('error', () => {})
    incoming.on('end', () => {
      const one = { method: incoming.method ?? '', path: incoming.url ?? '', headers: Object.fromEntries(Object.entries(incoming.headers).map(([name, value]) => [name, String(value)])), body: Buffer.concat(chunks) }
      const fault = faultFor(one, seen.push(one))
      if (fault !== null && 'status' in fault) {
        outgoing.writeHead(fault.status, { 'content-type': 'application/json', ...fault.headers }).end(fault.body)
      } else if (fault !== null && 'cut' in fault && fault.cut === 'before') {
        incoming.socket.resetAndDestroy()
      } else {
        setTimeout(() => forward(target, one, incoming, outgoing, fault), fault !== null && 'waitMs' in fault ? fault.waitMs : 0)
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}

function forward (target: string, { method, path, headers, body }: Seen, incoming: IncomingMessage, outgoing: ServerResponse, fault: Fault | null): void {
  const { hostname, port } = new URL(target)
  const { connection: _connection, ...kept } = headers
  const passed = httpRequest({ hostname, port, method, path, headers: kept, agent: false }, (answer) => {
    const chunks: Buffer[] = []
    answer.on('data', (chunk: Buffer) => chunks.push(chunk))
    answer.on('end', () => {
      if (fault !== null && 'cut' in fault) {
        incoming.socket.resetAndDestroy()
        return
      }
      const bytes = Buffer.concat(chunks)
      outgoing.writeHead(answer.statusCode ?? 0, answer.headers)
      if (fault !== null && 'cutAnswerAfterBytes' in fault) {
        outgoing.write(bytes.subarray(0, fault.cutAnswerAfterBytes), () => incoming.socket.resetAndDestroy())
      } else outgoing.end(bytes)
    })
  })
  passed.on('error', () => incoming.socket.destroy())
  passed.end(body)
}
