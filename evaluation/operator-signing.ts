/** What an operator does about how a key signs: a new signing secret, and a time in which refused signatures are explained. */
import type { Database, Db } from '../db/client.ts'
import { insertKeyEvent, snapshotOf, type Act, type KeyAction } from '../db/queries/key-events.ts'
import { lockKey, rotateSigningSecret } from '../db/queries/keys.ts'
import { debugKey } from '../db/queries/system.ts'
import { KEY_CACHE_SECONDS, type AdmissionStore } from '../plugins/context.ts'
import { newSigningSecret } from '../plugins/lib/hardened-signature.ts'
import type { MasterKeys } from '../plugins/lib/sealed-secret.ts'
import { actOf, oneKey, tellInstances } from './operator-anomalies.ts'
import { OperationError, readDuration, readText } from './operator-arguments.ts'

const GRACE_MS_DEFAULT = 24 * 3_600_000
const GRACE_MAX = { ms: 7 * 86_400_000, text: '7d' }
const DEBUG_MAX = { ms: 86_400_000, text: '24h' }

export interface SigningDeps { readonly database: Database, readonly admission: Pick<AdmissionStore, 'bumpEpoch'>, readonly masterKeys: MasterKeys, readonly actor: string }

type Arguments = Record<string, unknown>

export interface RotatedKey {
  id: string
  prefix: string
  /** Shown this once. */
  signing_secret: string
  /** When the secret before stops being valid; null when it already has. */
  previous_until: string | null
  /** Set when running instances could not be told. The new secret works all the same: a record that does not know it is read again. */
  warning?: string
}

/** Gives a hardened key a new secret. The one before works for `grace` more (default 24h, at most 7d; `none` for not at all). */
export async function rotateOneSecret ({ database, admission, masterKeys, actor }: SigningDeps, args: Arguments): Promise<RotatedKey> {
  const key = await oneKey(database, readText(args, 'key'))
  const graceMs = args['grace'] === 'none' ? 0 : readDuration(args['grace'], 'grace', GRACE_MAX) ?? GRACE_MS_DEFAULT
  if (key.signingProfile !== 'hardened') throw new OperationError('failed', 'the key is of the published signature profile and has no signing secret; make a key with --signing-profile hardened')
  const { secret, sealed } = newSigningSecret(key.id, masterKeys)
  const rotated = await database.asOrganization(key.orgId, (tx) => withEvent(tx, key, 'signing_secret_rotated', actOf(actor, args), async () => {
    const done = await rotateSigningSecret(tx, key.orgId, key.id, { sealedSecret: sealed, graceSeconds: graceMs / 1000 })
    if (done === null) throw new OperationError('failed', `the key is ${key.state}, and its signing secret can no longer be rotated`)
    return done
  }))
  // The secret is shown whatever happens now: nobody could ask for it again.
  const warning = await tellInstances({ admission }, key.id, 'rotation').then(() => null, () => `the instances could not be told: they may take the secret before for at most ${KEY_CACHE_SECONDS} s more`)
  return { id: key.id, prefix: key.prefix, signing_secret: secret, previous_until: rotated.previousUntil?.toISOString() ?? null, ...(warning === null ? {} : { warning }) }
}

/** For a time (`for`, at most 24h; `off` ends it) the audit rows of the key's refused signatures say what differed. */
export async function debugOneKey ({ database, admission, actor }: Omit<SigningDeps, 'masterKeys'>, args: Arguments): Promise<object> {
  const key = await oneKey(database, readText(args, 'key'))
  const forMs = args['for'] === 'off' ? null : readDuration(args['for'], 'for', DEBUG_MAX)
  if (forMs === null && args['for'] !== 'off') throw new OperationError('usage', 'for must be a duration such as 30m, or off')
  const until = await database.db.transaction((tx) => withEvent(tx, key, 'debug_changed', actOf(actor, args), () => debugKey(tx, key.id, forMs)))
  await tellInstances({ admission }, key.id, 'change')
  return { id: key.id, prefix: key.prefix, debug_until: until?.toISOString() ?? null }
}

/** A change and its event, in the transaction of both. A change that is refused throws, and leaves none. */
async function withEvent<Result> (tx: Db, { id: keyId, orgId }: { id: string, orgId: string }, action: KeyAction, act: Act, change: () => Promise<Result>): Promise<Result> {
  const before = await lockKey(tx, orgId, keyId)
  const result = await change()
  const after = await lockKey(tx, orgId, keyId)
  if (before === null || after === null) throw new Error('a key that was found is not there')
  await insertKeyEvent(tx, orgId, { keyId, action, act, atMs: Date.now(), before: snapshotOf(before), after: snapshotOf(after) })
  return result
}
