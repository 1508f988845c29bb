/** The evaluation worker alone: takes jobs from the database, serves no partner. */
import { orEnd, readConfig } from './boot.ts'
import { closeGracefully } from './grace.ts'
import { openRuntime } from './runtime.ts'

const config = Object.freeze({ ...readConfig(), worker: true })
const runtime = await orEnd('the stores cannot be used', () => openRuntime(config, { serve: false }))
closeGracefully(runtime.app.log, () => runtime.close())
const { opsUrl } = await orEnd('the worker cannot listen', () => runtime.listen(), () => runtime.close())
process.stdout.write(`FlowBeacon worker is running (operations on ${opsUrl}); stores: ${runtime.stores}\n`)
