/** Ends a process in order: on SIGTERM and SIGINT, and when something goes wrong that nobody caught. */
import closeWithGrace from 'close-with-grace'

const DRAIN_MS = 30_000
/** postgres.js 3.4 may write once more to a connection that has just closed; the statement is lost and its caller has a deadline (db/deadline.ts). */
const DRIVER_WRITE = /\bnextWrite\b.*[\\/]postgres[\\/](?:cjs[\\/])?src[\\/]connection\.js/

export interface GraceLogger { fatal (fields: object, message: string): void, error (fields: object, message: string): void, info (fields: object, message: string): void }

export function closeGracefully (logger: GraceLogger, close: () => Promise<void>): void {
  closeWithGrace({ delay: DRAIN_MS, logger: false, skip: ['uncaughtException'] }, async ({ err, signal }) => {
    if (err !== undefined) logger.fatal({ type: err.name, frames: framesOf(err) }, 'unhandled error')
    else logger.info({ signal }, 'draining')
    await close()
  })
  process.on('uncaughtException', (err) => {
    if (err instanceof TypeError && framesOf(err).some((frame) => DRIVER_WRITE.test(frame))) {
      logger.error({ type: err.name }, 'the database driver wrote to a connection that had closed; what waited for it is given up')
      return
    }
    logger.fatal({ type: err.name, frames: framesOf(err) }, 'unhandled error')
    setTimeout(() => process.exit(1), DRAIN_MS).unref()
    close().finally(() => process.exit(1)).catch(() => {})
  })
}

function framesOf (err: Error): string[] {
  return (err.stack ?? '').split('\n').filter((line) => line.startsWith('    at '))
}
