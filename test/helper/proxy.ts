import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

export interface Proxy {
  /** The same store, reached through this proxy. */
  through: (storeUrl: string) => string
  /** Ends the open connections; new ones pass. Resolves once the clients have seen it. */
  cut: () => Promise<void>
  /** Ends the open connections and lets nobody in. Resolves once the clients have seen it. */
  refuse: () => Promise<void>
  /** Keeps connections open and takes new ones, and no byte passes in either direction: a partition, not a refusal. */
  silence: () => void
  resume: () => void
  /**
   * The next time a client says something that matches: `before` it reaches the store, or `after` the store got it and before the answer
   * comes back, the connections end. `refuse` keeps everybody out from then on. Resolves when it has happened.
   */
  cutWhen: (said: RegExp, when: 'before' | 'after', options?: { refuse?: boolean }) => Promise<void>
  connections: () => number
  close: () => Promise<void>
}

const SEEN_MS = 50

type Mode = 'pass' | 'refuse' | 'silence'
interface Trap { said: RegExp, when: 'before' | 'after', refuse: boolean, sprung: () => void }

// A TCP proxy between the service under test and one of its stores.
export async function startProxy (storeUrl: string, defaultPort: number): Promise<Proxy> {
  const target = new URL(storeUrl)
  let mode: Mode = 'pass'
  let trap: Trap | null = null
  const pairs = new Set<{ client: Socket, store: Socket }>()

  const server = createServer((client) => {
    client.on('error', () => {})
    if (mode === 'refuse') {
      client.resetAndDestroy()
      return
    }
    const store = connect({ host: target.hostname, port: Number(target.port === '' ? defaultPort : target.port) })
    const pair = { client, store }
    pairs.add(pair)
    store.on('error', () => {})
    for (const [from, to] of [[client, store], [store, client]] as const) {
      from.on('close', () => {
        pairs.delete(pair)
        to.destroy()
      })
    }
    client.on('data', (chunk: Buffer) => {
      if (mode !== 'pass') return
      const matches = trap?.said.test(chunk.toString('latin1')) ?? false
      if (!matches || trap?.when === 'after') store.write(chunk)
      if (!matches) return
      // What the store says from here on is lost with the connection.
      if (trap?.when === 'before') spring()
      else store.once('data', spring)
    })
    store.on('data', (chunk: Buffer) => {
      if (mode === 'pass' && !client.destroyed) client.write(chunk)
    })
  })

  function spring (): void {
    if (trap === null) return
    const { refuse, sprung } = trap
    trap = null
    cut()
    if (refuse) mode = 'refuse'
    sprung()
  }

  function cut (): void {
    for (const { client, store } of [...pairs]) {
      client.resetAndDestroy()
      store.destroy()
    }
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  // A client learns of a broken connection in two steps, an error and a close, some turns of its event loop later.
  const seen = async (): Promise<void> => { await new Promise((resolve) => setTimeout(resolve, SEEN_MS)) }

  return {
    through (url) {
      const changed = new URL(url)
      changed.hostname = '127.0.0.1'
      changed.port = String((server.address() as AddressInfo).port)
      return changed.href
    },
    async cut () {
      cut()
      await seen()
    },
    async refuse () {
      mode = 'refuse'
      cut()
      await seen()
    },
    silence () { mode = 'silence' },
    resume () {
      // A connection that bytes were lost on can never be trusted again.
      if (mode === 'silence') cut()
      mode = 'pass'
    },
    async cutWhen (said, when, { refuse = false } = {}) {
      await new Promise<void>((resolve) => { trap = { said, when, refuse, sprung: resolve } })
    },
    connections: () => pairs.size,
    async close () {
      cut()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}
