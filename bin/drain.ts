/**
 * Lets an HTTP server's clients go without cutting one off. From the moment it drains, every answer says `connection: close`, also those
 * whose requests came in before, so that clients on kept-alive connections leave by themselves before the server stops listening. A
 * connection that the kernel has taken and the process has not would be reset with the listening socket, so that ends in the moment
 * after the queue was emptied.
 */
import { once } from 'node:events'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

const SEARCH_MS = 1000
const SHORT_MS = 0.2
const QUIET_TURNS = 2

export interface Drain {
  begin (): void
  /** How many answers have not ended. */
  underWay (): number
  /** Takes no new connections; resolves once the last one has ended. Never rejects. */
  stopListening (): Promise<void>
}

export function drainOf (server: Server): Drain {
  /** By connection: an answer that waits behind another one when its connection ends never says that it is closed. */
  const open = new Map<Socket, Set<ServerResponse>>()
  let isDraining = false
  // Before the framework's own listener, which may answer at once.
  server.prependListener('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    if (isDraining) response.setHeader('connection', 'close')
    const responses = open.get(socket) ?? new Set()
    if (!open.has(socket)) {
      open.set(socket, responses)
      socket.once('close', () => open.delete(socket))
    }
    responses.add(response)
    response.once('close', () => responses.delete(response))
  })
  return {
    begin () {
      isDraining = true
      for (const responses of open.values()) for (const response of responses) if (!response.headersSent) response.setHeader('connection', 'close')
    },
    underWay: () => [...open.values()].reduce((sum, { size }) => sum + size, 0),
    async stopListening () {
      if (!server.listening) return
      const closed = once(server, 'close')
      closeBetweenConnections(server)
      await closed
    }
  }
}

/**
 * Each turn of the event loop takes a connection, if one waits. After turns that took none and were so short that hardly one can have come
 * since, nobody waits: it closes in that moment, or after a second without one.
 */
function closeBetweenConnections (server: Server): void {
  const endsMs = performance.now() + SEARCH_MS
  let turnMs = performance.now()
  let quietTurns = 0
  let isTaken = false
  const take = (): void => { isTaken = true }
  function look (): void {
    const nowMs = performance.now()
    quietTurns = !isTaken && nowMs - turnMs < SHORT_MS ? quietTurns + 1 : 0
    turnMs = nowMs
    isTaken = false
    if (quietTurns < QUIET_TURNS && nowMs < endsMs) {
      setImmediate(look)
      return
    }
    server.close()
    server.off('connection', take)
  }
  server.on('connection', take)
  setImmediate(look)
}
