/** How every target runs: in one process, or in PROCESSES of them behind one port, which is printed once all listen. SIGTERM ends it. */
import cluster from 'node:cluster'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'

export async function serve (build: () => Promise<FastifyInstance>): Promise<void> {
  const processes = Number(process.env['PROCESSES'] ?? 1)
  process.once('SIGTERM', () => process.exit(0))
  if (processes > 1 && cluster.isPrimary) {
    let listening = 0
    cluster.on('listening', (_worker, address) => { if (++listening === processes) process.stdout.write(`listening ${address.port}\n`) })
    cluster.on('exit', () => process.exit(1))
    for (let n = 0; n < processes; n++) cluster.fork()
    return
  }
  const app = await build()
  await app.listen({ port: Number(process.env['PORT'] ?? 0), host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  if (!cluster.isWorker) process.stdout.write(`listening ${port}\n`)
}
