/** What an operator does about anomalies: looks at them, suspends and resumes keys, and tries a change on past requests. */
import { listAnomalies, readObservations, resumeKey, suspendKey, type AnomalyEventRow } from '../db/queries/anomalies.ts'
import { listNotices, type Act } from '../db/queries/key-events.ts'
import { findKeysByIdOrPrefix, listKeysForBacktest, type KeyForOperator } from '../db/queries/system.ts'
import type { Database } from '../db/client.ts'
import { KEY_CACHE_SECONDS, type AdmissionStore, type Permission } from '../plugins/context.ts'
import { changeThresholds, type Thresholds } from '../plugins/lib/anomaly/thresholds.ts'
import { createBacktest, type BacktestChange } from './backtest.ts'
import { OperationError, readLimitOrNull, readPermission, readRangesOf, readText } from './operator-arguments.ts'

const DAYS_MAX = 90
const DAY_MS = 86_400_000
const SLICE_MS_MIN = 1000
const SLICE_MS_MAX = 3_600_000
const SLICE_ROWS = 20_000
/** Events of one answer. */
export const LIST_MAX = 1000
export const LIST_DEFAULT = 50

export interface AnomalyDeps {
  readonly database: Database
  readonly admission: Pick<AdmissionStore, 'bumpEpoch'>
  readonly thresholds: Thresholds
  /** Told the share that is done, 0 to 1. Default none. */
  readonly onProgress?: (share: number) => void
}

type Arguments = Record<string, unknown>

/** Anomalies and notices of expiring keys, each newest first; with `after` and `notices_after` what came since these ids, oldest first. */
export async function listAnomalyEvents ({ database }: AnomalyDeps, args: Arguments): Promise<{ anomalies: object[], notices: object[] }> {
  const since = args['since']
  const after = args['after']
  const wanted = {
    limit: readLimitOrNull(args['limit'], 'limit', LIST_MAX) ?? LIST_DEFAULT,
    ...(args['org'] === undefined ? {} : { orgId: readText(args, 'org') }),
    ...(since === undefined ? {} : { since: readTime(since, 'since') })
  }
  const rows = await listAnomalies(database.db, { ...wanted, ...(typeof after === 'number' && Number.isSafeInteger(after) ? { afterId: after } : {}) })
  const notices = await listNotices(database.db, { ...wanted, ...(args['notices_after'] === undefined ? {} : { afterId: readText(args, 'notices_after') }) })
  return {
    anomalies: rows.map(shown),
    notices: notices.map(({ id, at, orgId, keyId, prefix, noticeDays, expiresAt }) => ({ id, at: at.toISOString(), org_id: orgId, key_id: keyId, prefix, days: noticeDays, expires_at: expiresAt?.toISOString() ?? null }))
  }
}

export async function suspendOneKey (deps: AnomalyDeps, args: Arguments, actor: string): Promise<object> {
  const act = actOf(actor, args)
  const key = await oneKey(deps.database, readText(args, 'key'))
  const outcome = await deps.database.db.transaction((tx) => suspendKey(tx, key.id, { reason: act.reason ?? `suspended by ${actor}`, isCertain: true, act }))
  // Suspended before: repeating the step is how an operator tells instances that it did not reach.
  if (outcome !== 'suspended' && key.state !== 'suspended') throw new OperationError('failed', `the key is ${key.state}, and only an active key can be suspended`)
  await tellInstances(deps, key.id, 'suspension')
  return { id: key.id, prefix: key.prefix, state: 'suspended' }
}

export async function resumeOneKey (deps: AnomalyDeps, args: Arguments, actor: string): Promise<object> {
  const act = actOf(actor, args)
  const key = await oneKey(deps.database, readText(args, 'key'))
  if (!await deps.database.db.transaction((tx) => resumeKey(tx, key.id, act))) throw new OperationError('failed', `the key is ${key.state}, and only a suspended key can be resumed`)
  await tellInstances(deps, key.id, 'resumption')
  return { id: key.id, prefix: key.prefix, state: 'active' }
}

/** Replays the past through the decisions of the present and of the proposed change. */
export async function runBacktest (deps: AnomalyDeps, args: Arguments): Promise<object> {
  const days = args['days']
  if (typeof days !== 'number' || !(days > 0 && days <= DAYS_MAX)) throw new OperationError('usage', `days must be a number above 0 and at most ${DAYS_MAX}`)
  const change = await readChange(deps, args)
  const keys = await listKeysForBacktest(deps.database.db)
  const backtest = createBacktest(change, new Map(keys.map((key) => [key.keyId, key])))
  const untilMs = Date.now()
  const fromMs = untilMs - days * DAY_MS
  let sliceMs = 600_000
  for (let sinceMs = fromMs; sinceMs < untilMs;) {
    const endMs = Math.min(untilMs, sinceMs + sliceMs)
    const rows = await readObservations(deps.database.db, { sinceMs, untilMs: endMs, limit: SLICE_ROWS + 1 })
    // A slice that holds too much is read again in halves; one that is nearly empty lets the next one grow.
    if (rows.length > SLICE_ROWS && sliceMs > SLICE_MS_MIN) {
      sliceMs = Math.max(SLICE_MS_MIN, sliceMs / 2)
      continue
    }
    if (rows.length > SLICE_ROWS) throw new OperationError('failed', `more than ${SLICE_ROWS} requests in one second: too many to replay`)
    for (const row of rows) backtest.observe(row)
    if (rows.length < SLICE_ROWS / 8) sliceMs = Math.min(SLICE_MS_MAX, sliceMs * 2)
    sinceMs = endMs
    deps.onProgress?.((sinceMs - fromMs) / (untilMs - fromMs))
  }
  return { from: new Date(fromMs).toISOString(), until: new Date(untilMs).toISOString(), ...backtest.report({ suggest: args['suggest'] === true }) }
}

async function readChange (deps: AnomalyDeps, args: Arguments): Promise<BacktestChange> {
  const removed = args['remove_scope']
  const ranges = args['ip_allow']
  return {
    thresholds: { current: deps.thresholds, proposed: args['thresholds'] === undefined ? null : readThresholds(args['thresholds'], deps.thresholds) },
    autoSuspend: args['auto_suspend'] === true,
    perMinute: readLimitOrNull(args['rpm'], 'rpm'),
    perHour: readLimitOrNull(args['rph'], 'rph'),
    ipAllowlist: ranges === undefined ? null : readRangesOf(ranges),
    removedScope: removed === undefined ? null : readPermission(removed) satisfies Permission,
    keyId: args['key'] === undefined ? null : (await oneKey(deps.database, readText(args, 'key'))).id
  }
}

function readThresholds (changes: unknown, base: Thresholds): Thresholds {
  try {
    return changeThresholds(changes, base)
  } catch (cause) {
    throw new OperationError('usage', `thresholds: ${cause instanceof Error ? cause.message : 'not understood'}`, { cause })
  }
}

function readTime (value: unknown, name: string): Date {
  const at = typeof value === 'string' ? new Date(value) : null
  if (at === null || Number.isNaN(at.getTime())) throw new OperationError('usage', `${name} must be an ISO 8601 time, such as 2027-01-31T12:00:00Z`)
  return at
}

/** The operator, and `reason` where one is given. */
export function actOf (actor: string, args: Arguments): Act {
  return { actor, reason: args['reason'] === undefined ? null : readText(args, 'reason'), watermark: null }
}

/** The key that an id or a prefix names. */
export async function oneKey (database: Pick<Database, 'db'>, wanted: string): Promise<KeyForOperator> {
  const matches = await findKeysByIdOrPrefix(database.db, wanted)
  const [match] = matches
  if (match === undefined) throw new OperationError('failed', 'no key has this id or prefix')
  if (matches.length > 1) throw new OperationError('failed', `${matches.length} keys have this prefix; give the id: ${matches.map(({ id }) => id).join(', ')}`)
  return match
}

/** After the commit: in the other order an instance could cache the old record again. */
export async function tellInstances ({ admission }: Pick<AnomalyDeps, 'admission'>, keyId: string, what: string): Promise<void> {
  try {
    await admission.bumpEpoch(keyId)
  } catch (cause) {
    throw new OperationError('unavailable', `the ${what} of ${keyId} is committed, but the instances could not be told: they may serve the key ` +
      `from cache for at most ${KEY_CACHE_SECONDS} s. Repeat the command.`, { cause })
  }
}

function shown (row: AnomalyEventRow): object {
  return {
    id: row.id,
    at: row.at.toISOString(),
    signal: row.signal,
    severity: row.severity,
    certain: row.isCertain,
    org_id: row.orgId,
    key_id: row.keyId,
    numbers: row.numbers,
    threshold: row.threshold,
    watermarks: row.watermarks,
    ip: row.ip,
    user_agent: row.userAgent,
    label: row.label,
    action: row.action
  }
}
