/** The service: HTTP, operations listener and, unless told otherwise, the evaluation worker. */
import { describeConfig } from '../config.ts'
import { adminSocketPath, offerAdminSocket } from './admin-socket.ts'
import { orEnd, readConfig } from './boot.ts'
import { closeGracefully } from './grace.ts'
import { openRuntime } from './runtime.ts'

const config = readConfig()
const runtime = await orEnd('the stores cannot be used', () => openRuntime(config))
const { app } = runtime
const adminSocket = runtime.database.kind === 'pglite'
  ? await orEnd('the socket of the command line cannot be offered', () => offerAdminSocket(runtime, adminSocketPath(config.dataFolder)), () => runtime.close())
  : null

async function close ({ isHurried }: { isHurried: boolean }): Promise<void> {
  await adminSocket?.close()
  await runtime.close({ delayMs: isHurried ? 0 : config.shutdownDelayMs })
}

closeGracefully(app.log, close)

const { url, opsUrl } = await orEnd('the service cannot listen', () => runtime.listen(), () => close({ isHurried: true }))
app.log.info({ config: describeConfig(config) }, 'configuration')
process.stdout.write(`FlowBeacon Public API on ${url} (operations on ${opsUrl}); stores: ${runtime.stores}\n`)
