/** What an operator does to a key, as an organization's people do it from the console: rotation, limits and allowlist, its history. */
import { listKeyEvents } from '../db/queries/key-events.ts'
import type { KeyChange } from '../db/queries/keys.ts'
import { KEY_CACHE_SECONDS } from '../plugins/context.ts'
import { changeKey, GRACE_HOURS_DEFAULT, GRACE_HOURS_MAX, OBSERVED_DAYS, rotateKey, type KeyDeps } from './key-lifecycle.ts'
import { actOf, oneKey } from './operator-anomalies.ts'
import { OperationError, readLimitOrNull, readRanges, readText } from './operator-arguments.ts'

const EVENTS_MAX = 1000
const EVENTS_DEFAULT = 50

type Arguments = Record<string, unknown>
type OperatorKeyDeps = Omit<KeyDeps, 'nowMs'> & { readonly actor: string }

/** `grace_hours` 1 to 168 (24), `force`, `reason`. The new key is in this answer and in no other. */
export async function rotateOneKey (deps: OperatorKeyDeps, args: Arguments): Promise<object> {
  const { id, orgId } = await oneKey(deps.database, readText(args, 'key'))
  const graceHours = readLimitOrNull(args['grace_hours'], 'grace_hours', GRACE_HOURS_MAX) ?? GRACE_HOURS_DEFAULT
  const rotated = await rotateKey(keyDepsOf(deps), orgId, id, { graceHours, force: args['force'] === true }, actOf(deps.actor, args))
  if (rotated.outcome === 'unknown') throw new OperationError('failed', 'no key has this id or prefix')
  if (rotated.outcome === 'refused') throw new OperationError('failed', `the key cannot be rotated: ${rotated.why}`)
  const { made: { row, key, signingSecret }, before, told } = rotated
  return {
    id: row.id,
    key,
    prefix: row.prefix,
    expires_at: row.expiresAt?.toISOString() ?? null,
    ...(signingSecret === null ? {} : { signing_secret: signingSecret }),
    replaced: before.id,
    grace_until: before.graceUntil?.toISOString() ?? null,
    ...(told ? {} : { warning: `the instances could not be told: a key that this rotation ended may work for at most ${KEY_CACHE_SECONDS} s more` })
  }
}

/** `name`, `rpm`, `rph`, `ip_allow`; a list that locks the key's own addresses out needs `confirm`. */
export async function changeOneKey (deps: OperatorKeyDeps, args: Arguments): Promise<object> {
  const { id, orgId, prefix } = await oneKey(deps.database, readText(args, 'key'))
  const change = readChange(args)
  const changed = await changeKey(keyDepsOf(deps), orgId, id, { ...change, confirm: args['confirm'] === true }, actOf(deps.actor, args))
  switch (changed.outcome) {
    case 'unknown': throw new OperationError('failed', 'no key has this id or prefix')
    case 'revoked': throw new OperationError('failed', 'the key is revoked')
    case 'locks_out': throw new OperationError('failed', `the list leaves out addresses from which the key was used in the last ${OBSERVED_DAYS} days: ${changed.addresses.join(', ')}; confirm to go on`)
  }
  if (!changed.told) throw untold('change', id)
  const { row } = changed
  return { id, prefix, name: row.name, rpm: row.perMinute, rph: row.perHour, ip_allow: row.ipAllowlist }
}

/** Newest first. */
export async function listOneKeysEvents (deps: OperatorKeyDeps, args: Arguments): Promise<object> {
  const { id, orgId } = await oneKey(deps.database, readText(args, 'key'))
  const limit = readLimitOrNull(args['limit'], 'limit', EVENTS_MAX) ?? EVENTS_DEFAULT
  const rows = await deps.database.asOrganization(orgId, (tx) => listKeyEvents(tx, orgId, { keyId: id, limit, afterId: null }))
  return { events: rows.map(({ at, action, actor, reason, before, after, watermark, noticeDays }) => ({ at: at.toISOString(), action, actor, reason, before, after, watermark, notice_days: noticeDays })) }
}

export function keyDepsOf ({ database, admission, masterKeys }: OperatorKeyDeps): KeyDeps {
  return { database, admission, masterKeys, nowMs: Date.now() }
}

export function untold (what: string, keyId: string): OperationError {
  return new OperationError('unavailable', `the ${what} of ${keyId} is committed, but the instances could not be told: they may serve the key from cache for at most ${KEY_CACHE_SECONDS} s. Repeat the command.`)
}

function readChange (args: Arguments): KeyChange {
  const perMinute = readLimitOrNull(args['rpm'], 'rpm')
  const perHour = readLimitOrNull(args['rph'], 'rph')
  const change = {
    ...(args['name'] === undefined ? {} : { name: readText(args, 'name') }),
    ...(perMinute === null ? {} : { perMinute }),
    ...(perHour === null ? {} : { perHour }),
    ...(args['ip_allow'] === undefined ? {} : { ipAllowlist: readRanges(args['ip_allow']) })
  }
  if (Object.keys(change).length === 0) throw new OperationError('usage', 'a change names at least one of name, rpm, rph and ip_allow')
  return change
}
