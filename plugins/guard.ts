/**
 * Any subset of the ten layers on somebody's Fastify, in the right order, with what the layers need besides: the slots and the error
 * handler that turns refusals into envelopes. A composition that cannot hold fails at boot with a sentence that says what is missing.
 *
 * ```ts
 * await guard(app, { authentication: { keys }, signature: {}, watermark: { secret, audit } })
 * app.get('/things', { config: { access: 'key' } }, async () => ({ ok: true, data: [] }))
 * ```
 */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { LRUCache } from 'lru-cache'
import { ApiError } from '../errors.ts'
import { accessOf, declareSlots, lapseOf, type KeyRecord, type Principal } from './context.ts'
import { registerSubset, type LayersSubset } from './index.ts'
import errorHandler from './support/error-handler.ts'

const EPOCHS_MAX = 10_000
const guarded = new WeakSet<FastifyInstance>()

export interface GuardOptions extends LayersSubset {
  /**
   * Who calls, where that is known otherwise than by our bearer keys (a client certificate, a gateway's header): asked for each request of
   * a route with access `key`, before layers 4 to 7. Null and undefined refuse with `invalid_api_key`. Stands in the place of `authentication`. Default none.
   */
  caller?: (request: FastifyRequest) => KeyRecord | null | undefined | Promise<KeyRecord | null | undefined>
}

type LayerOption = Exclude<keyof GuardOptions, 'caller' | 'onLayerTimed' | 'timeEvery'>

const A_CALLER = 'give authentication, or caller where callers are known otherwise'
/** What a layer cannot do without, and why. */
const NEEDS: Readonly<Record<LayerOption, { by: ReadonlyArray<keyof GuardOptions>, why: string } | null>> = {
  transport: null,
  authentication: null,
  signature: { by: ['authentication'], why: 'it verifies with the key that authentication finds; give authentication' },
  ipAllowlist: { by: ['authentication', 'caller'], why: `the list stands in the caller's record; ${A_CALLER}` },
  orgScope: { by: ['authentication', 'caller'], why: `it compares with the caller's organization; ${A_CALLER}` },
  permissionScopes: { by: ['authentication', 'caller'], why: `permissions stand in the caller's record; ${A_CALLER}` },
  rateLimits: { by: ['authentication', 'caller'], why: `windows are the caller's; ${A_CALLER}` },
  anomalyDetection: { by: ['authentication', 'caller'], why: `signals are of callers; ${A_CALLER}` },
  watermark: null,
  killSwitch: null
}
const NOT_LAYERS = new Set(['caller', 'onLayerTimed', 'timeEvery'])

/**
 * Registers the layers whose options are given on this scope. Routes declared afterwards in the scope stand behind them; each says in
 * `config.access` whether it asks for a key. Rejects with an Error when a layer lacks what it needs, or a name is no layer.
 */
export async function guard (app: FastifyInstance, options: GuardOptions): Promise<void> {
  assertComposition(options)
  if (guarded.has(app)) throw new Error('guard: this scope has its layers already; give all of them at once, so that they stand in their order')
  guarded.add(app)
  const { caller, ...layers } = options
  declareSlots(app)
  await app.register(errorHandler)
  if (caller !== undefined) app.addHook('preParsing', askCaller(app, caller))
  await registerSubset(app, layers)
}

function assertComposition (options: GuardOptions): void {
  const given = new Map(Object.entries(options).filter(([, value]) => value !== undefined))
  for (const name of given.keys()) if (!NOT_LAYERS.has(name) && !Object.hasOwn(NEEDS, name)) throw new Error(`guard: there is no layer ${name}; the layers are ${Object.keys(NEEDS).join(', ')}`)
  for (const [name, value] of given) if (Object.hasOwn(NEEDS, name) && (typeof value !== 'object' || value === null)) throw new Error(`guard: ${name} must be an object with the layer's options; leave it out where the layer is not wanted`)
  if (given.has('authentication') && given.has('caller')) throw new Error('guard: authentication and caller both say who calls; give one of them')
  for (const [name, need] of Object.entries(NEEDS)) {
    if (given.has(name) && need !== null && !need.by.some((other) => given.has(other))) throw new Error(`guard: ${name} needs ${need.by.join(' or ')}: ${need.why}`)
  }
}

function askCaller (app: FastifyInstance, caller: NonNullable<GuardOptions['caller']>) {
  /** What the windows' store last said of a caller, so that its next request is judged at the first question. Records are never kept. */
  const epochs = new LRUCache<string, string>({ max: EPOCHS_MAX })

  async function identify (request: FastifyRequest): Promise<Principal> {
    const record = await caller(request) ?? null
    const lapse = record === null ? 'unknown' : lapseOf(record, Date.now())
    if (record === null || lapse !== null) throw new ApiError('invalid_api_key', { reason: lapse ?? 'unknown' })
    request.principal = { ...record, epoch: epochs.get(record.keyId) ?? '' }
    return request.principal
  }

  return async function identifyCaller (request: FastifyRequest): Promise<void> {
    if (accessOf(request) !== 'key') return
    const principal = await identify(request)
    request.reloadPrincipal = async (epoch) => {
      epochs.set(principal.keyId, epoch)
      return await identify(request)
    }
    for (const judge of app.callerJudges) judge(request, principal)
  }
}
