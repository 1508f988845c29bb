/** Composition root: builds the service from a configuration and its stores. Registers everything, never listens. */
import { readFileSync } from 'node:fs'
import { METHODS } from 'node:http'
import rateLimit from '@fastify/rate-limit'
import fastify, { LogController, type FastifyInstance, type FastifyPluginAsync, type FastifyReply, type FastifyRequest, type FastifyServerOptions, type HTTPMethods, type RouteOptions } from 'fastify'
import { LRUCache } from 'lru-cache'
import type { Config } from './config.ts'
import type { Database } from './db/client.ts'
import { acceptRequests, type AcceptedRequest } from './db/queries/accepted-requests.ts'
import { findKeyByDigest } from './db/queries/system.ts'
import { ApiError, ERROR_CATALOGUE } from './errors.ts'
import type { Egress } from './evaluation/egress.ts'
import type { FailureLimiter } from './plugins/authentication.ts'
import { declareSlots, passAfter, type AdmissionStore, type AuditSink, type RefusalCounter, type SingleUseStore } from './plugins/context.ts'
import type { AnomalyDetectionOptions } from './plugins/anomaly-detection.ts'
import { registerLayers, type LayersOptions } from './plugins/index.ts'
import { normaliseAddress } from './plugins/lib/cidr.ts'
import { ALL_KILLED, type KillState } from './plugins/lib/kill-state.ts'
import { clientOf } from './plugins/lib/network.ts'
import { mintWatermark } from './plugins/lib/watermark-id.ts'
import errorHandler from './plugins/support/error-handler.ts'
import { groupCommit, type GroupCommit } from './plugins/support/group-commit.ts'
import { bareHeaders, createEdgeServer } from './plugins/support/http-edge.ts'
import jsonBody from './plugins/support/json-body.ts'
import type { Metrics } from './plugins/support/metrics.ts'
import transport from './plugins/transport.ts'
import watermark from './plugins/watermark.ts'
import { CONSOLE_PREFIX, registerConsole } from './routes/console/index.ts'
import type { RouteDeps } from './routes/v1/deps.ts'
import v1Routes from './routes/v1/index.ts'

export const PUBLIC_PREFIX = '/api/public/v1'

/** Path parameters that hold record ids, with their prefixes: judged by layer 5. */
const RECORD_PARAMS = { evaluation_id: 'req', id: 'scn', webhook_id: 'sub', delivery_id: 'dlv', suppression_id: 'sup' }
/** Every method that the runtime's parser knows and that can have a route: what a path does not have is refused with 405, not lost. */
const KNOWN_METHODS: readonly HTTPMethods[] = METHODS.filter((method) => method !== 'CONNECT')
const PARAM_CHARS_MAX = 2048
const MINUTE_MS = 60_000
const FAILURE_ADDRESSES_MAX = 50_000
/** A limit per address that is low must not let one address spend what all of them have. */
const FAILURES_PER_SECOND_MIN = 60
/** People behind one address that may use the console at once without a thought of limits. */
const ADDRESS_SHARES = 5

export interface AppDeps {
  database: Database
  admission: AdmissionStore
  singleUse: SingleUseStore
  /** The guarded way out, which judges the URLs of webhooks. */
  egress: Egress
  audit: AuditSink
  refusals: RefusalCounter
  /** Keeps an anomaly that one request proves, and does what follows from it. */
  raiseAnomaly: AnomalyDetectionOptions['raise']
  /** The kill switch as this process knows it, from memory. */
  killState: () => KillState
  /** Wakes the workers of this process. Default none: the queues are polled. */
  wake?: () => void
  metrics?: Metrics
  /** What is served behind the layers. Default the public API; a measurement puts its own in their place. */
  routes?: FastifyPluginAsync<RouteDeps>
  /** Fastify's logger option. Default false. */
  logger?: FastifyServerOptions['logger']
  /** Unix milliseconds. Default `Date.now`. */
  now?: () => number
}

/** The whole service, ready for `listen` or `inject`. Rejects when a layer or route is declared wrongly. */
export async function buildApp (config: Config, deps: AppDeps): Promise<FastifyInstance> {
  const now = deps.now ?? Date.now
  const app = fastify(serverOptions(config, deps, now))
  for (const method of KNOWN_METHODS) if (!app.supportedMethods.includes(method) || method === 'QUERY') app.addHttpMethod(method, { hasBody: false, overrideExisting: true })
  declareSlots(app)
  const { metrics } = deps
  if (metrics !== undefined) {
    app.addHook('onResponse', function observe (request, reply, done) {
      metrics.observeRequest(request, reply)
      done()
    })
  }
  await app.register(errorHandler)
  await app.register(rateLimit, { global: false, cache: FAILURE_ADDRESSES_MAX })
  const perAddress = addressLimiter(app, config.authFailureLimitPerMinute)
  const accepted = groupCommit<AcceptedRequest, boolean>({
    name: 'accepted_requests',
    async write (requests) {
      const isFirst = await acceptRequests(deps.database.db, requests)
      return (at) => isFirst[at] === true
    }
  })
  app.addHook('onClose', () => accepted.close())

  await app.register(async (surface) => {
    await surface.register(jsonBody)
    await registerLayers(surface, layerOptions(config, deps, perAddress, accepted, now))
    limitResultTokens(surface, perAddress)
    const declared = collectRoutes(surface)
    await surface.register(deps.routes ?? v1Routes, {
      database: deps.database,
      singleUse: deps.singleUse,
      secrets: config.secrets,
      egress: deps.egress,
      now,
      wake: deps.wake ?? (() => {})
    })
    refuseOtherMethods(surface, declared, PUBLIC_PREFIX)
    surface.setNotFoundHandler(refuseUnknownRoute)
  }, { prefix: PUBLIC_PREFIX })

  if (config.secrets.nextAuth !== null) await app.register(consoleSurface(config, deps, config.secrets.nextAuth, now), { prefix: CONSOLE_PREFIX })

  // Outside the surface nothing is served; what is refused there carries a watermark all the same.
  await app.register(async (outside) => {
    await outside.register(transport, { requireHttps: config.production })
    await outside.register(watermark, watermarkOptions(config, deps, now))
    // Before a body is read: nothing that could come in it is of use here.
    outside.addHook('preParsing', refuseUnknownRoute)
    outside.setNotFoundHandler(refuseUnknownRoute)
  })
  await app.ready()
  return app
}

function serverOptions (config: Config, deps: AppDeps, now: () => number): FastifyServerOptions {
  const { refusals } = deps
  const { watermark: watermarkSecret } = config.secrets
  const tls = config.tlsCertPath !== null && config.tlsKeyPath !== null ? { tls: { cert: readFileSync(config.tlsCertPath), key: readFileSync(config.tlsKeyPath) } } : {}
  const { headersTimeoutMs, requestTimeoutMs, keepAliveTimeoutMs } = config
  return {
    serverFactory: (handler) => createEdgeServer(handler, { watermarkSecret, ...tls, headersTimeoutMs, requestTimeoutMs, keepAliveTimeoutMs, refusals, now }),
    // Answered by the edge, in its place among the other answers of its connection.
    clientErrorHandler: () => {},
    logger: deps.logger ?? false,
    logController: new LogController({ disableRequestLogging: true }),
    // What a request logs names its watermark, which is its id; a logger of its own would cost each request more than its audit row.
    childLoggerFactory: (logger) => logger,
    trustProxy: config.trustedProxies.length === 0 ? false : [...config.trustedProxies],
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: PARAM_CHARS_MAX },
    // Requests on kept-alive connections are answered while the service drains, then the connection closes.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    frameworkErrors: (err, request, reply) => {
      const code = err.code === 'FST_ERR_BAD_URL' ? 'malformed_request' : 'not_found'
      const mark = mintWatermark(watermarkSecret, now())
      const { status, sentence } = ERROR_CATALOGUE[code]
      refusals.count({ ip: normaliseAddress(request.ip) ?? '0.0.0.0', code, status, at: new Date(now()) })
      const untyped: FastifyReply = reply
      untyped.code(status).headers(bareHeaders(mark)).send({ ok: false, error: sentence, code, meta: { watermark: mark } })
    }
  }
}

function layerOptions (config: Config, deps: AppDeps, failures: FailureLimiter, accepted: GroupCommit<AcceptedRequest, boolean>, now: () => number): LayersOptions {
  const { database: { db }, metrics } = deps
  return {
    transport: { requireHttps: config.production },
    authentication: { keys: { findByDigest: (digest) => findKeyByDigest(db, digest, config.secrets.masterKeys) }, epochs: deps.admission, failures, failuresPerSecondMax: Math.max(FAILURES_PER_SECOND_MIN, Math.ceil(config.authFailureLimitPerMinute / 60)), now },
    signature: { required: config.requireHmac, bodyDeadlineMs: config.bodyDeadlineMs, explain: !config.production, now },
    ipAllowlist: {},
    orgScope: { recordIdSecret: config.secrets.recordId, recordParams: RECORD_PARAMS },
    permissionScopes: {},
    rateLimits: { store: deps.admission, accepted: { accept: (keyId, replayId, ttlSeconds) => accepted.submit({ keyId, replayId, ttlSeconds }) }, instances: config.instanceCount },
    anomalyDetection: { raise: deps.raiseAnomaly, keys: { findByDigest: (digest) => findKeyByDigest(db, digest, config.secrets.masterKeys) }, thresholds: config.anomalyThresholds, now },
    watermark: watermarkOptions(config, deps, now),
    // The environment's flag is absolute: nothing that is lifted while running opens what it closed.
    killSwitch: { state: config.enabled ? deps.killState : () => ALL_KILLED },
    ...(metrics === undefined ? {} : { onLayerTimed: metrics.observeLayer, timeEvery: metrics.timeEvery })
  }
}

function watermarkOptions (config: Config, { audit, refusals }: AppDeps, now: () => number): LayersOptions['watermark'] {
  return { secret: config.secrets.watermark, audit, refusals, instance: config.instanceId, now }
}

/** The console, behind its sessions. It outlives the kill switch as far as keys can be revoked there. */
function consoleSurface (config: Config, deps: AppDeps, secret: string, now: () => number): FastifyPluginAsync {
  const { consoleOrigins: origins, consoleLimitPerMinute: perSubjectMax, secrets } = config
  return async (surface) => {
    const declared = collectRoutes(surface)
    await registerConsole(surface, {
      database: deps.database,
      admission: deps.admission,
      secrets,
      now,
      transport: { requireHttps: config.production },
      watermark: watermarkOptions(config, deps, now),
      session: { secret, origins, bodyDeadlineMs: config.bodyDeadlineMs, perSubjectMax, perAddressMax: ADDRESS_SHARES * perSubjectMax, killState: config.enabled ? deps.killState : () => ALL_KILLED, now }
    })
    refuseOtherMethods(surface, declared, CONSOLE_PREFIX)
    surface.setNotFoundHandler(refuseUnknownRoute)
  }
}

/** `@fastify/rate-limit` guards what has no key yet: failed authentication and result tokens, per client address. */
function addressLimiter (app: FastifyInstance, perMinute: number): FailureLimiter {
  const limiter = app.createRateLimit({ max: perMinute, timeWindow: MINUTE_MS, keyGenerator: (request) => clientOf(request.ip) })
  /** Addresses that have failed within the window, so that the others are not looked up in it; as many as the limiter knows, forgotten later than it forgets. */
  const failing = new LRUCache<string, true>({ max: FAILURE_ADDRESSES_MAX, ttl: 2 * MINUTE_MS })
  return {
    mayBeBlocked: (request) => failing.size > 0 && failing.has(clientOf(request.ip)),
    async check (request) {
      const state = await limiter(request, { increment: false })
      return state.isAllowed || state.remaining > 0 ? null : Math.max(1, state.ttlInSeconds)
    },
    async count (request) {
      failing.set(clientOf(request.ip), true)
      await limiter(request)
    }
  }
}

/** Hangs on the routes that take a result token; the others need not ask. */
function limitResultTokens (surface: FastifyInstance, limiter: FailureLimiter): void {
  surface.addHook('onRoute', (route) => {
    if (route.config?.access === 'result-token') route.preParsing = [(request, _reply, payload, done) => passAfter(spend(request), payload, done), ...[route.preParsing ?? []].flat()]
  })

  async function spend (request: FastifyRequest): Promise<void> {
    const retryAfterSeconds = await limiter.check(request)
    if (retryAfterSeconds !== null) throw new ApiError('rate_limited', { detail: 'Too many requests from this address.', headers: { 'retry-after': String(retryAfterSeconds) }, reason: 'address' })
    await limiter.count(request)
  }
}

function collectRoutes (surface: FastifyInstance): Map<string, RouteOptions[]> {
  const declared = new Map<string, RouteOptions[]>()
  surface.addHook('onRoute', (route) => { declared.set(route.url, [...declared.get(route.url) ?? [], route]) })
  return declared
}

/** Every known path answers the methods it does not have with 405 and `Allow`, judged by the same layers as the path itself. */
function refuseOtherMethods (surface: FastifyInstance, declared: ReadonlyMap<string, RouteOptions[]>, prefix: string): void {
  for (const [url, routes] of [...declared]) {
    const allowed = routes.flatMap((route) => route.method)
    const allow = allowed.join(', ')
    const refuse = async (): Promise<never> => { throw new ApiError('method_not_allowed', { headers: { allow } }) }
    surface.route({
      method: KNOWN_METHODS.filter((method) => !allowed.includes(method)),
      url: url.slice(prefix.length),
      config: { access: routes[0]?.config?.access ?? 'key', anyPermission: true },
      // After the layers and before the parser: a path that is open to everybody reads nobody's body.
      preParsing: refuse,
      handler: refuse
    })
  }
}

async function refuseUnknownRoute (): Promise<never> { throw new ApiError('not_found') }
