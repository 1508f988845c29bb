/** Reads large submissions in a thread of its own, one after the other. */
import { ApiError } from '../errors.ts'
import type { ReadBlueprint, ReadBody } from './import-thread.ts'
import { oneThread } from './one-thread.ts'

const DEADLINE_MS = 20_000
const RETRY_AFTER_SECONDS = '2'

export interface BodyReader {
  /** Throws `malformed_request` as the parser does, and `unavailable` when the thread was lost. */
  read (bytes: Buffer): Promise<{ body: unknown, blueprints: ReadonlyArray<ReadBlueprint | null> }>
  close (): Promise<void>
}

/** With `savesAll` every blueprint gets its digest, not only one that asks to be saved. Default false. */
export function bodyReader ({ savesAll = false }: { savesAll?: boolean } = {}): BodyReader {
  const thread = oneThread({ url: new URL('./import-thread.js', import.meta.url), deadlineMs: DEADLINE_MS })
  return {
    async read (bytes) {
      const { answer, lost } = await thread.run({ bytes, savesAll })
      if (lost !== null) throw new ApiError('unavailable', { reason: 'reader', headers: { 'retry-after': RETRY_AFTER_SECONDS } })
      const said = answer as ReadBody
      if ('refused' in said) throw new ApiError('malformed_request', { reason: 'json', ...(typeof said.refused === 'string' ? { detail: said.refused } : {}) })
      return said
    },
    close: () => thread.close()
  }
}
