/** Prometheus metrics of the service: requests, per layer passed and refused, latency. Labels come from closed sets only. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ErrorCode } from '../../errors.ts'
import type { LayerName } from '../index.ts'

/** Layers in the order in which they run on a request, which decides what a refused request had passed. */
const RUN_ORDER: readonly LayerName[] = ['transport', 'kill-switch', 'authentication', 'signature', 'ip-allowlist', 'org-scope', 'permission-scopes', 'rate-limits', 'watermark']

const LAYER_OF_CODE: ReadonlyMap<ErrorCode, LayerName> = new Map<ErrorCode, LayerName>([
  ['https_required', 'transport'], ['browser_refused', 'transport'],
  ['api_disabled', 'kill-switch'],
  ['invalid_api_key', 'authentication'],
  ['signature_missing', 'signature'], ['signature_invalid', 'signature'], ['payload_too_large', 'signature'],
  ['ip_not_allowed', 'ip-allowlist'],
  ['organization_mismatch', 'org-scope'],
  ['insufficient_permission', 'permission-scopes'],
  ['rate_limited', 'rate-limits'], ['signature_replayed', 'rate-limits']
])

const SECONDS_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]

export interface Metrics {
  readonly registry: Registry
  observeRequest (request: FastifyRequest, reply: FastifyReply): void
  observeLayer (layer: LayerName, microseconds: number): void
  /** A circuit towards a part of a store opened or closed. */
  observeCircuit (store: 'redis', shard: string, state: 'open' | 'closed'): void
}

/** A registry of its own, so that several services in one process do not mix. */
export function createMetrics (): Metrics {
  const registry = new Registry()
  const requests = new Counter({ name: 'flowbeacon_requests_total', help: 'Answers sent', labelNames: ['method', 'route', 'status'], registers: [registry] })
  const seconds = new Histogram({ name: 'flowbeacon_request_seconds', help: 'Time to answer', labelNames: ['route'], buckets: SECONDS_BUCKETS, registers: [registry] })
  const passed = new Counter({ name: 'flowbeacon_layer_passed_total', help: 'Requests that passed a layer', labelNames: ['layer'], registers: [registry] })
  const refused = new Counter({ name: 'flowbeacon_layer_refused_total', help: 'Requests that a layer refused', labelNames: ['layer', 'code'], registers: [registry] })
  const layerSeconds = new Histogram({ name: 'flowbeacon_layer_seconds', help: 'Time a layer took', labelNames: ['layer'], buckets: [0.00001, 0.0001, ...SECONDS_BUCKETS], registers: [registry] })
  const degraded = new Counter({ name: 'flowbeacon_degraded_requests_total', help: 'Requests whose windows were judged in process because their store was away', registers: [registry] })
  const circuitOpen = new Gauge({ name: 'flowbeacon_circuit_open', help: '1 while a part of a store is away and not asked; the shard is empty but for a cluster', labelNames: ['store', 'shard'], registers: [registry] })
  const circuitOpened = new Counter({ name: 'flowbeacon_circuit_opened_total', help: 'How often a circuit opened', labelNames: ['store', 'shard'], registers: [registry] })

  return {
    registry,
    observeCircuit (store, shard, state) {
      circuitOpen.set({ store, shard }, state === 'open' ? 1 : 0)
      if (state === 'open') circuitOpened.inc({ store, shard })
    },
    observeLayer: (layer, microseconds) => layerSeconds.observe({ layer }, microseconds / 1e6),
    observeRequest (request, reply) {
      const route = request.is404 ? '*' : request.routeOptions.url ?? '*'
      requests.inc({ method: request.method, route, status: reply.statusCode })
      seconds.observe({ route }, reply.elapsedTime / 1000)
      if (request.degraded) degraded.inc()
      const code = request.refusal?.code
      const refusingLayer = code === undefined ? undefined : LAYER_OF_CODE.get(code)
      if (refusingLayer !== undefined && code !== undefined) refused.inc({ layer: refusingLayer, code })
      const applies = request.routeOptions.config.access === 'open' ? 2 : RUN_ORDER.length
      for (const layer of RUN_ORDER.slice(0, applies)) {
        if (layer === refusingLayer) break
        passed.inc({ layer })
      }
    }
  }
}
