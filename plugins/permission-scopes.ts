/**
 * Layer 6, permission scopes. Answers: a key that may do more than its job needs.
 *
 * Phase: preParsing, on routes with access `key`. Reads: `principal`, the route's declared `scope`. Leaves: nothing. Refuses with:
 * `insufficient_permission`; `detail` and `WWW-Authenticate` (RFC 6750 section 3) name the permission. Store: none.
 * A route that declares no access, or a `key` route without a scope, stops the boot: a forgotten line must not open a door.
 */
import type { FastifyPluginAsync, FastifyRequest, RequestPayload, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import { ApiError } from '../errors.ts'
import { accessOf, getPrincipal, routeOf, type Permission, type Principal } from './context.ts'
import { assertOptions } from './lib/options.ts'
import { sendRefusals } from './support/error-handler.ts'
import { timedWithPayload } from './support/layer-clock.ts'

const ACCESSES = new Set<unknown>(['key', 'open', 'result-token'])
const PERMISSIONS = new Set<unknown>(['governance:read', 'governance:evaluate', 'admin'])

export type PermissionScopesOptions = Record<never, never>

const permissionScopes: FastifyPluginAsync<PermissionScopesOptions> = async (app, options) => {
  assertOptions('permission-scopes', options, {})
  sendRefusals(app)
  app.principalJudges.push(judgePermission)
  app.addHook('onRoute', refuseUndeclared)

  app.addHook('preParsing', timedWithPayload<RequestPayload>(app, 'permission-scopes', function refuseMissingPermission (request, _reply, payload, done) {
    if (accessOf(request) === 'key') {
      try {
        judgePermission(request, getPrincipal(request))
      } catch (err) {
        return done(err instanceof Error ? err : new Error(String(err)))
      }
    }
    done(null, payload)
  }))
}

function judgePermission (request: FastifyRequest, principal: Principal): void {
  const needed = routeOf(request).config.scope
  if (needed === undefined || grants(principal.permissions, needed)) return
  throw new ApiError('insufficient_permission', {
    detail: `This request needs the permission ${needed}.`,
    headers: { 'www-authenticate': `Bearer error="insufficient_scope", scope="${needed}"` }
  })
}

/** `admin` includes the other two; nothing else implies anything. */
export function grants (held: readonly Permission[], needed: Permission): boolean {
  // A text includes its parts; only a list grants anything.
  if (!Array.isArray(held)) return false
  return held.includes(needed) || held.includes('admin')
}

function refuseUndeclared (route: RouteOptions): void {
  const name = `${String(route.method)} ${route.url}`
  const access: unknown = route.config?.access
  if (!ACCESSES.has(access)) throw new Error(`${name} declares no access; set config.access to 'key', 'open' or 'result-token'`)
  if (access === 'key' && route.config?.anyPermission !== true && !PERMISSIONS.has(route.config?.scope)) throw new Error(`${name} needs a key but declares no scope; set config.scope to a permission`)
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route answers every authenticated caller the same, whatever its permissions (a wrong method, say). */
    anyPermission?: boolean
  }
}

export default fp(permissionScopes, { name: 'permission-scopes', fastify: '5.x', decorators: { request: ['principal'] } })
