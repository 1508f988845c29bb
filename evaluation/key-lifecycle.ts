/**
 * What can be done to a key, once for everybody who does it: the console's people and the operators' command line. Every change and its
 * event are one transaction; whatever takes a right away is told to the instances after the commit and before the call returns.
 */
import type { Database, Db } from '../db/client.ts'
import { addressesOf, insertKeyEvent, snapshotOf, type Act, type KeyAction } from '../db/queries/key-events.ts'
import { endKey, insertKey, lockKey, updateKey, type KeyChange, type KeyRow, type NewKey } from '../db/queries/keys.ts'
import type { AdmissionStore } from '../plugins/context.ts'
import { generateApiKey } from '../plugins/lib/api-key.ts'
import { compileAllowlist } from '../plugins/lib/cidr.ts'
import { newSigningSecret } from '../plugins/lib/hardened-signature.ts'
import { ulid } from '../plugins/lib/record-id.ts'
import type { MasterKeys } from '../plugins/lib/sealed-secret.ts'

export type { Act } from '../db/queries/key-events.ts'

export const GRACE_HOURS_MAX = 168
export const GRACE_HOURS_DEFAULT = 24
/** How far back the addresses of a key are looked for before its list is narrowed. */
export const OBSERVED_DAYS = 7
const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000
const SECOND_MS = 1000

export interface KeyDeps {
  readonly database: Database
  readonly admission: Pick<AdmissionStore, 'bumpEpoch'>
  readonly masterKeys: MasterKeys
  /** Unix milliseconds. */
  readonly nowMs: number
}

export type KeySettings = Pick<NewKey, 'name' | 'permissions' | 'ipAllowlist' | 'perMinute' | 'perHour' | 'expiresAt' | 'canaryLabel' | 'signingProfile'>

/** `key` and `signingSecret` are shown this once. */
export interface MadeKey { row: KeyRow, key: string, signingSecret: string | null }

/** `told`: false when running instances could not be told, and may go on with the old record for as long as they cache it. */
export type Ended = { outcome: 'unknown' } | { outcome: 'done', row: KeyRow, told: boolean }
export type Changed = { outcome: 'unknown' | 'revoked' } | { outcome: 'locks_out', addresses: string[] } | { outcome: 'done', row: KeyRow, told: boolean }
export type Rotated = { outcome: 'unknown' } | { outcome: 'refused', why: string } | { outcome: 'done', made: MadeKey, before: KeyRow, told: boolean }

export async function createKey (deps: KeyDeps, orgId: string, settings: KeySettings, act: Act): Promise<MadeKey> {
  return await deps.database.asOrganization(orgId, (tx) => makeKey(tx, deps, orgId, settings, act, null))
}

/** Revokes for good. A key that was revoked before stays as it was, and the instances are told again: so a step that failed is repeated. */
export async function revokeKey (deps: KeyDeps, orgId: string, keyId: string, act: Act): Promise<Ended> {
  const row = await deps.database.asOrganization(orgId, async (tx) => {
    const key = await lockKey(tx, orgId, keyId)
    return key === null || key.state === 'revoked' ? key : await endLocked(tx, deps, orgId, key, act)
  })
  return row === null ? { outcome: 'unknown' } : { outcome: 'done', row, told: await tell(deps, [keyId]) }
}

/** Changes name, limits and allowlist. A list that would lock out an address of the key's lately is refused unless it is confirmed. */
export async function changeKey (deps: KeyDeps, orgId: string, keyId: string, change: KeyChange & { confirm?: boolean }, act: Act): Promise<Changed> {
  const { confirm = false, ...fields } = change
  const changed = await deps.database.asOrganization<Changed>(orgId, async (tx) => {
    const key = await lockKey(tx, orgId, keyId)
    if (key === null) return { outcome: 'unknown' }
    if (key.state === 'revoked') return { outcome: 'revoked' }
    const addresses = confirm || fields.ipAllowlist === undefined ? [] : await lockedOut(tx, deps, orgId, key, fields.ipAllowlist)
    if (addresses.length > 0) return { outcome: 'locks_out', addresses }
    return { outcome: 'done', row: await changeLocked(tx, deps, orgId, key, fields, 'changed', act), told: true }
  })
  return changed.outcome === 'done' ? { ...changed, told: await tell(deps, [keyId]) } : changed
}

/**
 * Makes the key that takes this one's place. Both work for `graceHours` more, to the end of a whole second, and never beyond the old key's
 * own expiry, which the new one inherits. At most two keys of one chain work at a time: a rotation during another's grace is refused, or with
 * `force` ends it at once: the predecessor of this key, and a successor that it was given before.
 */
export async function rotateKey (deps: KeyDeps, orgId: string, keyId: string, options: { graceHours: number, force: boolean }, act: Act): Promise<Rotated> {
  if (!Number.isInteger(options.graceHours) || options.graceHours < 1 || options.graceHours > GRACE_HOURS_MAX) throw new RangeError(`graceHours must be a whole number from 1 to ${GRACE_HOURS_MAX}`)
  const ended: string[] = []
  const rotated = await deps.database.asOrganization<Rotated>(orgId, async (tx) => {
    const key = await lockKey(tx, orgId, keyId)
    if (key === null) return { outcome: 'unknown' }
    const lapse = lapseOf(key, deps.nowMs)
    if (lapse !== null) return { outcome: 'refused', why: `The key is ${lapse}.` }
    const successor = key.replacedBy === null ? null : await lockKey(tx, orgId, key.replacedBy)
    const predecessor = key.replaces === null ? null : await lockKey(tx, orgId, key.replaces)
    const graceEnd = [key, ...(predecessor === null || lapseOf(predecessor, deps.nowMs) !== null ? [] : [predecessor])].map(({ graceUntil }) => graceUntil).find((until) => until !== null) ?? null
    if (graceEnd !== null && !options.force) return { outcome: 'refused', why: `A rotation is under way until ${graceEnd.toISOString()}; force ends it at once.` }
    ended.push(...await endRotation(tx, deps, orgId, { successor, predecessor }, act))
    // A replaced key's own expiry is the end of its grace; the one it had lives on in its successor.
    const expiresAt = key.replacedBy === null ? key.expiresAt : successor?.expiresAt ?? null
    const settings = { name: key.name, permissions: key.permissions as KeySettings['permissions'], ipAllowlist: key.ipAllowlist, perMinute: key.perMinute, perHour: key.perHour, expiresAt, signingProfile: key.signingProfile }
    const made = await makeKey(tx, deps, orgId, settings, act, keyId)
    const graceUntil = new Date(Math.min(Math.ceil(deps.nowMs / SECOND_MS) * SECOND_MS + options.graceHours * HOUR_MS, expiresAt?.getTime() ?? Number.POSITIVE_INFINITY))
    const before = await changeLocked(tx, deps, orgId, key, { replacedBy: made.row.id, replacedAt: new Date(deps.nowMs), graceUntil, expiresAt: graceUntil }, 'rotated', act)
    return { outcome: 'done', made, before, told: true }
  })
  return rotated.outcome === 'done' ? { ...rotated, told: await tell(deps, [keyId, ...ended]) } : rotated
}

/**
 * Takes a rotation back whose answer did not leave: nobody knows the new key, which is revoked, and the old one is again as it was, so that the
 * rotation can be repeated. What a forced one had ended stays ended. Does nothing when the key has another successor by now.
 */
export async function undoRotation (deps: KeyDeps, orgId: string, keyId: string, successorId: string, act: Act): Promise<void> {
  const isUndone = await deps.database.asOrganization(orgId, async (tx) => {
    const key = await lockKey(tx, orgId, keyId)
    const successor = await lockKey(tx, orgId, successorId)
    if (key === null || successor === null || key.state === 'revoked' || key.replacedBy !== successorId) return false
    if (successor.state !== 'revoked') await endLocked(tx, deps, orgId, successor, act)
    await changeLocked(tx, deps, orgId, key, { replacedBy: null, replacedAt: null, graceUntil: null, expiresAt: successor.expiresAt }, 'changed', act)
    return true
  })
  if (isUndone) await tell(deps, [keyId, successorId])
}

/** Why a key does not work at this time, in one word, or null. */
export function lapseOf (key: Pick<KeyRow, 'state' | 'expiresAt'>, nowMs: number): 'revoked' | 'suspended' | 'inactive' | 'expired' | null {
  if (key.state !== 'active') return key.state
  return key.expiresAt !== null && key.expiresAt.getTime() <= nowMs ? 'expired' : null
}

async function makeKey (tx: Db, { masterKeys, nowMs }: KeyDeps, orgId: string, settings: KeySettings, act: Act, replaces: string | null): Promise<MadeKey> {
  const { key, prefix, digest } = generateApiKey()
  const id = `key_${ulid(nowMs)}`
  const signing = settings.signingProfile === 'hardened' ? newSigningSecret(id, masterKeys) : null
  const row = await insertKey(tx, orgId, { ...settings, id, prefix, digest, replaces, createdBy: act.actor, createdAt: new Date(nowMs), sealedSigningSecret: signing?.sealed ?? null })
  await insertKeyEvent(tx, orgId, { keyId: id, action: 'created', act, atMs: nowMs, before: null, after: snapshotOf(row) })
  return { row, key, signingSecret: signing?.secret ?? null }
}

async function changeLocked (tx: Db, { nowMs }: KeyDeps, orgId: string, key: KeyRow, change: Parameters<typeof updateKey>[3], action: KeyAction, act: Act): Promise<KeyRow> {
  const row = await updateKey(tx, orgId, key.id, change)
  await insertKeyEvent(tx, orgId, { keyId: key.id, action, act, atMs: nowMs, before: snapshotOf(key), after: snapshotOf(row) })
  return row
}

async function endLocked (tx: Db, { nowMs }: KeyDeps, orgId: string, key: KeyRow, act: Act): Promise<KeyRow> {
  const row = await endKey(tx, orgId, key.id, { actor: act.actor, reason: act.reason ?? 'no reason given', at: new Date(nowMs) })
  await insertKeyEvent(tx, orgId, { keyId: key.id, action: 'revoked', act, atMs: nowMs, before: snapshotOf(key), after: snapshotOf(row) })
  return row
}

/** Ends what a forced rotation leaves behind; returns the ids of the keys that stopped. */
async function endRotation (tx: Db, deps: KeyDeps, orgId: string, { successor, predecessor }: { successor: KeyRow | null, predecessor: KeyRow | null }, act: Act): Promise<string[]> {
  const ended: string[] = []
  if (successor !== null && successor.state !== 'revoked') {
    await endLocked(tx, deps, orgId, successor, { ...act, reason: act.reason ?? 'replaced by a forced rotation' })
    ended.push(successor.id)
  }
  if (predecessor !== null && lapseOf(predecessor, deps.nowMs) === null) {
    const at = new Date(deps.nowMs)
    await changeLocked(tx, deps, orgId, predecessor, { expiresAt: at, graceUntil: at }, 'changed', { ...act, reason: act.reason ?? 'its grace was ended by a forced rotation' })
    ended.push(predecessor.id)
  }
  return ended
}

async function lockedOut (tx: Db, { nowMs }: KeyDeps, orgId: string, key: KeyRow, ranges: readonly string[]): Promise<string[]> {
  const isAllowed = compileAllowlist(ranges)
  if (ranges.length === 0) return []
  return (await addressesOf(tx, orgId, key.id, new Date(nowMs - OBSERVED_DAYS * DAY_MS))).filter((ip) => !isAllowed(ip))
}

// After the commit: in the other order an instance could cache the old record again.
async function tell ({ admission }: KeyDeps, keyIds: readonly string[]): Promise<boolean> {
  const told = await Promise.allSettled(keyIds.map((keyId) => admission.bumpEpoch(keyId)))
  return told.every(({ status }) => status === 'fulfilled')
}
