import fastify, { type FastifyInstance } from 'fastify'
import type { Access, AuditRow, KeyRecord, Permission, Principal } from '../../plugins/context.ts'
import { declareSlots } from '../../plugins/context.ts'
import { signRequest } from '../../plugins/lib/hmac.ts'
import errorHandler from '../../plugins/support/error-handler.ts'

export const SECRET = Buffer.alloc(32, 7)
export const KEY = `fb_live_${'0123456789abcdef'.repeat(3)}`
export const NOW_MS = 1_800_000_000_000

export function record (changes: Partial<KeyRecord> = {}): KeyRecord {
  return { keyId: 'key_1', orgId: 'org_1', prefix: KEY.slice(0, 12), permissions: ['governance:read'], ipAllowlist: [], perMinute: 60, perHour: 1000, state: 'active', expiresAtMs: null, ...changes }
}

export function principal (changes: Partial<Principal> = {}): Principal {
  return { ...record(), epoch: 'e1', ...changes }
}

// A Fastify that has the slots, the error handler and nothing else of ours.
export async function bareApp (): Promise<FastifyInstance> {
  const app = fastify()
  declareSlots(app)
  await app.register(errorHandler)
  return app
}

// Stands in for the layers before the one under test.
export function leavePrincipal (app: FastifyInstance, value: Principal): void {
  app.addHook('onRequest', async (request) => {
    request.principal = value
    request.bearerKey = KEY
  })
}

export function route (app: FastifyInstance, options: { url?: string, method?: 'GET' | 'POST' | 'DELETE', access?: Access, scope?: Permission } = {}): { calls: number } {
  const seen = { calls: 0 }
  app.route({
    method: options.method ?? 'GET',
    url: options.url ?? '/thing',
    config: { access: options.access ?? 'key', scope: options.scope ?? 'governance:read' },
    handler: async (request) => {
      seen.calls++
      return { ok: true, data: { body: request.body ?? null } }
    }
  })
  return seen
}

export function signed (method: string, path: string, body = '', nowMs = Date.now(), key = KEY): Record<string, string> {
  const header = signRequest({ key, timestampSeconds: Math.floor(nowMs / 1000), method, path, body: Buffer.from(body) })
  return { authorization: `Bearer ${key}`, 'x-fb-signature': header }
}

export function collectingSink (): { rows: AuditRow[], record: (row: AuditRow) => Promise<void> } {
  const rows: AuditRow[] = []
  return { rows, record: async (row) => { rows.push(row) } }
}
