// As bench/servers/serve.ts, for the peers: PROCESSES behind one port, which is printed once all listen.
import cluster from 'node:cluster'

/** `listen(port, host)` resolves to the port that it got. */
export async function serve (listen) {
  const processes = Number(process.env.PROCESSES ?? 1)
  process.once('SIGTERM', () => process.exit(0))
  if (processes > 1 && cluster.isPrimary) {
    let listening = 0
    cluster.on('listening', (_worker, address) => { if (++listening === processes) process.stdout.write(`listening ${address.port}\n`) })
    cluster.on('exit', () => process.exit(1))
    for (let n = 0; n < processes; n++) cluster.fork()
    return
  }
  const port = await listen(Number(process.env.PORT ?? 0), '127.0.0.1')
  if (!cluster.isWorker) process.stdout.write(`listening ${port}\n`)
}
