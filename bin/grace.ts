/** Ends a process in order: on SIGTERM and SIGINT, and when something goes wrong that nobody caught. */
import closeWithGrace from 'close-with-grace'

const END_MS = 30_000

export interface GraceLogger { fatal (fields: object, message: string): void, info (fields: object, message: string): void }

/**
 * `close` is told whether to hurry: after an error nobody knows what still works. Ends with 0 after a signal; with 1 after an error, a close
 * that failed or took longer than 30 s, and a second signal, which ends the process at once.
 */
export function closeGracefully (logger: GraceLogger, close: (options: { isHurried: boolean }) => Promise<void>): void {
  const options = {
    delay: END_MS,
    logger: false as const,
    onSecondSignal: (signal?: string) => logger.fatal({ signal }, 'a second signal: ending at once'),
    onSecondError: (err: unknown) => logger.fatal(fieldsOf(err), 'another unhandled error: ending at once'),
    onTimeout: (ms?: number) => logger.fatal({ ms }, 'closing took too long')
  }
  closeWithGrace(options, async ({ err, signal }) => {
    if (err !== undefined) logger.fatal(fieldsOf(err), 'unhandled error')
    else logger.info({ signal }, 'draining')
    try {
      await close({ isHurried: err !== undefined })
    } catch (cause) {
      logger.fatal(fieldsOf(cause), 'closing failed')
      throw cause
    }
  })
}

// A message may hold what a partner sent; names and places in the code do not.
function fieldsOf (err: unknown): object {
  if (!(err instanceof Error)) return { type: typeof err }
  return { type: err.name, frames: (err.stack ?? '').split('\n').filter((line) => line.startsWith('    at ')) }
}
