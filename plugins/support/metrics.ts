/**
 * Prometheus metrics of the service: requests, and for each layer what it passed, what it refused by code, and how long it took.
 * Labels come from closed sets only. A layer counts a request when the request's kind of access makes it speak.
 */
import { Counter, Gauge, Registry } from 'prom-client'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ErrorCode } from '../../errors.ts'
import { accessOf, routeOf, type Access } from '../context.ts'
import type { LayerName } from '../index.ts'
import { countTally, LatencyTally } from './tallies.ts'

const ALL: readonly Access[] = ['key', 'open', 'result-token']
const KEY: readonly Access[] = ['key']

/** On which routes a layer judges, in the order in which a request meets the layers: one that is refused has passed those before. */
const JUDGES: Readonly<Record<LayerName, readonly Access[]>> = {
  transport: ALL,
  'kill-switch': ALL,
  authentication: KEY,
  signature: KEY,
  'ip-allowlist': KEY,
  'org-scope': KEY,
  'permission-scopes': KEY,
  'rate-limits': KEY,
  watermark: ALL,
  'anomaly-detection': ALL
}
/** These see every answer, also that of a refusal. */
const AT_THE_END: ReadonlySet<string> = new Set<LayerName>(['watermark', 'anomaly-detection'])

/** The layer that refuses with this code. */
const LAYER_OF_CODE: ReadonlyMap<ErrorCode, LayerName> = new Map<ErrorCode, LayerName>([
  ['https_required', 'transport'], ['browser_refused', 'transport'], ['uri_too_long', 'transport'], ['headers_too_large', 'transport'],
  ['api_disabled', 'kill-switch'],
  ['invalid_api_key', 'authentication'],
  ['signature_missing', 'signature'], ['signature_invalid', 'signature'], ['payload_too_large', 'signature'], ['request_timeout', 'signature'],
  ['ip_not_allowed', 'ip-allowlist'],
  ['organization_mismatch', 'org-scope'],
  ['insufficient_permission', 'permission-scopes'],
  ['rate_limited', 'rate-limits'], ['signature_replayed', 'rate-limits']
])

/** Codes that several parts of the service refuse with: the private reason tells which layer it was. */
const LAYER_OF_REASON: ReadonlyMap<string, LayerName> = new Map<string, LayerName>([
  ['malformed_request framing', 'transport'], ['malformed_request target', 'transport'],
  ['malformed_request body', 'signature'], ['malformed_request body_length', 'signature'],
  ['malformed_request record_id', 'org-scope'],
  ['unavailable key_store', 'authentication'], ['unavailable strangers', 'authentication'], ['rate_limited strangers', 'authentication'],
  ['unavailable epoch', 'rate-limits'], ['unavailable accepted_requests', 'rate-limits'],
  ['unavailable audit', 'watermark'],
  ['unavailable kill_switch_unknown', 'kill-switch']
])

/** Private reason of a refusal by what the body names. */
const REFUSED_BY_BODY = 'body_organization'

const SECONDS_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]

export interface Metrics {
  readonly registry: Registry
  observeRequest (request: FastifyRequest, reply: FastifyReply): void
  /** One request in so many is timed layer by layer; all are counted. */
  readonly timeEvery: number
  /** What a layer took that let a request pass or refused it. */
  observeLayer (layer: LayerName, microseconds: number, request: FastifyRequest): void
  /** A circuit towards a part of a store opened or closed. */
  observeCircuit (store: 'redis', shard: string, state: 'open' | 'closed'): void
}

/** A prime: a client whose requests alternate is not seen from one side only. */
const TIME_EVERY = 17

/** A registry of its own, so that several services in one process do not mix. */
export function createMetrics ({ timeEvery = TIME_EVERY }: { timeEvery?: number } = {}): Metrics {
  const registry = new Registry()
  const answers = new Map<string, Map<string, Map<number, () => void>>>()
  const requests = countTally({ name: 'flowbeacon_requests_total', help: 'Answers sent', labelNames: ['method', 'route', 'status'], registers: [registry] })
  const seconds = new LatencyTally({ name: 'flowbeacon_request_seconds', help: 'Time to answer', label: 'route', buckets: SECONDS_BUCKETS, registers: [registry] })
  const passed = countTally({ name: 'flowbeacon_layer_passed_total', help: 'Requests that passed a layer', labelNames: ['layer'], registers: [registry] })
  const refused = new Counter({ name: 'flowbeacon_layer_refused_total', help: 'Requests that a layer refused', labelNames: ['layer', 'code'], registers: [registry] })
  const layerSeconds = new LatencyTally({ name: 'flowbeacon_layer_seconds', help: 'Time a layer took, of one request in several', label: 'layer', buckets: [0.00001, 0.0001, ...SECONDS_BUCKETS], registers: [registry] })
  const degraded = new Counter({ name: 'flowbeacon_degraded_requests_total', help: 'Requests whose windows were judged in process because their store was away', registers: [registry] })
  const circuitOpen = new Gauge({ name: 'flowbeacon_circuit_open', help: '1 while a part of a store is away and not asked; the shard is empty but for a cluster', labelNames: ['store', 'shard'], registers: [registry] })
  const circuitOpened = new Counter({ name: 'flowbeacon_circuit_opened_total', help: 'How often a circuit opened', labelNames: ['store', 'shard'], registers: [registry] })
  // All ten are there from the first scrape: a series that appears late reads as a gap.
  const layers = new Map(Object.entries(JUDGES).map(([layer, accesses]) => [layer, { accesses, pass: passed.adder({ layer }), time: layerSeconds.adder(layer) }]))
  const passesOf = new Map(ALL.map((access) => [access, [...layers.values()].filter(({ accesses }) => accesses.includes(access)).map(({ pass }) => pass)]))

  function countPasses (access: Access, request: FastifyRequest, refusing: LayerName | null): void {
    if (refusing === null) {
      for (const pass of passesOf.get(access) ?? []) pass()
      return
    }
    // A body is read, and what it names judged, once all layers before it have let the request pass.
    let isBefore = true
    const isAfterChain = request.refusal?.reason === REFUSED_BY_BODY
    for (const [layer, { accesses, pass }] of layers) {
      if (layer === refusing) isBefore = false
      else if ((isBefore || isAfterChain || AT_THE_END.has(layer)) && accesses.includes(access)) pass()
    }
  }

  /** Found by three looks at what is there, where a text made of them would be made and searched for each request. */
  function countAnswer (route: string, method: string, status: number): void {
    const ofRoute = known(answers, route, () => new Map())
    const ofMethod = known(ofRoute, method, () => new Map())
    known(ofMethod, status, () => requests.adder({ method, route, status }))()
  }

  return {
    registry,
    timeEvery,
    observeCircuit (store, shard, state) {
      circuitOpen.set({ store, shard }, state === 'open' ? 1 : 0)
      if (state === 'open') circuitOpened.inc({ store, shard })
    },
    observeLayer (layer, microseconds, request) {
      const tally = layers.get(layer)
      if (tally?.accesses.includes(accessOf(request)) === true) tally.time(microseconds / 1e6)
    },
    observeRequest (request, reply) {
      const route = routeOf(request).url ?? '*'
      countAnswer(route, request.method, reply.statusCode)
      seconds.add(route, reply.elapsedTime / 1000)
      if (request.degraded) degraded.inc()
      const layer = refusingLayer(request)
      if (layer !== null && request.refusal !== null) refused.inc({ layer, code: request.refusal.code })
      countPasses(accessOf(request), request, layer)
    }
  }
}

/** The layer that refused this request, or null: nobody did, or the parser or the route. */
function refusingLayer (request: FastifyRequest): LayerName | null {
  const { refusal } = request
  if (refusal === null) return null
  // An address that failed too often is refused where its failures are counted.
  if (refusal.code === 'rate_limited' && refusal.reason === 'address') return accessOf(request) === 'key' ? 'authentication' : 'rate-limits'
  return LAYER_OF_REASON.get(`${refusal.code} ${refusal.reason ?? ''}`) ?? LAYER_OF_CODE.get(refusal.code) ?? null
}

function known<K, V> (map: Map<K, V>, key: K, make: () => V): V {
  let found = map.get(key)
  if (found === undefined) map.set(key, found = make())
  return found
}
