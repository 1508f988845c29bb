import t from 'tap'
import permissionScopes from '../../plugins/permission-scopes.ts'
import type { Permission } from '../../plugins/context.ts'
import { bareApp, leavePrincipal, principal, route } from '../helper/bare.ts'

const cases: Array<[Permission[], Permission, number]> = [
  [['governance:read'], 'governance:read', 200],
  [['governance:read'], 'governance:evaluate', 403],
  [['governance:evaluate'], 'governance:read', 403],
  [['governance:read', 'governance:evaluate'], 'admin', 403],
  [['admin'], 'governance:read', 200],
  [['admin'], 'governance:evaluate', 200],
  [[], 'governance:read', 403]
]

for (const [held, needed, status] of cases) {
  t.test(`answers ${status} when [${held.join(', ')}] meets a route that needs ${needed}`, async (t) => {
    const app = await bareApp()
    leavePrincipal(app, principal({ permissions: held }))
    await app.register(permissionScopes)
    const seen = route(app, { scope: needed })
    const answer = await app.inject('/thing')
    t.equal(answer.statusCode, status)
    t.equal(seen.calls, status === 200 ? 1 : 0)
    if (status === 403) {
      t.match(answer.json(), { error: 'Insufficient permission', code: 'insufficient_permission' })
      t.match(answer.json().detail, needed)
      t.equal(answer.headers['www-authenticate'], `Bearer error="insufficient_scope", scope="${needed}"`)
    }
  })
}

t.test('a route that declares no access, or no scope, does not boot', async (t) => {
  const app = await bareApp()
  await app.register(permissionScopes)
  t.throws(() => app.get('/undeclared', async () => ({})), { message: /declares no access/ })
  t.throws(() => app.get('/no-scope', { config: { access: 'key' } }, async () => ({})), { message: /declares no scope/ })
})

t.test('a missing principal is an error, never an anonymous user', async (t) => {
  const app = await bareApp()
  await app.register(permissionScopes)
  const seen = route(app)
  t.equal((await app.inject('/thing')).statusCode, 500)
  t.equal(seen.calls, 0)
})
