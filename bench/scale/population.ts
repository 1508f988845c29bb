/**
 * What a service has stored after years: keys by the million, each with windows in Redis, and audit rows by the ten million. Written by the
 * statements of the measurement itself, because the service's own would take days; a key's text follows from its number, so that the load can
 * be signed with any of them. Such keys are worth nothing outside a measurement.
 */
import { createHash } from 'node:crypto'
import type { Sql } from 'postgres'
import type { AdmissionStore } from '../../plugins/context.ts'
import { LIMIT } from '../load/stores.ts'

const KEYS_A_STATEMENT = 50_000
const ROWS_A_STATEMENT = 250_000
/** Calls to Redis on their way at once. */
const CALLS_AT_ONCE = 2000
const DAYS = 30

export type Say = (line: string) => void

export function keyText (number: number): string {
  return `fb_live_${createHash('sha256').update(`scale ${number}`).digest('hex').slice(0, 48)}`
}

export function keyId (number: number): string {
  return `key_scale_${number}`
}

/** Keys from one number up to another, without the last, for an organization that exists. */
export async function storeKeys (sql: Sql, orgId: string, from: number, to: number, say: Say): Promise<void> {
  for (let at = from; at < to; at += KEYS_A_STATEMENT) {
    const end = Math.min(to, at + KEYS_A_STATEMENT)
    await sql`insert into api_keys (id, org_id, name, prefix, digest, permissions, per_minute, per_hour, created_by)
      select 'key_scale_' || n, ${orgId}, 'scale', left(text, 12), sha256(text::bytea), array['governance:read'], ${LIMIT}, ${LIMIT}, 'bench'
      from (select n, 'fb_live_' || left(encode(sha256(('scale ' || n)::bytea), 'hex'), 48) as text from generate_series(${at}::int, ${end - 1}::int) as n) as keys`
    say(`keys: ${end} of ${to}`)
  }
  await sql`analyze api_keys`
}

/** One request of each of those keys: an epoch and a window in Redis, made by the admission step itself. */
export async function storeWindows (admission: AdmissionStore, from: number, to: number, say: Say): Promise<void> {
  for (let at = from; at < to; at += CALLS_AT_ONCE) {
    const numbers = Array.from({ length: Math.min(CALLS_AT_ONCE, to - at) }, (_, n) => at + n)
    await Promise.all(numbers.map(async (number) => {
      const epoch = await admission.readEpoch(keyId(number))
      await admission.admit({ keyId: keyId(number), epoch, perMinute: LIMIT, perHour: LIMIT, replayId: null, replayTtlSeconds: 0, admittedAloneMs: [] })
    }))
    if ((at - from) % (50 * CALLS_AT_ONCE) === 0) say(`windows: ${at} of ${to}`)
  }
}

/** Audit rows of the last thirty days, oldest first, as they would have come; spread over a thousand of the organization's keys. */
export async function storeAuditRows (sql: Sql, orgId: string, count: number, say: Say): Promise<void> {
  for (let at = 0; at < count; at += ROWS_A_STATEMENT) {
    const end = Math.min(count, at + ROWS_A_STATEMENT)
    await sql`insert into audit_rows (watermark, at, org_id, key_id, key_prefix, method, route, path_hash, status, ip, user_agent, instance, degraded)
      select 'wm_' || lpad(n::text, 9, '0') || left(md5(n::text), 27), now() - interval '1 hour' - (${count} - n) * (${DAYS}::float8 * interval '1 day' / ${count}),
        ${orgId}, 'key_scale_' || n % 1000, 'fb_live_0000', 'GET', '/api/public/v1/scenarios', md5((n % 1000)::text), 200, '192.0.2.1', 'partner/1.0', 'local', false
      from generate_series(${at}::int, ${end - 1}::int) as n`
    say(`audit rows: ${end} of ${count}`)
  }
  await sql`analyze audit_rows`
}
