import t from 'tap'
import orgScope from '../../plugins/org-scope.ts'
import { belongsTo, mintRecordId } from '../../plugins/lib/record-id.ts'
import { bareApp, leavePrincipal, principal, route, SECRET } from '../helper/bare.ts'

async function build (): Promise<Awaited<ReturnType<typeof bareApp>>> {
  const app = await bareApp()
  leavePrincipal(app, principal())
  await app.register(orgScope, { recordIdSecret: SECRET })
  return app
}

t.test('refuses a record id minted for another organization without asking whether it exists', async (t) => {
  const app = await build()
  const seen = route(app, { url: '/evaluations/:evaluation_id' })
  t.equal((await app.inject(`/evaluations/${mintRecordId('req', 'org_1', SECRET)}`)).statusCode, 200)
  const answer = await app.inject(`/evaluations/${mintRecordId('req', 'org_2', SECRET)}`)
  t.equal(answer.statusCode, 403)
  t.match(answer.json(), { error: 'Organization mismatch', code: 'organization_mismatch' })
  t.equal(seen.calls, 1)
})

t.test('judges every record id of a path, each by its own kind', async (t) => {
  const app = await build()
  const seen = route(app, { url: '/scenarios/:id' })
  t.equal((await app.inject(`/scenarios/${mintRecordId('scn', 'org_1', SECRET)}`)).statusCode, 200)
  t.match((await app.inject(`/scenarios/${mintRecordId('scn', 'org_2', SECRET)}`)).json(), { code: 'organization_mismatch' })
  t.equal(seen.calls, 1)
})

t.test('refuses a dot in a record id, which would make the signed string ambiguous', async (t) => {
  const app = await build()
  route(app, { url: '/evaluations/:evaluation_id' })
  const answer = await app.inject('/evaluations/req_1.x')
  t.equal(answer.statusCode, 400)
  t.equal(answer.json().code, 'malformed_request')
})

t.test('refuses another organization in the body before the handler', async (t) => {
  const app = await build()
  const seen = route(app, { method: 'POST' })
  t.equal((await app.inject({ method: 'POST', url: '/thing', payload: { org_id: 'org_1' } })).statusCode, 200)
  t.equal((await app.inject({ method: 'POST', url: '/thing', payload: { org_id: 'org_2' } })).statusCode, 403)
  t.equal(seen.calls, 1)
})

t.test('binds an id to its prefix, its organization and its secret', async (t) => {
  const id = mintRecordId('req', 'org_1', SECRET)
  t.match(id, /^req_[0-9A-HJKMNP-TV-Z]{26}$/)
  t.ok(belongsTo(id, 'req', 'org_1', SECRET))
  t.notOk(belongsTo(id, 'req', 'org_2', SECRET))
  t.notOk(belongsTo(id.replace('req', 'scn'), 'scn', 'org_1', SECRET))
  t.notOk(belongsTo(id, 'req', 'org_1', Buffer.alloc(32, 8)))
})

t.test('does not boot with a short secret', async (t) => {
  const app = await bareApp()
  await t.rejects(async () => { await app.register(orgScope, { recordIdSecret: Buffer.alloc(31) }) }, { message: /at least 32 bytes/ })
})
