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
  /** Told which layer a request passed, and how long that took; null for a request that is not timed. Default none. */
  onLayerDone?: (layer: LayerName, microseconds: number | null, request: FastifyRequest) => void
  /** One request in so many is timed, beginning with the first: reading the clock for each layer costs more than most layers do. Default 1. */
  timeEvery?: number
  /** Told how long the layer took that ended the chain with a refusal. Default none. */
  onLayerRefused?: (microseconds: number, request: FastifyRequest) => void
}

/** Names of the layers, as on the security page; the index plus one is the layer's number. */
export const LAYER_NAMES = ['transport', 'authentication', 'signature', 'ip-allowlist', 'org-scope', 'permission-scopes', 'rate-limits',
  'anomaly-detection', 'watermark', 'kill-switch'] as const

export type LayerName = typeof LAYER_NAMES[number]

/** Layers that are left out are not there; nothing stands in for them. */
export type LayersSubset = Partial<LayersOptions>

interface Layer {
  readonly name: LayerName
  readonly phase: Phase
  /** Undefined when its options are not there. */
  register (app: FastifyInstance, options: LayersSubset): PromiseLike<unknown> | undefined
}

/** Registration order. */
const LAYERS: readonly Layer[] = [
  { name: 'transport', phase: 'onRequest', register: (app, { transport: own }) => own && app.register(transport, own) },
  { name: 'authentication', phase: 'preParsing', register: (app, { authentication: own }) => own && app.register(authentication, own) },
  { name: 'signature', phase: 'preParsing', register: (app, { signature: own }) => own && app.register(signature, own) },
  { name: 'ip-allowlist', phase: 'preParsing', register: (app, { ipAllowlist: own }) => own && app.register(ipAllowlist, own) },
  { name: 'org-scope', phase: 'preParsing', register: (app, { orgScope: own }) => own && app.register(orgScope, own) },
  { name: 'permission-scopes', phase: 'preParsing', register: (app, { permissionScopes: own }) => own && app.register(permissionScopes, own) },
  { name: 'rate-limits', phase: 'preParsing', register: (app, { rateLimits: own }) => own && app.register(rateLimits, own) },
  { name: 'anomaly-detection', phase: 'onResponse', register: (app, { anomalyDetection: own }) => own && app.register(anomalyDetection, own) },
  { name: 'watermark', phase: 'onSend', register: (app, { watermark: own }) => own && app.register(watermark, own) },
  { name: 'kill-switch', phase: 'onRequest', register: (app, { killSwitch: own }) => own && app.register(killSwitch, own) }
]

/** Registers all ten layers on this scope, in their order. */
export async function registerLayers (app: FastifyInstance, options: LayersOptions): Promise<void> {
  await registerSubset(app, options)
}

/** Registers the layers whose options are there, in the order of all ten. What a layer needs of others is for `guard` to judge. */
export async function registerSubset (app: FastifyInstance, options: LayersSubset): Promise<void> {
  const { begin, startClock, stopClock } = layerClock(app, options)
  begin()
  let phase: Phase = 'onRequest'
  for (const layer of LAYERS) {
    if (layer.phase !== phase) startClock(layer.phase)
    phase = layer.phase
    const registered = layer.register(app, options)
    if (registered === undefined) continue
    await registered
    stopClock(layer.phase, layer.name)
  }
}

type Phase = 'onRequest' | 'preParsing' | 'onSend' | 'onResponse'

interface LayerClock {
  /** Before any other hook: decides which requests are timed, and tells how long the layer took that refused. */
  begin (): void
  /** From here on in this phase, time belongs to the layer that is registered next. */
  startClock (phase: Phase): void
  /** Tells how long the layer registered last took in this phase. One that refuses never gets there: its request goes on at onSend. */
  stopClock (phase: Phase, layer: LayerName): void
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Milliseconds (monotonic) at which the last timed layer was done; 0 when the request is not timed. */
    layerDoneAt: number
    /** Whether the layers before the body have all let the request pass. */
    isChainDone: boolean
  }
}

function layerClock (app: FastifyInstance, { onLayerDone, onLayerRefused, timeEvery = 1 }: LayersSubset): LayerClock {
  if (!Number.isSafeInteger(timeEvery) || timeEvery < 1) throw new TypeError('layers: timeEvery must be a positive whole number')
  if (onLayerDone === undefined) return { begin () {}, startClock () {}, stopClock () {} }
  app.decorateRequest('layerDoneAt', 0)
  app.decorateRequest('isChainDone', false)
  let requests = 0
  return {
    begin () {
      addHook(app, 'onRequest', (request) => { if (requests++ % timeEvery === 0) request.layerDoneAt = performance.now() })
      addHook(app, 'onSend', (request) => {
        if (request.refusal !== null && !request.isChainDone && request.layerDoneAt !== 0) onLayerRefused?.((performance.now() - request.layerDoneAt) * 1000, request)
      })
    },
    startClock: (phase) => addHook(app, phase, (request) => { if (request.layerDoneAt !== 0) request.layerDoneAt = performance.now() }),
    stopClock: (phase, layer) => addHook(app, phase, (request) => {
      if (layer === 'rate-limits') request.isChainDone = true
      if (request.layerDoneAt === 0) return onLayerDone(layer, null, request)
      const nowMs = performance.now()
      onLayerDone(layer, (nowMs - request.layerDoneAt) * 1000, request)
      request.layerDoneAt = nowMs
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

export { guard, type GuardOptions } from './guard.ts'
