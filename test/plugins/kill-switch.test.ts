import t from 'tap'
import killSwitch, { type KillState } from '../../plugins/kill-switch.ts'
import { NOTHING_KILLED } from '../../plugins/lib/kill-state.ts'
import { bareApp, leavePrincipal, principal, route } from '../helper/bare.ts'

const DISABLED = { ok: false, error: 'Public API is disabled', code: 'api_disabled' }

t.test('answers 503 on every route while the API is disabled, and serves again at once when it is enabled', async (t) => {
  let state: KillState = { ...NOTHING_KILLED, everything: 'everything' }
  const app = await bareApp()
  await app.register(killSwitch, { state: () => state })
  const seen = route(app)
  route(app, { url: '/health', access: 'open' })
  for (const url of ['/thing', '/health', '/unknown']) {
    const refused = await app.inject(url)
    t.equal(refused.statusCode, 503, url)
    t.same(refused.json(), DISABLED)
  }
  t.equal(seen.calls, 0)
  state = NOTHING_KILLED
  t.equal((await app.inject('/thing')).statusCode, 200)
})

t.test('answers 503 unavailable on every route while the state is not known, also when nothing seems to be thrown', async (t) => {
  let state: KillState = { ...NOTHING_KILLED, isKnown: false }
  const app = await bareApp()
  await app.register(killSwitch, { state: () => state })
  const seen = route(app, { access: 'open' })
  const refused = await app.inject('/thing')
  t.equal(refused.statusCode, 503)
  t.match(refused.json(), { code: 'unavailable' })
  t.ok(Number(refused.headers['retry-after']) > 0)
  state = { ...state, everything: 'everything' }
  t.same((await app.inject('/thing')).json(), DISABLED, 'what is known to be thrown is said even then')
  t.equal(seen.calls, 0)
})

const org = new Map([['org_1', 'everything']] as const)
const writes = new Map([['org_1', 'writes']] as const)
const key = new Map([['key_1', 'everything']] as const)
const other = new Map([['org_2', 'everything'], ['key_2', 'everything']] as const)

for (const [what, change, get, post] of [
  ['an organization', { orgs: org }, 503, 503],
  ['a key', { keys: key }, 503, 503],
  ['writes of an organization', { orgs: writes }, 200, 503],
  ['writes of everybody', { everything: 'writes' }, 200, 503],
  ['somebody else', { orgs: other, keys: other }, 200, 200]
] as const) {
  t.test(`a switch for ${what} refuses that and nothing else`, async (t) => {
    const app = await bareApp()
    leavePrincipal(app, principal())
    await app.register(killSwitch, { state: () => ({ ...NOTHING_KILLED, ...change }) })
    const seen = route(app)
    route(app, { method: 'POST' })
    for (const [method, status] of [['GET', get], ['POST', post]] as const) {
      const answer = await app.inject({ method, url: '/thing' })
      t.equal(answer.statusCode, status, method)
      if (status === 503) t.same(answer.json(), DISABLED)
    }
    t.equal(seen.calls, get === 200 ? 1 : 0)
  })
}

t.test('a switch for an organization leaves open routes open, and refuses its result tokens where they are read', async (t) => {
  const app = await bareApp()
  await app.register(killSwitch, { state: () => ({ ...NOTHING_KILLED, orgs: org, keys: key }) })
  const seen = route(app, { access: 'open' })
  app.get('/results/:org', async (request) => {
    app.refuseKilledOrganization(request, (request.params as { org: string }).org)
    return {}
  })
  t.equal((await app.inject('/thing')).statusCode, 200)
  t.equal(seen.calls, 1)
  t.same((await app.inject('/results/org_1')).json(), DISABLED)
  t.equal((await app.inject('/results/org_2')).statusCode, 200)
})

t.test('the caller is judged as soon as authentication knows it, before later layers run', async (t) => {
  const app = await bareApp()
  app.addHook('preParsing', async (request) => {
    request.principal = principal()
    for (const judge of app.callerJudges) judge(request, request.principal)
  })
  let later = 0
  app.addHook('preParsing', async () => { later++ })
  await app.register(killSwitch, { state: () => ({ ...NOTHING_KILLED, orgs: org }) })
  route(app)
  t.equal((await app.inject('/thing')).statusCode, 503)
  t.equal(later, 0)
})

t.test('does not boot without its option', async (t) => {
  const app = await bareApp()
  await t.rejects(async () => { await app.register(killSwitch, {} as { state: () => KillState }) }, { message: /state/ })
})

t.test('refuses everything before any later phase begins, so that no key is looked up for it', async (t) => {
  const app = await bareApp()
  let lookUps = 0
  app.addHook('preParsing', async (_request, _reply, payload) => {
    lookUps++
    return payload
  })
  await app.register(killSwitch, { state: () => ({ ...NOTHING_KILLED, everything: 'everything' }) })
  route(app)
  t.equal((await app.inject('/thing')).statusCode, 503)
  t.equal(lookUps, 0)
})
