/** The permission that each route with a key asks for: what a replay of past requests needs to know. Held to the routes by a test. */
import type { Permission } from '../plugins/context.ts'

const READ: Permission = 'governance:read'
const EVALUATE: Permission = 'governance:evaluate'
const ADMIN: Permission = 'admin'

export const ROUTE_SCOPES: ReadonlyMap<string, Permission> = new Map([
  ['GET /governance/policies', READ],
  ['GET /governance/policies/:code', READ],
  ['POST /evaluate', EVALUATE],
  ['GET /evaluations/:evaluation_id', READ],
  ['GET /scenarios', READ],
  ['GET /governance/summary', READ],
  ['GET /scenarios/:id/results', READ],
  ['GET /scenarios/:id/remediation', READ],
  ['POST /suppressions', ADMIN],
  ['GET /suppressions', ADMIN],
  ['DELETE /suppressions/:suppression_id', ADMIN],
  ['POST /suppressions/:suppression_id/approve', ADMIN],
  ['GET /requests', ADMIN],
  ['GET /watermarks/:watermark', ADMIN],
  ['POST /webhooks', ADMIN],
  ['GET /webhooks', ADMIN],
  ['GET /webhooks/:webhook_id', ADMIN],
  ['PATCH /webhooks/:webhook_id', ADMIN],
  ['DELETE /webhooks/:webhook_id', ADMIN],
  ['POST /webhooks/:webhook_id/rotate-secret', ADMIN],
  ['POST /webhooks/:webhook_id/test', ADMIN],
  ['GET /webhooks/:webhook_id/deliveries', ADMIN],
  ['POST /webhooks/:webhook_id/deliveries/:delivery_id/replay', ADMIN],
  ['POST /webhooks/:webhook_id/deliveries/replay', ADMIN]
])

const SURFACE_PREFIX = '/api/public/v1'

/** The permission of a route as an audit row names it; null for one that needs none, or that is not known. */
export function scopeOf (method: string, route: string): Permission | null {
  const path = route.startsWith(SURFACE_PREFIX) ? route.slice(SURFACE_PREFIX.length) : route
  return ROUTE_SCOPES.get(`${method} ${path}`) ?? null
}
