import { ERROR_CATALOGUE, type ErrorCode } from '../../errors.ts'
import { verifyWatermark } from '../../plugins/lib/watermark-id.ts'
import { ask, C, CONSOLE_SECRET, signIn, type Person } from '../helper/console.ts'
import { auditRowOf, front, onEachStore, P } from '../helper/fronts.ts'
import { call, FLOW, headersFor, newCaller, operate, send, start, type Answer } from '../helper/service.ts'
import t, { type Test } from 'tap'

const ENV = { NEXTAUTH_SECRET: CONSOLE_SECRET, RUN_WORKER: 'false' }
const READ = { name: 'Nightly', permissions: ['governance:read'] }

function expectRefusal (t: Test, answer: Answer, code: ErrorCode, what: string): void {
  const { status, sentence } = ERROR_CATALOGUE[code]
  t.match({ status: answer.status, ...answer.body }, { status, ok: false, error: sentence, code, meta: { watermark: answer.headers.get('x-fb-watermark') } }, what)
}

await onEachStore(t, 'The console', async (t, stores) => {
  const { runtime, url } = await start(stores, ENV)
  t.teardown(() => runtime.close())

  await t.test('A person makes, sees, uses and revokes a key', async (t) => {
    const { orgId } = await newCaller(runtime)
    const person = await signIn(orgId, { sub: 'ada' })

    const made = await ask(url, person, 'POST', '/keys', { ...READ, rpm: 5, ip_allowlist: ['127.0.0.0/8'], reason: 'quarterly' })
    t.equal(made.status, 200)
    t.match(made.body, { ok: true, data: { name: 'Nightly', permissions: ['governance:read'], state: 'active', rpm: 5, rph: 1000, ip_allowlist: ['127.0.0.0/8'], created_by: 'session:ada', expires_at: null } })
    t.ok(verifyWatermark(made.body.meta.watermark, runtime.config.secrets.watermark))
    const { id, key, prefix } = made.body.data
    t.ok(key.startsWith(prefix))
    t.match(await auditRowOf(runtime, made), { orgId, actor: 'session:ada' }, 'the answer has its row, with the person')

    const caller = { orgId, keyId: id, key }
    t.equal((await call(url, caller, 'GET', '/governance/policies')).status, 200, 'the key works')
    const listed = await ask(url, person, 'GET', '/keys')
    const [first] = listed.body.data.keys
    t.match(first, { id, prefix, state: 'active' })
    t.ok(first.last_used_at)
    t.notMatch(JSON.stringify(listed.body), key)
    t.equal((await auditRowOf(runtime, listed))?.actor, 'session:ada', 'whoever reads is named as well')
    const [newest] = (await ask(url, person, 'GET', `/audit?watermark=${String(listed.body.meta.watermark)}`)).body.data.requests
    t.match(newest, { actor: 'session:ada', key_prefix: null, method: 'GET' })

    const hardened = (await ask(url, person, 'POST', '/keys', { ...READ, signing_profile: 'hardened' })).body.data
    t.match([made.body.data.warning, hardened.warning, hardened.signing_secret], [/^Store the key now/, /^Store the key and its signing secret now/, /^fbs_[0-9a-f]{64}$/])

    const gone = await ask(url, person, 'DELETE', `/keys/${id}?reason=over`)
    t.match(gone.body, { ok: true, data: { id, state: 'revoked' } })
    t.equal((await call(url, caller, 'GET', '/governance/policies')).status, 401, 'at once')
    t.equal((await ask(url, person, 'DELETE', `/keys/${id}`)).body.data.revoked_at, gone.body.data.revoked_at, 'repeating it is safe')

    const { events } = (await ask(url, person, 'GET', `/keys/${id}/events`)).body.data
    t.match(events, [
      { action: 'revoked', actor: 'session:ada', reason: 'over', before: { state: 'active' }, after: { state: 'revoked' }, watermark: gone.body.meta.watermark },
      { action: 'created', actor: 'session:ada', reason: 'quarterly', before: null, after: { state: 'active', rpm: 5 }, watermark: made.body.meta.watermark }
    ])
    t.equal(events.length, 2)
  })

  await t.test('Only an admin or owner of the organization is let in', async (t) => {
    const caller = await newCaller(runtime)
    const { orgId } = caller
    const other = await newCaller(runtime)
    const list = async (person: Person | null): Promise<Answer> => await ask(url, person, 'GET', '/keys')
    expectRefusal(t, await list(null), 'not_signed_in', 'nobody')
    expectRefusal(t, await list(await signIn(orgId, { org_id: undefined })), 'organization_required', 'no organization')
    for (const role of [undefined, 'member', 'viewer', 'Admin', 'administrator']) expectRefusal(t, await list(await signIn(orgId, { role })), 'role_required', `role ${String(role)}`)
    for (const role of ['admin', 'owner']) t.equal((await list(await signIn(orgId, { role }))).status, 200, role)
    t.equal((await auditRowOf(runtime, await list(await signIn(orgId, { sub: 'eve', role: 'viewer' }))))?.actor, 'session:eve', 'a refused person is named')
    t.equal((await list(await signIn('org_unknown'))).body.data?.keys.length, 0, 'an organization without rows has none')

    const person = await signIn(orgId)
    const theirs = (await ask(url, person, 'GET', '/keys')).body.data.keys.map(({ id }: { id: string }) => id)
    t.same(theirs, [caller.keyId], 'no key of another organization')
    for (const [method, path, body] of [['DELETE', '', undefined], ['PATCH', '', { rpm: 1 }], ['POST', '/rotate', {}], ['GET', '/events', undefined]] as const) {
      expectRefusal(t, await ask(url, person, method, `/keys/${other.keyId}${path}`, body), 'key_not_found', `${method} of a foreign key`)
      expectRefusal(t, await ask(url, person, method, `/keys/key_01ARZ3NDEKTSV4RRFFQ69G5FAV${path}`, body), 'key_not_found', `${method} of an unknown key`)
      expectRefusal(t, await ask(url, person, method, `/keys/nonsense${path}`, body), 'key_not_found', `${method} of nonsense`)
    }
    t.equal((await call(url, other, 'GET', '/governance/policies')).status, 200, 'the foreign key still works')
    expectRefusal(t, await ask(url, null, 'GET', '/nothing'), 'not_signed_in', 'an unknown route')
    expectRefusal(t, await ask(url, person, 'GET', '/nothing'), 'not_found', 'an unknown route, signed in')
    expectRefusal(t, await ask(url, person, 'PUT', '/keys'), 'method_not_allowed', 'another method')
  })

  await t.test('A key is no session, and a session is no key', async (t) => {
    const caller = await newCaller(runtime, { permissions: ['admin'] })
    const person = await signIn(caller.orgId)
    expectRefusal(t, await send(url, 'GET', `${C}/keys`, headersFor(caller, 'GET', `${C}/keys`)), 'not_signed_in', 'a key at the console')
    expectRefusal(t, await send(url, 'GET', `${C}/keys`, { cookie: `__Secure-next-auth.session-token=${caller.key}` }), 'not_signed_in', 'a key in the cookie')
    expectRefusal(t, await send(url, 'GET', `${P}/requests`, { cookie: person.cookie }), 'invalid_api_key', 'a session at the public surface')
    const token = person.cookie.slice(person.cookie.indexOf('=') + 1)
    expectRefusal(t, await send(url, 'GET', `${P}/requests`, { authorization: `Bearer ${token}` }), 'invalid_api_key', 'a session as bearer')
  })

  await t.test('What changes something comes from the own origin, as JSON', async (t) => {
    const { orgId } = await newCaller(runtime)
    const person = await signIn(orgId)
    const configured = await front(t, runtime, { consoleOrigins: ['https://console.example.com'] })
    const own = new URL(url).origin
    const cases: Array<[at: string, headers: Record<string, string>, ok: boolean]> = [
      [url, { 'sec-fetch-site': 'same-origin' }, true],
      [url, { 'sec-fetch-site': 'same-origin', origin: own }, true],
      [url, { origin: own }, true],
      [url, {}, false],
      [url, { 'sec-fetch-site': 'none' }, false],
      [url, { 'sec-fetch-site': 'same-site' }, false],
      [url, { 'sec-fetch-site': 'cross-site' }, false],
      [url, { 'sec-fetch-site': 'cross-site', origin: own }, false],
      [url, { 'sec-fetch-site': 'same-origin', origin: 'https://elsewhere.example' }, false],
      [url, { origin: 'https://elsewhere.example' }, false],
      [url, { origin: 'null' }, false],
      [url, { origin: own.replace('http', 'https') }, false],
      [configured, { origin: 'https://console.example.com' }, true],
      [configured, { 'sec-fetch-site': 'same-origin' }, true],
      [configured, { origin: new URL(configured).origin }, false],
      [configured, { origin: 'https://console.example.com.elsewhere.example' }, false],
      [configured, { origin: 'http://console.example.com' }, false]
    ]
    let made = 0
    for (const [at, headers, ok] of cases) {
      const answer = await ask(at, person, 'POST', '/keys', READ, headers)
      if (ok) t.equal(answer.status, 200, JSON.stringify(headers))
      else expectRefusal(t, answer, 'cross_origin_refused', JSON.stringify(headers))
      if (ok) made++
    }
    t.equal((await ask(url, person, 'GET', '/keys', undefined, {})).body.data.keys.length, made + 1, 'what was refused made nothing')
    const [{ id }] = (await ask(url, person, 'GET', '/keys')).body.data.keys
    for (const [method, path, body] of [['PATCH', `/keys/${String(id)}`, { rpm: 1 }], ['DELETE', `/keys/${String(id)}`, undefined], ['POST', `/keys/${String(id)}/rotate`, undefined], ['POST', '/scenarios/import', { blueprints: [{ blueprint: FLOW }] }]] as const) {
      expectRefusal(t, await ask(url, person, method, path, body, { 'sec-fetch-site': 'cross-site' }), 'cross_origin_refused', `${method} ${path}`)
    }
    t.equal((await ask(url, person, 'GET', `/keys/${String(id)}/events`)).body.data.events.length, 1, 'nothing was done to the key')
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x']) {
      const answer = await send(url, 'POST', `${C}/keys`, { cookie: person.cookie, 'content-type': type, 'sec-fetch-site': 'same-origin' }, JSON.stringify(READ))
      expectRefusal(t, answer, 'unsupported_media_type', type)
    }
    const preflight = await send(url, 'OPTIONS', `${C}/keys`, { origin: 'https://elsewhere.example', 'access-control-request-method': 'POST' })
    expectRefusal(t, preflight, 'browser_refused', 'a pre-flight')
  })

  await t.test('A body that is not understood makes nothing', async (t) => {
    const { orgId } = await newCaller(runtime)
    const person = await signIn(orgId)
    for (const body of [
      {}, { name: 'x' }, { ...READ, name: '' }, { ...READ, name: ' ' }, { ...READ, permissions: [] }, { ...READ, permissions: ['root'] }, { ...READ, rpm: 0 }, { ...READ, rpm: '5' }, { ...READ, rph: 100_001 },
      { ...READ, ip_allowlist: ['10.0.0.0/33'] }, { ...READ, ip_allowlist: ['localhost'] }, { ...READ, expires_at: 'tomorrow' }, { ...READ, expires_at: '2020-01-01T00:00:00Z' }, { ...READ, signing_profile: 'none' },
      { ...READ, org_id: 'org_other' }, { ...READ, canary_label: 'x' }
    ]) expectRefusal(t, await ask(url, person, 'POST', '/keys', body), 'malformed_request', JSON.stringify(body))
    t.same((await ask(url, person, 'POST', '/keys', { ...READ, permissions: ['root'] })).body.detail, [{ path: '/permissions/0', reason: 'must be "governance:read" or "governance:evaluate" or "admin"' }])
    expectRefusal(t, await ask(url, person, 'GET', '/keys?limit=0'), 'malformed_request', 'limit')
    expectRefusal(t, await ask(url, person, 'GET', '/keys?cursor=AAAA'), 'malformed_request', 'cursor')
    t.equal((await ask(url, person, 'GET', '/keys')).body.data.keys.length, 1)
  })

  await t.test('Lists are read in pages', async (t) => {
    const { orgId } = await newCaller(runtime)
    const person = await signIn(orgId)
    const made = new Set<string>()
    for (let count = 0; count < 4; count++) made.add((await ask(url, person, 'POST', '/keys', READ)).body.data.id)
    for (const [path, field] of [['/keys', 'keys'], ['/audit', 'requests']] as const) {
      const seen: string[] = []
      let cursor: string | null = ''
      while (cursor !== null) {
        const { body } = await ask(url, person, 'GET', `${path}?limit=2${path === '/audit' ? '&status=200&until=' + new Date(Date.now() - 0).toISOString() : ''}${cursor === '' ? '' : `&cursor=${cursor}`}`)
        seen.push(...body.data[field].map((one: any) => one.id ?? one.watermark))
        cursor = body.data.next_cursor
        if (path === '/audit' && seen.length >= 4) break
      }
      t.equal(new Set(seen).size, seen.length, `${path}: nothing twice`)
      if (path === '/keys') t.equal(seen.length, 5)
    }
  })

  await t.test('An import stores shapes and names what it dropped', async (t) => {
    const caller = await newCaller(runtime)
    const person = await signIn(caller.orgId)
    const pinned = { name: 'Pinned', nodes: [{ id: '1', name: 'Hook', type: 'n8n-nodes-base.webhook', typeVersion: 1, position: [0, 0], parameters: {} }], connections: {}, pinData: { Hook: [{ json: { a: 'CANARY-VALUE-7f3a' } }] } }
    const large = { ...FLOW, name: 'Large', notes: 'x'.repeat(200_000) }
    for (const blueprint of [FLOW, pinned, large]) {
      const { status, body } = await ask(url, person, 'POST', '/scenarios/import', { blueprints: [{ blueprint }] })
      t.equal(status, 200, blueprint.name)
      t.match(body.data.scenarios, [{ name: blueprint.name }])
      if (blueprint === pinned) t.match(body.data.scenarios[0].dropped, ['/pinData'])
    }
    t.equal((await call(url, caller, 'GET', '/scenarios')).body.data.scenarios.length, 3)
    expectRefusal(t, await ask(url, person, 'POST', '/scenarios/import', { blueprints: [{ blueprint: FLOW }, { blueprint: { a: 1 } }] }), 'blueprint_invalid', 'all or none')
    t.equal((await call(url, caller, 'GET', '/scenarios')).body.data.scenarios.length, 3)
  })

  await t.test('Without the secret there is no console', async (t) => {
    const bare = await front(t, runtime, { secrets: { ...runtime.config.secrets, nextAuth: null } })
    const { orgId } = await newCaller(runtime)
    expectRefusal(t, await ask(bare, await signIn(orgId), 'GET', '/keys'), 'not_found', 'no such route')
  })

  await t.test('One session and one address have their limits', async (t) => {
    const narrow = await front(t, runtime, { consoleLimitPerMinute: 3 })
    const { orgId } = await newCaller(runtime)
    const ada = await signIn(orgId, { sub: 'ada' })
    const eve = await signIn(orgId, { sub: 'eve' })
    const statuses = []
    for (let count = 0; count < 5; count++) statuses.push((await ask(narrow, ada, 'GET', '/keys')).status)
    t.same(statuses, [200, 200, 200, 429, 429])
    t.equal((await ask(narrow, eve, 'GET', '/keys')).status, 200, 'another person')
    let answer = await ask(narrow, null, 'GET', '/keys')
    for (let count = 0; count < 10; count++) answer = await ask(narrow, null, 'GET', '/keys')
    expectRefusal(t, answer, 'rate_limited', 'an address')
    t.ok(Number(answer.headers.get('retry-after')) >= 1)
  })

  await t.test('While the kill switch is thrown a key can be read and revoked, not made', async (t) => {
    const { orgId, keyId } = await newCaller(runtime)
    const person = await signIn(orgId)
    const off = await front(t, runtime, { enabled: false })
    expectRefusal(t, await ask(off, person, 'POST', '/keys', READ), 'api_disabled', 'making')
    expectRefusal(t, await ask(off, person, 'POST', `/keys/${keyId}/rotate`), 'api_disabled', 'rotating')
    t.equal((await ask(off, person, 'GET', '/keys')).status, 200)
    t.equal((await ask(off, person, 'DELETE', `/keys/${keyId}`)).status, 200)
    await operate(runtime, 'kill.on', { org: orgId, reason: 'test' })
    expectRefusal(t, await ask(url, person, 'POST', '/keys', READ), 'api_disabled', 'making, for one organization')
  })
})
