/**
 * Lets an HTTP server's clients go without cutting one off: from the moment it drains, every answer says `connection: close`, also those
 * whose requests came in before, so that clients on kept-alive connections leave by themselves before the server stops listening.
 */
import type { Server, ServerResponse } from 'node:http'

export interface Drain { begin (): void }

export function drainOf (server: Pick<Server, 'prependListener'>): Drain {
  const open = new Set<ServerResponse>()
  let isDraining = false
  // Before the framework's own listener, which may answer at once.
  server.prependListener('request', (_request: unknown, response: ServerResponse) => {
    if (isDraining) response.setHeader('connection', 'close')
    open.add(response)
    response.once('close', () => open.delete(response))
  })
  return {
    begin () {
      isDraining = true
      for (const response of open) if (!response.headersSent) response.setHeader('connection', 'close')
    }
  }
}
