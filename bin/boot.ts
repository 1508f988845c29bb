/** How a process starts: with a configuration that it understands or exit 78, with its stores and its port or exit 1. One sentence says why. */
import { ConfigError, loadConfig, type Config } from '../config.ts'
import { DatabaseInUseError, safeDatabaseError } from '../db/client.ts'
import { OperationError } from '../evaluation/operator.ts'

/** EX_CONFIG of sysexits(3): starting again changes nothing. After exit 1 it may. */
const EXIT_REFUSED = 78
const EXIT_FAILED = 1
/** SQLSTATE classes of a server that lets nobody in: authorization, unknown database, no resources, shutting down. */
const REFUSED_CONNECTION = /^(?:28|3D|53|57)[0-9A-Z]{3}$/

/** The configuration of this environment. Ends the process when there is none. */
export function readConfig (): Config {
  try {
    return loadConfig(process.env)
  } catch (err) {
    return endProcess('the configuration cannot be read', err)
  }
}

/** Does one step of the start. When it fails, `undo` runs and the process ends: `what` and a reason without bound values stand on stderr. */
export async function orEnd<T> (what: string, step: () => Promise<T>, undo: () => Promise<void> = async () => {}): Promise<T> {
  try {
    return await step()
  } catch (err) {
    await undo().catch(() => {})
    return endProcess(what, err)
  }
}

export function endProcess (what: string, err: unknown): never {
  if (err instanceof ConfigError) {
    process.stderr.write(`${err.message}\n`)
    process.exit(EXIT_REFUSED)
  }
  process.stderr.write(`${what}: ${reasonOf(err)}\n`)
  process.exit(EXIT_FAILED)
}

// A driver's message may hold bound values; that of a connection which was refused, its code and the address that was dialled do not.
function reasonOf (err: unknown): string {
  if (err instanceof DatabaseInUseError || err instanceof OperationError) return err.message
  const { code } = safeDatabaseError(err)
  if (!(err instanceof Error)) return 'unknown'
  if (code === undefined) return err.name
  if (REFUSED_CONNECTION.test(code)) return `${err.message} (${code})`
  const address = 'address' in err && typeof err.address === 'string' ? ` ${err.address}` : ''
  const port = 'port' in err && typeof err.port === 'number' ? `:${err.port}` : ''
  return `${code}${address}${port}`
}
