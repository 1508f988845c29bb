import t from 'tap'
import { sql } from 'drizzle-orm'
import { auditRowOf, front, onEachStore, P, stateRows, submit } from '../helper/fronts.ts'
import { FLOW, headersFor, newCaller, operate, send, start, type Answer, type Caller } from '../helper/service.ts'

const POLICIES = `${P}/governance/policies`

await onEachStore(t, 'compromised egress: a key with its way of signing, used from an address that is not the partner\'s', async (t, stores) => {
  const { runtime, url } = await start(stores, { RUN_WORKER: 'false', TRUSTED_PROXIES: '127.0.0.1,192.0.2.10' })
  t.teardown(() => runtime.close())
  const direct = await front(t, runtime, { trustedProxies: [] })
  const from = async (caller: Caller, forwarded: string | null, target = url): Promise<Answer> => await send(target, 'GET', POLICIES, { ...headersFor(caller, 'GET', POLICIES), ...(forwarded === null ? {} : { 'x-forwarded-for': forwarded }) })
  const refused = (answer: Answer): { status: number, code: string, seen: string } => ({ status: answer.status, code: answer.body.code, seen: answer.body.detail })

  await t.test('refused with the address that was seen, without a row, without quota, with an event for the operator', async (t) => {
    const caller = await newCaller(runtime, { ip_allow: ['203.0.113.0/24'] })
    t.equal((await from(caller, '203.0.113.7')).status, 200)
    const rows = await stateRows(runtime)
    const body = JSON.stringify({ blueprints: [{ id: 'a', blueprint: FLOW }] })
    const stolen = await send(url, 'POST', `${P}/evaluate`, { ...headersFor(caller, 'POST', `${P}/evaluate`, body), 'x-forwarded-for': '198.51.100.9' }, body)
    t.same(refused(stolen), { status: 403, code: 'ip_not_allowed', seen: '198.51.100.9' })
    t.equal(stolen.headers.get('x-ratelimit-remaining'), '59')
    t.match(await auditRowOf(runtime, stolen), { code: 'ip_not_allowed', ip: '198.51.100.9', keyId: caller.keyId })
    t.same(await stateRows(runtime), rows)
    let events: Array<{ signal: string, ip: string }> = []
    while (events.length === 0) events = (await operate(runtime, 'anomalies.list', { org: caller.orgId })).anomalies
    t.match(events, [{ signal: 'foreign_address' }])
    t.equal((await from(caller, '203.0.113.7')).headers.get('x-ratelimit-remaining'), '58')
  })

  await t.test('what the thief writes into X-Forwarded-For is not believed', async (t) => {
    const caller = await newCaller(runtime, { ip_allow: ['203.0.113.0/24'] })
    for (const [forwarded, seen] of [
      ['203.0.113.7, 198.51.100.9', '198.51.100.9'], ['203.0.113.7,203.0.113.8,198.51.100.9', '198.51.100.9'], ['203.0.113.7, 198.51.100.9, 192.0.2.10', '198.51.100.9'],
      ['198.51.100.9', '198.51.100.9'], ['::ffff:198.51.100.9', '198.51.100.9'], ['2001:db8::1', '2001:db8::1']
    ] as const) t.same(refused(await from(caller, forwarded)), { status: 403, code: 'ip_not_allowed', seen }, forwarded)
    for (const forwarded of ['203.0.113.7/24', 'unknown', '203.0.113', '203.0.113.7 203.0.113.8', '0313.0.113.7', '203.0.113.07']) t.match(refused(await from(caller, forwarded)), { status: 403, code: 'ip_not_allowed' }, forwarded)
    for (const name of ['forwarded', 'x-real-ip', 'x-client-ip', 'true-client-ip', 'cf-connecting-ip', 'x-cluster-client-ip']) {
      const answer = await send(url, 'GET', POLICIES, { ...headersFor(caller, 'GET', POLICIES), [name]: name === 'forwarded' ? 'for=203.0.113.7' : '203.0.113.7' })
      t.same(refused(answer), { status: 403, code: 'ip_not_allowed', seen: '127.0.0.1' }, name)
    }
    for (const forwarded of ['203.0.113.7', null]) t.same(refused(await from(caller, forwarded, direct)), { status: 403, code: 'ip_not_allowed', seen: '127.0.0.1' }, 'without a trusted proxy the socket decides')
  })

  await t.test('the edges of a range, IPv4 in IPv6 and several ranges are read as they are meant', async (t) => {
    const caller = await newCaller(runtime, { ip_allow: ['203.0.113.64/26', '198.51.100.1', '2001:db8:a::/48'] })
    for (const [address, status] of [
      ['203.0.113.63', 403], ['203.0.113.64', 200], ['203.0.113.127', 200], ['203.0.113.128', 403], ['198.51.100.1', 200], ['198.51.100.2', 403], ['::ffff:203.0.113.64', 200], ['::ffff:cb00:7140', 200],
      ['2001:db8:a::1', 200], ['2001:db8:a:ffff:ffff:ffff:ffff:ffff', 200], ['2001:db8:b::1', 403], ['2001:DB8:A:0:0:0:0:1', 200]
    ] as const) t.equal((await from(caller, address)).status, status, address)
  })

  await t.test('a list that is narrowed counts at once, and a list that cannot be read lets nobody in', async (t) => {
    const { database, admission } = runtime
    for (const list of ['{198.51.100.0/24}', '{203.0.113.8}', '{not-a-range}', '{203.0.113.7,not-a-range}', '{203.0.113.7/99}']) {
      const caller = await newCaller(runtime, { ip_allow: ['203.0.113.0/24'] })
      t.equal((await from(caller, '203.0.113.7')).status, 200)
      await database.db.execute(sql`update api_keys set ip_allowlist = ${list}::text[] where id = ${caller.keyId}`)
      await admission.bumpEpoch(caller.keyId)
      for (let n = 0; n < 2; n++) t.equal((await from(caller, '203.0.113.7')).status, 403, list)
    }
  })

  await t.test('a result token is not bound to an address, and a key without a list works from anywhere: both as published', async (t) => {
    const open = await newCaller(runtime)
    t.equal((await from(open, '198.51.100.9')).status, 200)
    const { token } = await submit(url, open)
    t.equal((await send(url, 'GET', `${P}/results/${token}`, { 'x-forwarded-for': '198.51.100.9' })).body.code, 'evaluation_incomplete')
  })
})
