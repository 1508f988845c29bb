import { sql } from 'drizzle-orm'
import t from 'tap'
import { anomalyResponder } from '../../bin/anomalies.ts'
import { tellOfExpiries } from '../../evaluation/expiry-notices.ts'
import { DEFAULT_THRESHOLDS } from '../../plugins/lib/anomaly/thresholds.ts'
import { signRequest } from '../../plugins/lib/hmac.ts'
import { ask, CONSOLE_SECRET, signIn } from '../helper/console.ts'
import { asOwner, failInserts, front, onEachStore, P } from '../helper/fronts.ts'
import { call, newCaller, operate, send, start, type Answer, type Caller } from '../helper/service.ts'

const ENV = { NEXTAUTH_SECRET: CONSOLE_SECRET, RUN_WORKER: 'false' }
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

await onEachStore(t, 'Both keys work until the grace is over, to the second', async (t, stores) => {
  const { runtime, url: other } = await start(stores, ENV)
  t.teardown(() => runtime.close())
  let nowMs = Date.now()
  const url = await front(t, runtime, {}, { now: () => nowMs })
  const read = async (caller: Caller): Promise<Answer> => {
    const path = `${P}/governance/policies`
    const signature = signRequest({ key: caller.key, timestampSeconds: Math.floor(nowMs / 1000), method: 'GET', path, body: Buffer.alloc(0) })
    return await send(url, 'GET', path, { authorization: `Bearer ${caller.key}`, 'x-fb-signature': signature })
  }
  const old = await newCaller(runtime, { rpm: 77, expires: new Date(nowMs + 30 * DAY_MS).toISOString() })
  const person = await signIn(old.orgId, {}, { lifeSeconds: 60 * 86_400 })
  t.equal((await read(old)).headers.get('sunset'), null)

  const rotated = await ask(url, person, 'POST', `/keys/${old.keyId}/rotate`, { grace_period_hours: 2, reason: 'yearly' })
  t.equal(rotated.status, 200)
  const { data } = rotated.body
  const expected = Math.ceil(nowMs / 1000) * 1000 + 2 * HOUR_MS
  t.match(data, { replaces: old.keyId, rpm: 77, state: 'active', replaced: { id: old.keyId, replaced_by: data.id, grace_until: new Date(expected).toISOString() } })
  t.equal(Date.parse(data.expires_at), nowMs + 30 * DAY_MS, 'the expiry is inherited')
  const fresh = { orgId: old.orgId, keyId: data.id, key: data.key }
  const during = await read(old)
  t.equal(during.status, 200)
  t.match(Object.fromEntries(during.headers), { deprecation: `@${Math.floor(nowMs / 1000)}`, sunset: new Date(expected).toUTCString() })
  const successor = await read(fresh)
  t.same([successor.status, successor.headers.get('sunset'), successor.headers.get('deprecation')], [200, null, null])

  for (const id of [old.keyId, fresh.keyId]) {
    const again = await ask(url, person, 'POST', `/keys/${id}/rotate`)
    t.match([again.status, again.body.error, again.body.detail], [400, 'Key cannot be rotated', /under way/])
  }
  for (const hours of [0, 169, 1.5, '2']) t.equal((await ask(url, person, 'POST', `/keys/${old.keyId}/rotate`, { grace_period_hours: hours, force: true })).status, 400)
  t.equal((await call(other, old, 'GET', '/governance/policies')).status, 200, 'on the other instance')

  nowMs = expected - 1
  t.equal((await read(old)).status, 200, 'the last millisecond')
  nowMs = expected
  t.same([(await read(old)).status, (await read(fresh)).status], [401, 200])
  const over = await ask(url, person, 'POST', `/keys/${old.keyId}/rotate`, { force: true })
  t.match([over.status, over.body.error, over.body.detail], [400, 'Key cannot be rotated', 'The key is expired.'])

  const forced = await ask(url, person, 'POST', `/keys/${fresh.keyId}/rotate`, { grace_period_hours: 1 })
  t.equal(forced.status, 200, 'the grace of another rotation is over')
  const third = { orgId: old.orgId, keyId: forced.body.data.id, key: forced.body.data.key }
  const again = await ask(url, person, 'POST', `/keys/${third.keyId}/rotate`, { force: true })
  t.same([again.status, (await read(fresh)).status, (await read(third)).status], [200, 401, 200], 'force ends the predecessor at once')
  const instead = await ask(url, person, 'POST', `/keys/${third.keyId}/rotate`, { force: true })
  const last = { orgId: old.orgId, keyId: instead.body.data.id, key: instead.body.data.key }
  t.same([(await read({ ...last, key: again.body.data.key })).status, (await read(third)).status, (await read(last)).status], [401, 200, 200], 'force ends a successor made before')
  t.equal(instead.body.data.expires_at, data.expires_at, 'the expiry stays')

  const ending = new Date(nowMs + 1.5 * HOUR_MS).toISOString()
  const soon = await newCaller(runtime, { expires: ending })
  const short = await ask(url, await signIn(soon.orgId, {}, { lifeSeconds: 60 * 86_400 }), 'POST', `/keys/${soon.keyId}/rotate`, { grace_period_hours: 2 })
  t.match(short.body.data, { expires_at: ending, replaced: { grace_until: ending, expires_at: ending } }, 'a grace ends with the key\'s own expiry')
})

await onEachStore(t, 'A revocation and a change hold on every instance at once', async (t, stores) => {
  const { runtime, url } = await start(stores, ENV)
  t.teardown(() => runtime.close())
  const other = await front(t, runtime, { instanceId: 'other' })
  const owner = await newCaller(runtime)
  const person = await signIn(owner.orgId)
  let succeeded = 0
  for (let round = 0; round < 10; round++) {
    const { body } = await ask(url, person, 'POST', '/keys', { name: 'x', permissions: ['governance:read'] })
    const caller = { orgId: owner.orgId, keyId: body.data.id, key: body.data.key }
    for (const at of [url, other]) t.equal((await call(at, caller, 'GET', '/governance/policies')).status, 200)
    await ask(url, person, 'DELETE', `/keys/${caller.keyId}`)
    for (const at of [other, url, other]) if ((await call(at, caller, 'GET', '/governance/policies')).status !== 401) succeeded++
    if (round === 0) {
      t.equal((await ask(url, person, 'PATCH', `/keys/${caller.keyId}`, { rpm: 1 })).body.error, 'Key is revoked')
      t.equal((await ask(url, person, 'POST', `/keys/${caller.keyId}/rotate`, { force: true })).body.error, 'Key cannot be rotated')
    }
  }
  t.equal(succeeded, 0)

  t.equal((await call(other, owner, 'GET', '/governance/policies')).headers.get('x-ratelimit-limit'), '60')
  const refused = await ask(url, person, 'PATCH', `/keys/${owner.keyId}`, { ip_allowlist: ['203.0.113.0/24'] })
  t.match([refused.status, refused.body.error, refused.body.detail], [409, 'Allowlist leaves out addresses in use', [{ reason: /127\.0\.0\.1/ }]])
  t.equal((await ask(url, person, 'PATCH', `/keys/${owner.keyId}`, { rpm: 30, ip_allowlist: ['127.0.0.1'], reason: 'less' })).status, 200)
  t.equal((await call(other, owner, 'GET', '/governance/policies')).headers.get('x-ratelimit-limit'), '30')
  t.equal((await ask(url, person, 'PATCH', `/keys/${owner.keyId}`, { ip_allowlist: ['203.0.113.0/24'], confirm: true })).status, 200)
  t.equal((await call(other, owner, 'GET', '/governance/policies')).status, 403)
  for (const body of [{}, { confirm: true }, { state: 'active' }, { rpm: null }]) t.equal((await ask(url, person, 'PATCH', `/keys/${owner.keyId}`, body)).status, 400)
  const { events } = (await ask(url, person, 'GET', `/keys/${owner.keyId}/events`)).body.data
  t.match(events.map(({ action, before, after }: any) => [action, before?.rpm, after.rpm]), [['changed', 30, 30], ['changed', 60, 30], ['created', undefined, 60]])

  const guessed = await newCaller(runtime)
  t.equal((await send(url, 'GET', `${P}/governance/policies`, { authorization: `Bearer ${guessed.key}`, 'x-fb-signature': `t=${Math.floor(Date.now() / 1000)},v1=${'a'.repeat(64)}` })).status, 403)
  t.equal((await ask(url, await signIn(guessed.orgId), 'PATCH', `/keys/${guessed.keyId}`, { ip_allowlist: ['203.0.113.0/24'] })).status, 200, 'whoever cannot sign is not the owner, whose addresses are kept')

  // The operators' command line, over the same functions.
  await t.rejects(operate(runtime, 'key.change', { key: owner.keyId, ip_allow: ['198.51.100.1'] }), /127\.0\.0\.1/)
  t.equal((await call(other, owner, 'GET', '/governance/policies')).status, 403)
  t.match(await operate(runtime, 'key.change', { key: owner.keyId, ip_allow: [], rph: 9 }), { ip_allow: [], rph: 9, rpm: 30 })
  t.equal((await call(other, owner, 'GET', '/governance/policies')).status, 200, 'a list that was widened, where the narrower one is cached')
  const rotated = await operate(runtime, 'key.rotate', { key: owner.keyId, grace_hours: 1 })
  t.equal((await call(other, { ...owner, key: rotated.key }, 'GET', '/governance/policies')).status, 200)
  await t.rejects(operate(runtime, 'key.rotate', { key: owner.keyId }), /under way/)
  t.match((await operate(runtime, 'key.events', { key: owner.keyId })).events[0], { action: 'rotated', actor: 'test' })

  // What only an operator or anomaly detection does stands in the same history, with the change or not at all.
  const { id: key } = await operate(runtime, 'key.create', { org: owner.orgId, name: 'hardened', permissions: ['admin'], signing_profile: 'hardened' })
  await operate(runtime, 'key.suspend', { key, reason: 'a laptop was lost' })
  await operate(runtime, 'key.suspend', { key })
  await operate(runtime, 'key.resume', { key, reason: 'it was found' })
  await t.rejects(operate(runtime, 'key.resume', { key }), /active/)
  await operate(runtime, 'key.rotate-signing-secret', { key, grace: '1h', reason: 'quarterly' })
  await operate(runtime, 'key.debug', { key, for: '30m', reason: 'ticket 7' })
  await anomalyResponder({ ...runtime.config, autoSuspend: true }, runtime.database, runtime.admission, { warn () {}, error () {} })({
    signal: 'foreign_address', severity: 'high', isCertain: true, orgId: owner.orgId, keyId: key, atMs: Date.now(), numbers: {}, threshold: DEFAULT_THRESHOLDS.foreign_address, watermarks: [], ip: '192.0.2.1', userAgent: null
  })
  const undo = await failInserts(runtime, 'key_events', "new.action = 'resumed'")
  await t.rejects(operate(runtime, 'key.resume', { key }))
  await undo()
  t.match((await ask(url, person, 'GET', `/keys/${key}/events`)).body.data.events, [
    { action: 'suspended', actor: 'anomaly-detection', reason: /^foreign_address/, before: { state: 'active' }, after: { state: 'suspended' } },
    { action: 'debug_changed', actor: 'test', reason: 'ticket 7', before: { debug_until: null }, after: { debug_until: /Z$/ } },
    { action: 'signing_secret_rotated', actor: 'test', reason: 'quarterly', before: { previous_signing_secret_until: null }, after: { previous_signing_secret_until: /Z$/ } },
    { action: 'resumed', actor: 'test', reason: 'it was found', before: { state: 'suspended' }, after: { state: 'active' } },
    { action: 'suspended', actor: 'test', reason: 'a laptop was lost', before: { state: 'active' }, after: { state: 'suspended' } },
    { action: 'created' }
  ])
  t.equal((await ask(url, person, 'GET', '/keys')).body.data.keys.find(({ id }: { id: string }) => id === key).state, 'suspended', 'a change whose event cannot be written is not made')
})

await onEachStore(t, 'A rotation whose answer cannot be recorded is undone, and can be repeated', async (t, stores) => {
  const { runtime, url } = await start(stores, ENV)
  t.teardown(() => runtime.close())
  const owner = await newCaller(runtime, { expires: new Date(Date.now() + 30 * DAY_MS).toISOString() })
  const person = await signIn(owner.orgId)
  const keys = async (): Promise<any[]> => (await ask(url, person, 'GET', '/keys')).body.data.keys.map(({ last_used_at: _used, ...key }: any) => key)
  const [before] = await keys()
  const unrecorded = await front(t, runtime, {}, { audit: { record: async () => { throw new Error('away') } } })
  const lost = await ask(unrecorded, person, 'POST', `/keys/${owner.keyId}/rotate`)
  t.equal(lost.status, 503)
  t.notMatch(JSON.stringify(lost.body), /fb_live_/)
  const [successor, same] = await keys()
  t.match(successor, { state: 'revoked', replaces: owner.keyId })
  t.same(same, before, 'the old key is as it was')
  t.equal((await ask(url, person, 'POST', `/keys/${owner.keyId}/rotate`)).status, 200, 'without force')
  t.equal((await call(url, owner, 'GET', '/governance/policies')).status, 200)
})

await onEachStore(t, 'A key that expires soon is told of once for each step, and no record of a key can be taken away', async (t, stores) => {
  const { runtime } = await start(stores, ENV)
  t.teardown(() => runtime.close())
  const { database } = runtime
  const nowMs = Date.now()
  const { orgId, keyId } = await newCaller(runtime, { expires: new Date(nowMs + 20 * DAY_MS).toISOString() })
  const told: number[] = []
  const logger = { warn: (fields: any) => { told.push(fields.days) } }
  for (const [daysLeft, expected] of [[15, []], [14, [14]], [8, []], [7, [7]], [1.5, []], [1, [1]], [0.1, []], [0, []]] as const) {
    const at = nowMs + (20 - daysLeft) * DAY_MS
    await Promise.all(Array.from({ length: 5 }, () => tellOfExpiries(database, logger, at)))
    t.same(told.splice(0), expected, `${daysLeft} days before`)
  }
  t.match((await operate(runtime, 'key.events', { key: keyId })).events.map((event: any) => event.notice_days), [1, 7, 14, null])
  const { notices } = await operate(runtime, 'anomalies.list', { org: orgId })
  t.match(notices.map(({ days, key_id: key }: any) => [days, key]), [[1, keyId], [7, keyId], [14, keyId]], 'operators see them among the anomalies')
  t.match((await operate(runtime, 'anomalies.list', { org: orgId, notices_after: notices[1].id })).notices, [{ days: 1, expires_at: /Z$/ }], 'what came since')

  const late = await newCaller(runtime, { expires: new Date(nowMs + 5 * DAY_MS).toISOString() })
  await tellOfExpiries(database, logger, nowMs)
  t.same(told, [7], 'only the nearest step')
  const { id: successor } = await operate(runtime, 'key.rotate', { key: late.keyId, grace_hours: 1 })
  await tellOfExpiries(database, logger, Date.now())
  t.same((await operate(runtime, 'key.events', { key: successor })).events.map((event: any) => event.notice_days), [7, null], 'of the successor, which keeps the expiry')
  t.notOk((await operate(runtime, 'key.events', { key: late.keyId })).events.some((event: any) => event.notice_days === 1))

  for (const statement of [`delete from api_keys where id = '${keyId}'`, 'delete from key_events', "update key_events set actor = 'x'"]) {
    await t.rejects(database.db.execute(sql.raw(statement)), statement)
    await t.rejects(database.asOrganization(orgId, (tx) => tx.execute(sql.raw(statement))), statement)
    await t.rejects(asOwner(runtime, statement), `${statement}, by the owner`)
  }
  const foreign = await database.asOrganization(late.orgId, (tx) => tx.execute(sql`select count(*)::int as n from key_events where org_id = ${orgId}`))
  t.match(JSON.stringify(foreign), /"n":0/)
})
