/** The service: HTTP, operations listener and, unless told otherwise, the evaluation worker. */
import closeWithGrace from 'close-with-grace'
import { join } from 'node:path'
import { ConfigError, describeConfig, loadConfig, type Config } from '../config.ts'
import { offerAdminSocket } from './admin-socket.ts'
import { openRuntime } from './runtime.ts'

const DRAIN_MS = 30_000
const EXIT_REFUSED = 78 // EX_CONFIG of sysexits(3)

function readConfig (): Config {
  try {
    return loadConfig(process.env)
  } catch (err) {
    if (!(err instanceof ConfigError)) throw err
    process.stderr.write(`${err.message}\n`)
    process.exit(EXIT_REFUSED)
  }
}

const config = readConfig()
const runtime = await openRuntime(config)
const { app } = runtime
const adminSocket = runtime.database.kind === 'pglite' ? await offerAdminSocket(runtime, join(config.dataFolder, 'admin.sock')) : null

closeWithGrace({ delay: DRAIN_MS, logger: false }, async ({ err, signal }) => {
  if (err !== undefined) app.log.fatal({ type: err.name, frames: err.stack?.split('\n').filter((line) => line.startsWith('    at ')) }, 'unhandled error')
  else app.log.info({ signal }, 'draining')
  await adminSocket?.close()
  await runtime.close()
})

const { url, opsUrl } = await runtime.listen()
app.log.info({ config: describeConfig(config) }, 'configuration')
process.stdout.write(`FlowBeacon Public API on ${url} (operations on ${opsUrl}); stores: ${runtime.stores}\n`)
