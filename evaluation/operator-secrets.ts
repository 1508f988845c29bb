/** Rotation of the master key: every sealed secret is opened with the key it was sealed with and sealed with the current one. */
import type { Database } from '../db/client.ts'
import { listSealedSecrets, replaceSealedSecret } from '../db/queries/delivery-queue.ts'
import { currentVersion, openSecret, sealSecret, versionOf, type MasterKeys } from '../plugins/lib/sealed-secret.ts'

const PAGE = 500

export interface Rewrapped {
  current_version: number
  /** Sealed anew by this run. */
  rewrapped: number
  /** Sealed with the current key already. */
  current: number
  /** Webhooks whose secret no configured key opens; they wait, and nothing is sent to them. */
  unreadable: string[]
}

/**
 * Seals every secret with the current master key. Safe to repeat and to interrupt: a row is only replaced when it is still
 * the one that was read, so a secret that is rotated meanwhile keeps its new value.
 */
export async function rewrapSecrets (database: Database, keys: MasterKeys): Promise<Rewrapped> {
  const answer: Rewrapped = { current_version: currentVersion(keys), rewrapped: 0, current: 0, unreadable: [] }
  let afterId = ''
  for (;;) {
    const page = await listSealedSecrets(database.db, { afterId, limit: PAGE })
    for (const { id, sealedSecret } of page) {
      if (versionOf(sealedSecret) === answer.current_version) answer.current++
      else if (await rewrapOne(database, id, sealedSecret, keys)) answer.rewrapped++
      else answer.unreadable.push(id)
    }
    const last = page.at(-1)
    if (last === undefined) return answer
    afterId = last.id
  }
}

async function rewrapOne (database: Database, id: string, sealed: string, keys: MasterKeys): Promise<boolean> {
  let secret: string
  try {
    secret = openSecret(sealed, id, keys)
  } catch {
    // Its key is not configured, or the text is damaged: reported by id, and left as it is.
    return false
  }
  await replaceSealedSecret(database.db, { id, from: sealed, to: sealSecret(secret, id, keys) })
  return true
}
