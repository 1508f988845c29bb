/** The service: HTTP, operations listener and, unless told otherwise, the evaluation worker. */
import { join } from 'node:path'
import { ConfigError, describeConfig, loadConfig, type Config } from '../config.ts'
import { offerAdminSocket } from './admin-socket.ts'
import { closeGracefully } from './grace.ts'
import { openRuntime } from './runtime.ts'

const EXIT_REFUSED = 78 // EX_CONFIG of sysexits(3)

function readConfig (): Config {
  try {
    return loadConfig(process.env)
  } catch (err) {
    return refuse(err)
  }
}

function refuse (err: unknown): never {
  if (!(err instanceof ConfigError)) throw err
  process.stderr.write(`${err.message}\n`)
  process.exit(EXIT_REFUSED)
}

const config = readConfig()
const runtime = await openRuntime(config).catch(refuse)
const { app } = runtime
const adminSocket = runtime.database.kind === 'pglite' ? await offerAdminSocket(runtime, join(config.dataFolder, 'admin.sock')) : null

closeGracefully(app.log, async () => {
  await adminSocket?.close()
  await runtime.close()
})

const { url, opsUrl } = await runtime.listen()
app.log.info({ config: describeConfig(config) }, 'configuration')
process.stdout.write(`FlowBeacon Public API on ${url} (operations on ${opsUrl}); stores: ${runtime.stores}\n`)
