/** The evaluation worker alone: takes jobs from the database, serves no partner. */
import { ConfigError, loadConfig, type Config } from '../config.ts'
import { closeGracefully } from './grace.ts'
import { openRuntime } from './runtime.ts'

const EXIT_REFUSED = 78 // EX_CONFIG of sysexits(3)

function readConfig (): Config {
  try {
    return Object.freeze({ ...loadConfig(process.env), worker: true })
  } catch (err) {
    if (!(err instanceof ConfigError)) throw err
    process.stderr.write(`${err.message}\n`)
    process.exit(EXIT_REFUSED)
  }
}

const runtime = await openRuntime(readConfig(), { serve: false })
closeGracefully(runtime.app.log, () => runtime.close())
const { opsUrl } = await runtime.listen()
process.stdout.write(`FlowBeacon worker is running (operations on ${opsUrl}); stores: ${runtime.stores}\n`)
