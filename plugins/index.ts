/**
 * The ten layers in the order of the security page, and the only file that knows it. Registration order is written here; when
 * each layer runs is its hook phase: transport and kill switch at onRequest, layers 2 to 7 at preParsing, watermark at onSend,
 * anomaly detection at onResponse.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import anomalyDetection, { type AnomalyDetectionOptions } from './anomaly-detection.ts'
import authentication, { type AuthenticationOptions } from './authentication.ts'
import ipAllowlist, { type IpAllowlistOptions } from './ip-allowlist.ts'
import killSwitch, { type KillSwitchOptions } from './kill-switch.ts'
import orgScope, { type OrgScopeOptions } from './org-scope.ts'
import permissionScopes, { type PermissionScopesOptions } from './permission-scopes.ts'
import rateLimits, { type RateLimitsOptions } from './rate-limits.ts'
import signature, { type SignatureOptions } from './signature.ts'
import { together } from './lib/turn.ts'
import { timeLayers } from './support/layer-clock.ts'
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
  /** Told how long a layer took that let a request pass or refused it. Default none. */
  onLayerTimed?: (layer: LayerName, microseconds: number, request: FastifyRequest) => void
  /** One request in so many is timed, beginning with the first: reading the clock for each layer costs more than most layers do. Default 1. */
  timeEvery?: number
}

/** Names of the layers, as on the security page; the index plus one is the layer's number. */
export const LAYER_NAMES = ['transport', 'authentication', 'signature', 'ip-allowlist', 'org-scope', 'permission-scopes', 'rate-limits',
  'anomaly-detection', 'watermark', 'kill-switch'] as const

export type LayerName = typeof LAYER_NAMES[number]

/** Layers that are left out are not there; nothing stands in for them. */
export type LayersSubset = Partial<LayersOptions>

/** In registration order. Undefined when the layer's options are not there. */
const LAYERS: ReadonlyArray<(app: FastifyInstance, options: LayersSubset) => PromiseLike<unknown> | undefined> = [
  (app, { transport: own }) => own && app.register(transport, own),
  (app, { authentication: own }) => own && gathered(app).register(authentication, own),
  (app, { signature: own }) => own && gathered(app).register(signature, own),
  (app, { ipAllowlist: own }) => own && app.register(ipAllowlist, own),
  (app, { orgScope: own }) => own && app.register(orgScope, own),
  (app, { permissionScopes: own }) => own && app.register(permissionScopes, own),
  (app, { rateLimits: own }) => own && gathered(app).register(rateLimits, own),
  (app, { anomalyDetection: own }) => own && app.register(anomalyDetection, own),
  (app, { watermark: own }) => own && app.register(watermark, own),
  (app, { killSwitch: own }) => own && app.register(killSwitch, own)
]

/**
 * Before the layers that calculate most: the requests of one turn go through each of them one after the other, not each through all. Not before the
 * watermark, which notes the client's address: a connection that was reset meanwhile has none any more.
 */
function gathered (app: FastifyInstance): FastifyInstance {
  return app.addHook('preParsing', function gather (_request, _reply, payload, done) {
    together(done, null, payload)
  })
}

/** Registers all ten layers on this scope, in their order. */
export async function registerLayers (app: FastifyInstance, options: LayersOptions): Promise<void> {
  await registerSubset(app, options)
}

/** Registers the layers whose options are there, in the order of all ten. What a layer needs of others is for `guard` to judge. */
export async function registerSubset (app: FastifyInstance, options: LayersSubset): Promise<void> {
  if (options.onLayerTimed !== undefined) timeLayers(app, options.onLayerTimed, options.timeEvery)
  for (const register of LAYERS) await register(app, options)
}

export { guard, type GuardOptions } from './guard.ts'
