import fastify from 'fastify'
import t from 'tap'
import { ROUTE_SCOPES, scopeOf } from '../../evaluation/route-scopes.ts'
import type { RouteDeps } from '../../routes/v1/deps.ts'
import v1Routes from '../../routes/v1/index.ts'

t.test('the table of scopes is what the routes declare, no more and no less', async (t) => {
  const app = fastify({ exposeHeadRoutes: false })
  const declared = new Map<string, string>()
  app.addHook('onRoute', ({ method, url, config }) => { if (config?.scope !== undefined) declared.set(`${String(method)} ${url}`, config.scope) })
  // Declaring a route uses nothing of what its handler needs.
  await app.register(v1Routes, { secrets: {} } as unknown as RouteDeps)
  await app.ready()
  t.same([...ROUTE_SCOPES].sort(), [...declared].sort())
})

t.test('an audit row\'s route is known with the prefix of the surface', async (t) => {
  t.equal(scopeOf('GET', '/api/public/v1/scenarios'), 'governance:read')
  t.equal(scopeOf('GET', '/scenarios'), 'governance:read')
  t.equal(scopeOf('DELETE', '/scenarios'), null)
  t.equal(scopeOf('GET', '*'), null)
})
