/** Rotation of the master key: every sealed secret is opened with the key it was sealed with and sealed with the current one. */
import type { Database, Db } from '../db/client.ts'
import { listSealedSecrets, replaceSealedSecret } from '../db/queries/delivery-queue.ts'
import { listSealedSigningSecrets, replaceSealedSigningSecret } from '../db/queries/system.ts'
import { signingContext } from '../plugins/lib/hardened-signature.ts'
import { currentVersion, openSecret, sealSecret, versionOf, type MasterKeys } from '../plugins/lib/sealed-secret.ts'

const PAGE = 500

export interface Rewrapped {
  current_version: number
  /** Sealed anew by this run. */
  rewrapped: number
  /** Sealed with the current key already. */
  current: number
  /** Webhooks and keys whose secret no configured key opens: nothing is sent to such a webhook, and such a key gets 503. */
  unreadable: string[]
}

/** One kind of stored secret. */
interface Kind {
  list (db: Db, page: { afterId: string, limit: number }): Promise<Array<{ id: string, sealedSecret: string }>>
  /** Only while it is still the one that was read. */
  replace (db: Db, change: { id: string, from: string, to: string }): Promise<void>
  /** What is authenticated with the secret of this id. */
  contextOf (id: string): string
}

const KINDS: readonly Kind[] = [
  { list: listSealedSecrets, replace: replaceSealedSecret, contextOf: (id) => id },
  ...(['current', 'previous'] as const).map((which): Kind => ({
    list: (db, page) => listSealedSigningSecrets(db, which, page),
    replace: (db, change) => replaceSealedSigningSecret(db, which, change),
    contextOf: signingContext
  }))
]

/**
 * Seals every secret with the current master key. Safe to repeat and to interrupt: a row is only replaced when it is still
 * the one that was read, so a secret that is rotated meanwhile keeps its new value.
 */
export async function rewrapSecrets (database: Database, keys: MasterKeys): Promise<Rewrapped> {
  const answer: Rewrapped = { current_version: currentVersion(keys), rewrapped: 0, current: 0, unreadable: [] }
  for (const kind of KINDS) await rewrapKind(database, kind, keys, answer)
  return answer
}

async function rewrapKind (database: Database, kind: Kind, keys: MasterKeys, answer: Rewrapped): Promise<void> {
  let afterId = ''
  for (;;) {
    const page = await kind.list(database.db, { afterId, limit: PAGE })
    for (const { id, sealedSecret } of page) {
      if (versionOf(sealedSecret) === answer.current_version) answer.current++
      else if (await rewrapOne(database, kind, { id, sealedSecret }, keys)) answer.rewrapped++
      else if (!answer.unreadable.includes(id)) answer.unreadable.push(id)
    }
    const last = page.at(-1)
    if (last === undefined) return
    afterId = last.id
  }
}

async function rewrapOne (database: Database, kind: Kind, { id, sealedSecret: from }: { id: string, sealedSecret: string }, keys: MasterKeys): Promise<boolean> {
  const context = kind.contextOf(id)
  let secret: string
  try {
    secret = openSecret(from, context, keys)
  } catch {
    // Its key is not configured, or the text is damaged: reported by id, and left as it is.
    return false
  }
  await kind.replace(database.db, { id, from, to: sealSecret(secret, context, keys) })
  return true
}
