/** A little service of another team: parcels, behind seven of the layers, with its own registry of callers. */
import { appendFile } from 'node:fs/promises'
import fastify, { type FastifyInstance } from 'fastify'
import { ApiError } from '@flowbeacon/public-api/errors'
import { guard } from '@flowbeacon/public-api/plugins'
import { getPrincipal } from '@flowbeacon/public-api/plugins/context'
import { ALL_KILLED, NOTHING_KILLED } from '@flowbeacon/public-api/plugins/kill-switch'
import jsonBody from '@flowbeacon/public-api/plugins/support/json-body'
import { memoryAdmissionStore } from '@flowbeacon/public-api/plugins/support/memory'
import { partnersFrom } from './registry.ts'

export interface ServiceOptions {
  partnersFile: string
  /** One JSON object a line, durable before the answer leaves. */
  auditFile: string
  /** At least 32 bytes. */
  watermarkSecret: Buffer
  isEnabled: () => boolean
  /** Default true. */
  requireHttps?: boolean
}

const ParcelBody = { type: 'object', properties: { to: { type: 'string', minLength: 1 }, weight_grams: { type: 'integer', minimum: 1 } }, required: ['to', 'weight_grams'], additionalProperties: false } as const

export async function buildService (options: ServiceOptions): Promise<FastifyInstance> {
  const app = fastify({ exposeHeadRoutes: false })
  const parcels = new Map<string, Array<{ id: number, to: string }>>()
  await app.register(jsonBody)
  // One process, so its memory is store enough; with more of them, plugins/support/redis has the same port.
  const store = memoryAdmissionStore()
  await guard(app, {
    transport: { requireHttps: options.requireHttps ?? true },
    authentication: { keys: partnersFrom(options.partnersFile), epochs: store },
    signature: { bodyBytesMax: 10 * 1024 * 1024 },
    rateLimits: { store },
    watermark: { secret: options.watermarkSecret, audit: { record: (row) => appendFile(options.auditFile, `${JSON.stringify(row)}\n`) } },
    killSwitch: { state: () => options.isEnabled() ? NOTHING_KILLED : ALL_KILLED }
  })

  app.get('/parcels/v1/status', { config: { access: 'open' } }, async () => ({ ok: true, data: { service: 'parcels' } }))
  app.get('/parcels/v1/parcels', { config: { access: 'key' } }, async (request) => ({ ok: true, data: { parcels: parcels.get(getPrincipal(request).orgId) ?? [] } }))
  app.post<{ Body: { to: string, weight_grams: number } }>('/parcels/v1/parcels', { config: { access: 'key' }, schema: { body: ParcelBody } }, async (request) => {
    const { orgId } = getPrincipal(request)
    const own = parcels.get(orgId) ?? []
    const parcel = { id: own.length + 1, to: request.body.to }
    parcels.set(orgId, [...own, parcel])
    return { ok: true, data: parcel }
  })
  app.setNotFoundHandler(async () => { throw new ApiError('not_found') })
  return app
}
