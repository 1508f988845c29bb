/** The keys of the signed-in person's organization. What only takes rights away is served while the kill switch is thrown. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { lastUses, listKeyEvents, type KeyEventRow } from '../../db/queries/key-events.ts'
import { hasKey, pageKeys, type KeyChange, type KeyRow } from '../../db/queries/keys.ts'
import { ApiError } from '../../errors.ts'
import { changeKey, createKey, GRACE_HOURS_DEFAULT, lapseOf, OBSERVED_DAYS, revokeKey, rotateKey, undoRotation, type Act, type KeyDeps, type KeySettings, type MadeKey } from '../../evaluation/key-lifecycle.ts'
import { parseCidr } from '../../plugins/lib/cidr.ts'
import { actorOf, getSession } from '../../plugins/support/session.ts'
import { ConsoleKey, ConsoleKeyList, KeyCreateBody, KeyCreated, KeyDeleteQuery, KeyEventList, KeyPatchBody, KeyRotateBody, KeyRotated, PageQuery, type KeyCreate, type KeyPatch, type KeyRotate } from '../../schemas/console.ts'
import { success } from '../../schemas/envelope.ts'
import { fromStore, timeOf } from '../v1/deps.ts'
import type { ConsoleDeps } from './index.ts'

const LIMIT_DEFAULT = 50
const PER_MINUTE_DEFAULT = 60
const PER_HOUR_DEFAULT = 1000
const DAY_MS = 86_400_000
const KEY_ID = /^key_[0-9A-HJKMNP-TV-Z]{26}$/
const EVENT_ID = /^kev_[0-9A-HJKMNP-TV-Z]{26}$/
const SHOWN_ONCE = 'Store the key now: it is shown this once and cannot be read again.'
const BOTH_SHOWN_ONCE = 'Store the key and its signing secret now: they are shown this once and cannot be read again.'
const RETRY_AFTER_SECONDS = '2'

interface KeyParams { Params: { id: string } }
interface Page { Querystring: { limit?: string, cursor?: string } }

export default async function keys (app: FastifyInstance, deps: ConsoleDeps): Promise<void> {
  const { database, admission, secrets } = deps
  const keyDeps = (): KeyDeps => ({ database, admission, masterKeys: secrets.masterKeys, nowMs: deps.now() })

  app.post<{ Body: KeyCreate }>('/keys', { schema: { body: KeyCreateBody, response: { 200: success(KeyCreated) } } }, async (request) => {
    const { orgId } = getSession(request)
    const settings = settingsOf(request.body, deps.now())
    const act = actOf(request, request.body.reason)
    const made = await fromStore(() => createKey(keyDeps(), orgId, settings, act))
    // An answer that cannot be recorded does not leave, and then nobody knows the key.
    request.onUnsent = async () => { await revokeKey(keyDeps(), orgId, made.row.id, { ...act, reason: 'the answer that held the key could not be sent' }) }
    return { ok: true, data: shownOnce(made, deps.now()) }
  })

  app.get<Page>('/keys', { schema: { querystring: PageQuery, response: { 200: success(ConsoleKeyList) } } }, async (request) => {
    const { orgId } = getSession(request)
    const limit = Number(request.query.limit ?? LIMIT_DEFAULT)
    const afterId = cursorOf(request.query.cursor, KEY_ID)
    const nowMs = deps.now()
    const { rows, uses } = await fromStore(() => database.asOrganization(orgId, async (tx) => ({
      rows: await pageKeys(tx, orgId, { limit: limit + 1, afterId }), uses: await lastUses(tx, orgId, new Date(nowMs - OBSERVED_DAYS * DAY_MS))
    })))
    const page = rows.slice(0, limit)
    const shown = page.map((row) => ({ ...onWire(row, nowMs), last_used_at: uses.get(row.id)?.toISOString() ?? null }))
    return { ok: true, data: { keys: shown, next_cursor: cursorAfter(rows.length > limit, page.at(-1)?.id) } }
  })

  app.delete<KeyParams & { Querystring: { reason?: string } }>('/keys/:id', {
    config: { duringKill: true }, schema: { querystring: KeyDeleteQuery, response: { 200: success(ConsoleKey) } }
  }, async (request) => {
    const { orgId } = getSession(request)
    const ended = await fromStore(() => revokeKey(keyDeps(), orgId, keyIdOf(request), actOf(request, request.query.reason)))
    if (ended.outcome === 'unknown') throw new ApiError('key_not_found')
    if (!ended.told) throw untold('The revocation is stored, but the running instances could not be told yet: repeat the request.')
    return { ok: true, data: onWire(ended.row, deps.now()) }
  })

  app.patch<KeyParams & { Body: KeyPatch }>('/keys/:id', { schema: { body: KeyPatchBody, response: { 200: success(ConsoleKey) } } }, async (request) => {
    const { orgId } = getSession(request)
    const change = changeOf(request.body)
    const changed = await fromStore(() => changeKey(keyDeps(), orgId, keyIdOf(request), { ...change, confirm: request.body.confirm ?? false }, actOf(request, request.body.reason)))
    switch (changed.outcome) {
      case 'unknown': throw new ApiError('key_not_found')
      case 'revoked': throw new ApiError('key_revoked')
      case 'locks_out': throw new ApiError('allowlist_unconfirmed', { detail: changed.addresses.map((ip) => ({ path: '/ip_allowlist', reason: `leaves out ${ip}, from which the key was used in the last ${OBSERVED_DAYS} days` })) })
    }
    if (!changed.told) throw untold('The change is stored, but the running instances could not be told yet: repeat the request.')
    return { ok: true, data: onWire(changed.row, deps.now()) }
  })

  app.post<KeyParams & { Body: KeyRotate }>('/keys/:id/rotate', {
    // Nothing has to be said: every field has its default.
    preValidation: async (request) => { request.body ??= {} },
    schema: { body: KeyRotateBody, response: { 200: success(KeyRotated) } }
  }, async (request) => {
    const { orgId } = getSession(request)
    const { grace_period_hours: graceHours = GRACE_HOURS_DEFAULT, force = false, reason } = request.body
    const act = actOf(request, reason)
    const rotated = await fromStore(() => rotateKey(keyDeps(), orgId, keyIdOf(request), { graceHours, force }, act))
    if (rotated.outcome === 'unknown') throw new ApiError('key_not_found')
    if (rotated.outcome === 'refused') throw new ApiError('key_not_rotatable', { detail: rotated.why })
    const { made, before } = rotated
    request.onUnsent = async () => { await undoRotation(keyDeps(), orgId, before.id, made.row.id, { ...act, reason: 'the answer that held the new key could not be sent' }) }
    // The key is shown whatever happened afterwards: nobody could ask for it again.
    const shown = shownOnce(made, deps.now())
    const warning = rotated.told ? shown.warning : `${shown.warning} The running instances could not be told yet: a key that this rotation ended may work for some seconds more.`
    return { ok: true, data: { ...shown, warning, replaced: onWire(before, deps.now()) } }
  })

  app.get<KeyParams & Page>('/keys/:id/events', { schema: { querystring: PageQuery, response: { 200: success(KeyEventList) } } }, async (request) => {
    const { orgId } = getSession(request)
    const limit = Number(request.query.limit ?? LIMIT_DEFAULT)
    const afterId = cursorOf(request.query.cursor, EVENT_ID)
    const keyId = keyIdOf(request)
    // A key that is older than events may have none: an empty list does not say that there is no such key.
    const rows = await fromStore(() => database.asOrganization(orgId, async (tx) => await hasKey(tx, orgId, keyId) ? await listKeyEvents(tx, orgId, { keyId, limit: limit + 1, afterId }) : null))
    if (rows === null) throw new ApiError('key_not_found')
    const page = rows.slice(0, limit)
    return { ok: true, data: { events: page.map(eventOnWire), next_cursor: cursorAfter(rows.length > limit, page.at(-1)?.id) } }
  })
}

function settingsOf (body: KeyCreate, nowMs: number): KeySettings {
  const expiresAt = body.expires_at === undefined ? null : timeOf(body.expires_at, '/expires_at')
  if (expiresAt !== null && expiresAt.getTime() <= nowMs) throw new ApiError('malformed_request', { detail: [{ path: '/expires_at', reason: 'must lie in the future' }] })
  return {
    name: body.name.trim(),
    permissions: body.permissions,
    ipAllowlist: rangesOf(body.ip_allowlist ?? []),
    perMinute: body.rpm ?? PER_MINUTE_DEFAULT,
    perHour: body.rph ?? PER_HOUR_DEFAULT,
    expiresAt,
    signingProfile: body.signing_profile ?? 'published'
  }
}

function changeOf ({ name, rpm, rph, ip_allowlist: ranges }: KeyPatch): KeyChange {
  if (name === undefined && rpm === undefined && rph === undefined && ranges === undefined) throw new ApiError('malformed_request', { detail: [{ path: '', reason: 'must have at least one of name, rpm, rph and ip_allowlist' }] })
  return {
    ...(name === undefined ? {} : { name: name.trim() }),
    ...(rpm === undefined ? {} : { perMinute: rpm }),
    ...(rph === undefined ? {} : { perHour: rph }),
    ...(ranges === undefined ? {} : { ipAllowlist: rangesOf(ranges) })
  }
}

function rangesOf (ranges: readonly string[]): string[] {
  const problems = ranges.flatMap((range, place) => {
    try {
      parseCidr(range)
      return []
    } catch {
      return [{ path: `/ip_allowlist/${place}`, reason: 'is not an IP address or CIDR range' }]
    }
  })
  if (problems.length > 0) throw new ApiError('malformed_request', { detail: problems })
  return [...ranges]
}

function actOf (request: FastifyRequest, reason: string | undefined): Act {
  return { actor: actorOf(getSession(request)), reason: reason?.trim() ?? null, watermark: request.watermark }
}

// Any other text names nothing.
function keyIdOf (request: FastifyRequest<KeyParams>): string {
  const { id } = request.params
  if (!KEY_ID.test(id)) throw new ApiError('key_not_found')
  return id
}

function cursorOf (cursor: string | undefined, shape: RegExp): string | null {
  if (cursor === undefined) return null
  const id = Buffer.from(cursor, 'base64url').toString('latin1')
  if (!shape.test(id)) throw new ApiError('malformed_request', { detail: [{ path: '/cursor', reason: 'is not a cursor of this list' }] })
  return id
}

function cursorAfter (hasMore: boolean, lastId: string | undefined): string | null {
  return hasMore && lastId !== undefined ? Buffer.from(lastId).toString('base64url') : null
}

function untold (detail: string): ApiError {
  return new ApiError('unavailable', { detail, reason: 'windows', headers: { 'retry-after': RETRY_AFTER_SECONDS } })
}

function shownOnce ({ row, key, signingSecret }: MadeKey, nowMs: number): { warning: string } {
  const once = signingSecret === null ? { key, warning: SHOWN_ONCE } : { key, signing_secret: signingSecret, warning: BOTH_SHOWN_ONCE }
  return { ...onWire(row, nowMs), ...once }
}

function onWire (row: KeyRow, nowMs: number): object {
  return {
    id: row.id,
    name: row.name,
    prefix: row.prefix,
    permissions: row.permissions,
    state: lapseOf(row, nowMs) ?? 'active',
    ip_allowlist: row.ipAllowlist,
    rpm: row.perMinute,
    rph: row.perHour,
    signing_profile: row.signingProfile,
    created_by: row.createdBy,
    created_at: row.createdAt.toISOString(),
    expires_at: row.expiresAt?.toISOString() ?? null,
    revoked_at: row.revokedAt?.toISOString() ?? null,
    replaces: row.replaces,
    replaced_by: row.replacedBy,
    grace_until: row.graceUntil?.toISOString() ?? null
  }
}

function eventOnWire (row: KeyEventRow): object {
  const { id, keyId, at, actor, action, reason, before, after, watermark, noticeDays } = row
  return { id, key_id: keyId, at: at.toISOString(), actor, action, reason, before, after, watermark, notice_days: noticeDays }
}
