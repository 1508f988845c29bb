/**
 * Leads leaked marks back to where they came from. Each MAC is checked before any query: what the server key did not make is forged,
 * whatever it looks like. Marks come from a command line or a socket, found in any text by bin/fb/marks.ts.
 */
import type { Database } from '../db/client.ts'
import { findingsBehind, keysByPrefixOrId, organizationNames, traceWatermarks, type Traced, type TracedKey } from '../db/queries/traces.ts'
import { isRefOf, openRef, type OpenedRef } from '../plugins/lib/finding-ref.ts'
import { verifyWatermark } from '../plugins/lib/watermark-id.ts'
import { OperationError, readText } from './operator-arguments.ts'

const MARKS_MAX = 1000
const MARK_CHARS_MAX = 64
const KEY_PREFIX = /^fb_live_[0-9a-f]{4}$/

export interface TraceDeps { readonly database: Database, readonly watermarkSecret: Buffer }

export type MarkKind = 'watermark' | 'ref' | 'key_prefix'
/** `unrecorded`: ours by its MAC, and no row has it: a refusal before authentication is counted, not recorded, and old rows are removed. */
export type Verdict = 'known' | 'forged' | 'unrecorded' | 'key_unknown'

export interface TracedMark {
  mark: string
  kind: MarkKind
  verdict: Verdict
  source?: 'request' | 'webhook'
  org_id?: string | null
  org_name?: string | null
  key_id?: string | null
  key_name?: string | null
  key_prefix?: string | null
  key_state?: string | null
  at?: string
  method?: string
  route?: string
  status?: number
  ip?: string
  user_agent?: string | null
  webhook_id?: string
  delivery_id?: string
  event?: string
  /** The finding that a reference stands for, where the answer's evaluation is known. */
  finding?: { code: string, module: string | null, scenario: string }
}

interface Opened { mark: string, kind: MarkKind, watermark: string | null, ref: OpenedRef | null }

/** What each mark leads to, in the order in which they were given. A prefix that several keys share gives one entry a key. */
export async function traceMarks (deps: TraceDeps, args: Record<string, unknown>): Promise<{ marks: TracedMark[] }> {
  const opened = readMarks(args['marks']).map((mark) => open(mark, deps.watermarkSecret))
  const { db } = deps.database
  const traced = await traceWatermarks(db, opened.flatMap(({ watermark }) => watermark === null ? [] : [watermark]))
  const rows = [...traced.values()]
  const keys = await keysByPrefixOrId(db, {
    prefixes: opened.filter(({ kind }) => kind === 'key_prefix').map(({ mark }) => mark),
    ids: rows.flatMap((one) => one.source === 'request' && one.row.keyId !== null ? [one.row.keyId] : [])
  })
  const names = await organizationNames(db, [...new Set([...rows.flatMap(({ orgId }) => orgId ?? []), ...keys.map(({ orgId }) => orgId)])])
  const marks: TracedMark[] = []
  for (const one of opened) {
    if (one.kind === 'key_prefix') marks.push(...describeKeys(one.mark, keys, names))
    else marks.push(await describe(deps, one, one.watermark === null ? undefined : traced.get(one.watermark), keys, names))
  }
  return { marks }
}

/** One watermark or reference: the audit row behind it. Rejects when there is none. */
export async function traceOne (deps: TraceDeps, args: Record<string, unknown>): Promise<object> {
  const mark = readText(args, 'watermark')
  const { watermark, ref } = open(mark, deps.watermarkSecret)
  if (watermark === null) throw new OperationError('failed', `not a ${mark.startsWith('vr_') ? 'reference' : 'watermark'} of this service`)
  const traced = (await traceWatermarks(deps.database.db, [watermark])).get(watermark)
  if (traced === undefined) throw new OperationError('failed', 'a watermark of this service, but no audit row has it: a refusal before authentication is counted, not recorded, and old rows are removed')
  const finding = ref === null ? null : await findingOf(deps, ref, traced)
  return { ...rowOf(traced), ...(finding === null ? {} : { finding }) }
}

function rowOf (traced: Traced): object {
  if (traced.source === 'webhook') {
    const { delivery } = traced
    return { watermark: traced.watermark, source: 'webhook', at: delivery.at.toISOString(), org_id: traced.orgId, webhook_id: delivery.subscriptionId, delivery_id: delivery.id, event: delivery.event, evaluation_id: delivery.evaluationId, state: delivery.state }
  }
  const { row } = traced
  return {
    watermark: row.watermark,
    at: row.at.toISOString(),
    org_id: row.orgId,
    key_id: row.keyId,
    key_prefix: row.keyPrefix,
    method: row.method,
    route: row.route,
    actor: row.actor,
    path_hash: row.pathHash,
    status: row.status,
    code: row.code,
    reason: row.reason,
    ip: row.ip,
    user_agent: row.userAgent,
    instance: row.instance,
    degraded: row.degraded,
    jti: row.jti
  }
}

function open (mark: string, secret: Buffer): Opened {
  if (KEY_PREFIX.test(mark)) return { mark, kind: 'key_prefix', watermark: null, ref: null }
  if (!/^vr_/i.test(mark)) return { mark, kind: 'watermark', watermark: verifyWatermark(mark, secret) ? mark : null, ref: null }
  const ref = openRef(mark, secret)
  return { mark, kind: 'ref', watermark: ref?.watermark ?? null, ref }
}

async function describe (deps: TraceDeps, { mark, kind, watermark, ref }: Opened, traced: Traced | undefined, keys: readonly TracedKey[], names: ReadonlyMap<string, string>): Promise<TracedMark> {
  if (watermark === null) return { mark, kind, verdict: 'forged' }
  if (traced === undefined) return { mark, kind, verdict: 'unrecorded' }
  const finding = ref === null ? null : await findingOf(deps, ref, traced)
  const known = { mark, kind, verdict: 'known' as const, source: traced.source, org_id: traced.orgId, org_name: names.get(traced.orgId ?? '') ?? null, ...(finding === null ? {} : { finding }) }
  if (traced.source === 'webhook') {
    const { subscriptionId, id, event, at } = traced.delivery
    return { ...known, webhook_id: subscriptionId, delivery_id: id, event, at: at.toISOString() }
  }
  const { row } = traced
  const key = keys.find(({ id }) => id === row.keyId)
  return {
    ...known,
    key_id: row.keyId,
    key_name: key?.name ?? null,
    key_prefix: row.keyPrefix,
    key_state: key?.state ?? null,
    at: row.at.toISOString(),
    method: row.method,
    route: row.route,
    status: row.status,
    ip: row.ip,
    user_agent: row.userAgent
  }
}

function describeKeys (prefix: string, keys: readonly TracedKey[], names: ReadonlyMap<string, string>): TracedMark[] {
  const matching = keys.filter((key) => key.prefix === prefix)
  if (matching.length === 0) return [{ mark: prefix, kind: 'key_prefix', verdict: 'key_unknown' }]
  return matching.map(({ id, orgId, name, state }) => ({
    mark: prefix, kind: 'key_prefix', verdict: 'known', org_id: orgId, org_name: names.get(orgId) ?? null, key_id: id, key_name: name, key_prefix: prefix, key_state: state
  }))
}

async function findingOf ({ database, watermarkSecret }: TraceDeps, ref: OpenedRef, traced: Traced): Promise<NonNullable<TracedMark['finding']> | null> {
  const finding = (await findingsBehind(database.db, traced)).find(({ fingerprint }) => isRefOf(ref, fingerprint, watermarkSecret))
  return finding === undefined ? null : { code: finding.code, module: finding.module, scenario: finding.scenario }
}

function readMarks (value: unknown): string[] {
  const isText = (one: unknown): one is string => typeof one === 'string' && one.length <= MARK_CHARS_MAX
  if (!Array.isArray(value) || value.length > MARKS_MAX || !value.every(isText)) throw new OperationError('usage', `marks must be a list of at most ${MARKS_MAX} marks`)
  return value
}
