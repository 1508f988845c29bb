/**
 * The ten layers in the order of the security page, and the only file that knows it. Registration order is written here; when
 * each layer runs is its hook phase: transport and kill switch at onRequest, layers 2 to 7 at preParsing, watermark at onSend,
 * anomaly detection at onResponse.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
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
  /** Told which layer a request passed, and how long that took. Default none. */
  onLayerDone?: (layer: LayerName, microseconds: number, request: FastifyRequest) => void
  /** Told how long the layer took that ended the chain with a refusal. Default none. */
  onLayerRefused?: (microseconds: number, request: FastifyRequest) => void
}

/** Names of the layers, as on the security page; the index plus one is the layer's number. */
export const LAYER_NAMES = ['transport', 'authentication', 'signature', 'ip-allowlist', 'org-scope', 'permission-scopes', 'rate-limits',
  'anomaly-detection', 'watermark', 'kill-switch'] as const

export type LayerName = typeof LAYER_NAMES[number]

/** Registers all ten layers on this scope, in their order. */
export async function registerLayers (app: FastifyInstance, options: LayersOptions): Promise<void> {
  const { startClock, stopClock, timeRefusals } = layerClock(app, options)
  timeRefusals()
  startClock('onRequest')
  await app.register(transport, options.transport)
  stopClock('onRequest', 'transport')
  startClock('preParsing')
  await app.register(authentication, options.authentication)
  stopClock('preParsing', 'authentication')
  await app.register(signature, options.signature)
  stopClock('preParsing', 'signature')
  await app.register(ipAllowlist, options.ipAllowlist)
  stopClock('preParsing', 'ip-allowlist')
  await app.register(orgScope, options.orgScope)
  stopClock('preParsing', 'org-scope')
  await app.register(permissionScopes, options.permissionScopes)
  stopClock('preParsing', 'permission-scopes')
  await app.register(rateLimits, options.rateLimits)
  stopClock('preParsing', 'rate-limits')
  startClock('onResponse')
  await app.register(anomalyDetection, options.anomalyDetection)
  stopClock('onResponse', 'anomaly-detection')
  startClock('onSend')
  await app.register(watermark, options.watermark)
  stopClock('onSend', 'watermark')
  startClock('onRequest')
  await app.register(killSwitch, options.killSwitch)
  stopClock('onRequest', 'kill-switch')
}

type Phase = 'onRequest' | 'preParsing' | 'onSend' | 'onResponse'

interface LayerClock {
  /** From here on in this phase, time belongs to the layer that is registered next. */
  startClock (phase: Phase): void
  /** Tells how long the layer registered last took in this phase. One that refuses never gets there: its request goes on at onSend. */
  stopClock (phase: Phase, layer: LayerName): void
  /** Tells how long the layer took that refused. Before any other hook of that phase, so that nothing else is counted as its time. */
  timeRefusals (): void
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Milliseconds (monotonic) at which the last timed layer was done. */
    layerDoneAt: number
    /** Whether the layers before the body have all let the request pass. */
    isChainDone: boolean
  }
}

function layerClock (app: FastifyInstance, { onLayerDone, onLayerRefused }: LayersOptions): LayerClock {
  if (onLayerDone === undefined) return { startClock () {}, stopClock () {}, timeRefusals () {} }
  app.decorateRequest('layerDoneAt', 0)
  app.decorateRequest('isChainDone', false)
  return {
    startClock: (phase) => addHook(app, phase, (request) => { request.layerDoneAt = performance.now() }),
    stopClock: (phase, layer) => addHook(app, phase, (request) => {
      const nowMs = performance.now()
      onLayerDone(layer, (nowMs - request.layerDoneAt) * 1000, request)
      request.layerDoneAt = nowMs
      if (layer === 'rate-limits') request.isChainDone = true
    }),
    timeRefusals: () => addHook(app, 'onSend', (request) => {
      if (request.refusal !== null && !request.isChainDone) onLayerRefused?.((performance.now() - request.layerDoneAt) * 1000, request)
    })
  }
}

function addHook (app: FastifyInstance, phase: Phase, observe: (request: FastifyRequest) => void): void {
  switch (phase) {
    case 'onRequest':
    case 'onResponse':
      app.addHook(phase === 'onRequest' ? 'onRequest' : 'onResponse', function timeLayer (request: FastifyRequest, _reply: FastifyReply, done: () => void) {
        observe(request)
        done()
      })
      break
    case 'preParsing':
      app.addHook(phase, function timeLayer (request, _reply, payload, done) {
        observe(request)
        done(null, payload)
      })
      break
    case 'onSend':
      app.addHook(phase, function timeLayer (request, _reply, payload, done) {
        observe(request)
        done(null, payload)
      })
  }
}
