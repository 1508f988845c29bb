/**
 * The ten layers in the order of the security page, and the only file that knows it. Registration order is written here; when
 * each layer runs is its hook phase: transport and kill switch at onRequest, layers 2 to 7 at preParsing, watermark at onSend,
 * anomaly detection at onResponse.
 */
import type { FastifyInstance } from 'fastify'
import anomalyDetection, { type AnomalyDetectionOptions } from './anomaly-detection.ts'
import authentication, { type AuthenticationOptions } from './authentication.ts'
import ipAllowlist, { type IpAllowlistOptions } from './ip-allowlist.ts'
import killSwitch, { type KillSwitchOptions } from './kill-switch.ts'
import orgScope, { type OrgScopeOptions } from './org-scope.ts'
import permissionScopes, { type PermissionScopesOptions } from './permission-scopes.ts'
import rateLimits, { type RateLimitsOptions } from './rate-limits.ts'
import signature, { type SignatureOptions } from './signature.ts'
import transport, { type TransportOptions } from './transport.ts'
import watermark, { type WatermarkOptions } from './watermark.ts'

export interface LayersOptions {
  transport: TransportOptions
  authentication: AuthenticationOptions
  signature: SignatureOptions
  ipAllowlist: IpAllowlistOptions
  orgScope: OrgScopeOptions
  permissionScopes: PermissionScopesOptions
  rateLimits: RateLimitsOptions
  anomalyDetection: AnomalyDetectionOptions
  watermark: WatermarkOptions
  killSwitch: KillSwitchOptions
  /** Told how long each part of the chain took, once a request that reached its end. Default none. */
  onLayerDone?: (layer: LayerName, microseconds: number) => void
}

/** Names of the layers, as on the security page; the index plus one is the layer's number. */
export const LAYER_NAMES = ['transport', 'authentication', 'signature', 'ip-allowlist', 'org-scope', 'permission-scopes', 'rate-limits',
  'anomaly-detection', 'watermark', 'kill-switch'] as const

export type LayerName = typeof LAYER_NAMES[number]

/** Registers all ten layers on this scope, in their order. */
export async function registerLayers (app: FastifyInstance, options: LayersOptions): Promise<void> {
  startTimer(app, options)
  await app.register(transport, options.transport)
  await app.register(authentication, options.authentication)
  stopTimer(app, 'authentication', options)
  await app.register(signature, options.signature)
  stopTimer(app, 'signature', options)
  await app.register(ipAllowlist, options.ipAllowlist)
  stopTimer(app, 'ip-allowlist', options)
  await app.register(orgScope, options.orgScope)
  stopTimer(app, 'org-scope', options)
  await app.register(permissionScopes, options.permissionScopes)
  stopTimer(app, 'permission-scopes', options)
  await app.register(rateLimits, options.rateLimits)
  stopTimer(app, 'rate-limits', options)
  await app.register(anomalyDetection, options.anomalyDetection)
  await app.register(watermark, options.watermark)
  await app.register(killSwitch, options.killSwitch)
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Milliseconds (monotonic) at which the last timed layer was done. */
    layerDoneAt: number
  }
}

function startTimer (app: FastifyInstance, options: LayersOptions): void {
  if (options.onLayerDone === undefined) return
  app.decorateRequest('layerDoneAt', 0)
  app.addHook('preParsing', function startClock (request, _reply, payload, done) {
    request.layerDoneAt = performance.now()
    done(null, payload)
  })
}

function stopTimer (app: FastifyInstance, name: LayerName, options: LayersOptions): void {
  const { onLayerDone } = options
  if (onLayerDone === undefined) return
  app.addHook('preParsing', function stopClock (request, _reply, payload, done) {
    const nowMs = performance.now()
    onLayerDone(name, (nowMs - request.layerDoneAt) * 1000)
    request.layerDoneAt = nowMs
    done(null, payload)
  })
}
