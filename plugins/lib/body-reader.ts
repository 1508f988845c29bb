/**
 * Reads the bytes of a message into memory: never more than the limit, never longer than the deadline. Whoever owns the connection tells
 * by `breakMessage` that the rest of a message will never come, or cannot be told from the next one; the reader then ends at once instead
 * of waiting for the connection to close.
 */
import type { Readable } from 'node:stream'

export type BodyFailure = 'too_large' | 'too_slow' | 'unreadable'

/** Why a body could not be read. */
export class BodyError extends Error {
  readonly failure: BodyFailure

  constructor (failure: BodyFailure) {
    super(failure)
    this.name = 'BodyError'
    this.failure = failure
  }
}

export interface ReadOptions {
  bytesMax: number
  deadlineMs: number
}

const BROKEN = Symbol('why the rest of this message cannot be read')

/** Ends the reading of a message, now or when it begins. */
export function breakMessage (message: Readable, failure: BodyFailure): void {
  Reflect.set(message, BROKEN, failure)
  message.emit(BROKEN)
}

/** All bytes of a message. Rejects with `BodyError`; what was not read by then stays unread. */
export async function readBody (message: Readable, { bytesMax, deadlineMs }: ReadOptions): Promise<Buffer> {
  return await new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    const timer = setTimeout(fail, deadlineMs, 'too_slow')

    function take (chunk: Buffer | string): void {
      const piece = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk)
      bytes += piece.length
      if (bytes > bytesMax) return fail('too_large')
      chunks.push(piece)
    }
    function finish (): void {
      release()
      const [only] = chunks
      resolve(chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, bytes))
    }
    function fail (failure: BodyFailure): void {
      release()
      message.pause()
      reject(new BodyError(failure))
    }
    function failUnreadable (): void { fail('unreadable') }
    function failAsTold (): void { fail(brokenBy(message) ?? 'unreadable') }
    function release (): void {
      clearTimeout(timer)
      message.off('data', take).off('end', finish).off('error', failUnreadable).off('close', failUnreadable).off(BROKEN, failAsTold)
    }

    if (brokenBy(message) !== null || message.destroyed) return failAsTold()
    message.on('data', take).on('end', finish).on('error', failUnreadable).on('close', failUnreadable).on(BROKEN, failAsTold)
  })
}

function brokenBy (message: Readable): BodyFailure | null {
  const failure: unknown = Reflect.get(message, BROKEN)
  return failure === 'too_large' || failure === 'too_slow' || failure === 'unreadable' ? failure : null
}
