/** The client: one method for each operation of the API, and two that follow an evaluation to its end. */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { inspect } from 'node:util'
import { ConnectionError, EvaluationError, RefusedError } from './errors.ts'
import { Exchange, isObject, type Call, type RequestOptions } from './exchange.ts'
import type {
  DeliveryList, DeliveryQueued, EvaluateAccepted, EvaluateBody, EvaluationProgress, FullResults, GovernanceSummary, PolicyDetail, PolicyList,
  ReplayBody, ReplayQueued, RequestList, ResolvedMark, ScenarioList, ScenarioRemediation, ScenarioResults, Suppression, SuppressionCreateBody,
  SuppressionList, Webhook, WebhookCreateBody, WebhookCreated, WebhookDeleted, WebhookList, WebhookPatchBody, WebhookSecret
} from './types.ts'

export interface FlowBeaconOptions {
  /** Origin of the service, such as `https://api.example.com`. HTTPS, or a loopback address. */
  baseUrl: string
  /** `fb_live_` and 48 lowercase hex digits. */
  apiKey: string
  /** `fbs_` and 64 lowercase hex digits; only for a key on the hardened signature profile. Default none. */
  signingSecret?: string
  /** Milliseconds for one attempt, its body included. Default 30 000. */
  timeoutMs?: number
  /** Attempts after the first. Default 4; 0 never tries again. */
  retriesMax?: number
  /** Milliseconds; when the service asks for a longer wait, the refusal is thrown instead. Default 60 000. */
  retryAfterMsMax?: number
  /** Unix milliseconds. Default `Date.now`. A clock that is off is corrected from the service's `Date` when a signature is refused. */
  now?: () => number
}

export interface Answer<Data> {
  data: Data
  /** Quote it to support. */
  watermark: string
  /** As the service has it after this request; null for what is not limited per key. */
  rateLimit: { limit: number, remaining: number, resetAt: Date } | null
}

export interface SubmitOptions extends RequestOptions {
  /** 1 to 255 visible ASCII characters. With one, a lost answer is asked for again and the evaluation is still made once. Default none. */
  idempotencyKey?: string
}

export interface WaitOptions extends RequestOptions {
  /** Milliseconds between two looks. Default 2000. */
  pollMs?: number
  /** Milliseconds until `evaluation_timeout`. Default 300 000. */
  waitMs?: number
}

export interface Page { limit?: number, cursor?: string }
export interface RequestFilter extends Page { key_prefix?: string, status?: number, since?: string, until?: string, watermark?: string }
export interface Evaluated { evaluationId: string, progress: EvaluationProgress, results: FullResults, watermark: string }

const PREFIX = '/api/public/v1'
const USER_AGENT = `flowbeacon-client/1.0.0 node/${globalThis.process?.versions?.node ?? 'unknown'}`
const KEY = /^fb_live_[0-9a-f]{48}$/
const SECRET = /^fbs_[0-9a-f]{64}$/
const KEY_PREFIX_CHARS = 12
const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]'])
const TIMEOUT_MS = 30_000
const RETRIES_MAX = 4
const RETRY_AFTER_MS_MAX = 60_000
const POLL_MS = 2000
const WAIT_MS = 300_000

/** Throws a TypeError for options that are not as described, and in a browser: a key there is everybody's. */
export class FlowBeacon {
  readonly #exchange: Exchange
  readonly #shown: { baseUrl: string, apiKey: string }

  constructor (options: FlowBeaconOptions) {
    refuseBrowser()
    const { apiKey, signingSecret = null } = options
    if (typeof apiKey !== 'string' || !KEY.test(apiKey)) throw new TypeError('apiKey must be fb_live_ and 48 lowercase hex digits')
    if (signingSecret !== null && !SECRET.test(signingSecret)) throw new TypeError('signingSecret must be fbs_ and 64 lowercase hex digits')
    const origin = originOf(options.baseUrl)
    this.#shown = { baseUrl: origin, apiKey: `${apiKey.slice(0, KEY_PREFIX_CHARS)}…` }
    this.#exchange = new Exchange({
      origin,
      credentials: { apiKey, signingSecret },
      timeoutMs: wholeNumber('timeoutMs', options.timeoutMs ?? TIMEOUT_MS, 1),
      retriesMax: wholeNumber('retriesMax', options.retriesMax ?? RETRIES_MAX, 0),
      retryAfterMsMax: wholeNumber('retryAfterMsMax', options.retryAfterMsMax ?? RETRY_AFTER_MS_MAX, 0),
      userAgent: USER_AGENT,
      now: options.now ?? Date.now
    })
  }

  /** Whether the API is there. Needs no valid key. */
  async getHealth (options?: RequestOptions): Promise<{ ok: true, service: string, version: string }> {
    const { json } = await this.#exchange.send({ operation: 'getHealth', method: 'GET', target: `${PREFIX}/governance/health`, isSigned: false }, options)
    return json as { ok: true, service: string, version: string }
  }

  async listPolicies (options?: RequestOptions): Promise<Answer<PolicyList>> { return await this.#get('listPolicies', '/governance/policies', options) }
  async getPolicy (code: string, options?: RequestOptions): Promise<Answer<PolicyDetail>> { return await this.#get('getPolicy', `/governance/policies/${segment(code)}`, options) }
  async getSummary (options?: RequestOptions): Promise<Answer<GovernanceSummary>> { return await this.#get('getSummary', '/governance/summary', options) }

  async createEvaluation (body: EvaluateBody, { idempotencyKey, ...options }: SubmitOptions = {}): Promise<Answer<EvaluateAccepted>> {
    return await this.#call({ operation: 'createEvaluation', method: 'POST', target: '/evaluate', body, ...(idempotencyKey === undefined ? {} : { idempotencyKey }) }, options)
  }

  async getEvaluation (evaluationId: string, options?: RequestOptions): Promise<Answer<EvaluationProgress>> { return await this.#get('getEvaluation', `/evaluations/${segment(evaluationId)}`, options) }

  /** Spends the token. When the answer is lost on its way, the token may be spent: `result_token_used` with `attempts` above 1 says so. */
  async redeemResults (token: string, options?: RequestOptions): Promise<Answer<FullResults>> {
    return await this.#call({ operation: 'redeemResults', method: 'GET', target: `/results/${segment(token)}`, isSigned: false }, options)
  }

  async listScenarios (page: Page = {}, options?: RequestOptions): Promise<Answer<ScenarioList>> { return await this.#get('listScenarios', `/scenarios${query(page)}`, options) }
  async getScenarioResults (id: string, options?: RequestOptions): Promise<Answer<ScenarioResults>> { return await this.#get('getScenarioResults', `/scenarios/${segment(id)}/results`, options) }
  async getScenarioRemediation (id: string, options?: RequestOptions): Promise<Answer<ScenarioRemediation>> { return await this.#get('getScenarioRemediation', `/scenarios/${segment(id)}/remediation`, options) }

  async listRequests (filter: RequestFilter = {}, options?: RequestOptions): Promise<Answer<RequestList>> { return await this.#get('listRequests', `/requests${query(filter)}`, options) }
  async resolveWatermark (watermark: string, options?: RequestOptions): Promise<Answer<ResolvedMark>> { return await this.#get('resolveWatermark', `/watermarks/${segment(watermark)}`, options) }

  async createSuppression (body: SuppressionCreateBody, options?: RequestOptions): Promise<Answer<Suppression>> { return await this.#post('createSuppression', '/suppressions', body, options) }
  async listSuppressions (filter: Page & { state?: Suppression['state'] | 'all' } = {}, options?: RequestOptions): Promise<Answer<SuppressionList>> { return await this.#get('listSuppressions', `/suppressions${query(filter)}`, options) }
  async withdrawSuppression (id: string, options?: RequestOptions): Promise<Answer<Suppression>> { return await this.#call({ operation: 'withdrawSuppression', method: 'DELETE', target: `/suppressions/${segment(id)}` }, options) }
  async approveSuppression (id: string, options?: RequestOptions): Promise<Answer<Suppression>> { return await this.#post('approveSuppression', `/suppressions/${segment(id)}/approve`, undefined, options) }

  async createWebhook (body: WebhookCreateBody, options?: RequestOptions): Promise<Answer<WebhookCreated>> { return await this.#post('createWebhook', '/webhooks', body, options) }
  async listWebhooks (options?: RequestOptions): Promise<Answer<WebhookList>> { return await this.#get('listWebhooks', '/webhooks', options) }
  async getWebhook (id: string, options?: RequestOptions): Promise<Answer<Webhook>> { return await this.#get('getWebhook', `/webhooks/${segment(id)}`, options) }
  async updateWebhook (id: string, body: WebhookPatchBody, options?: RequestOptions): Promise<Answer<Webhook>> { return await this.#call({ operation: 'updateWebhook', method: 'PATCH', target: `/webhooks/${segment(id)}`, body }, options) }
  async deleteWebhook (id: string, options?: RequestOptions): Promise<Answer<WebhookDeleted>> { return await this.#call({ operation: 'deleteWebhook', method: 'DELETE', target: `/webhooks/${segment(id)}` }, options) }
  async rotateWebhookSecret (id: string, options?: RequestOptions): Promise<Answer<WebhookSecret>> { return await this.#post('rotateWebhookSecret', `/webhooks/${segment(id)}/rotate-secret`, undefined, options) }
  async testWebhook (id: string, options?: RequestOptions): Promise<Answer<DeliveryQueued>> { return await this.#post('testWebhook', `/webhooks/${segment(id)}/test`, undefined, options) }
  async listDeliveries (id: string, filter: Page & { state?: 'pending' | 'delivering' | 'delivered' | 'failed' | 'cancelled' } = {}, options?: RequestOptions): Promise<Answer<DeliveryList>> { return await this.#get('listDeliveries', `/webhooks/${segment(id)}/deliveries${query(filter)}`, options) }
  async replayDelivery (id: string, deliveryId: string, options?: RequestOptions): Promise<Answer<DeliveryQueued>> { return await this.#post('replayDelivery', `/webhooks/${segment(id)}/deliveries/${segment(deliveryId)}/replay`, undefined, options) }
  async replayDeliveries (id: string, body: ReplayBody, options?: RequestOptions): Promise<Answer<ReplayQueued>> { return await this.#post('replayDeliveries', `/webhooks/${segment(id)}/deliveries/replay`, body, options) }

  /** Looks until the evaluation is complete. Rejects with EvaluationError when it failed or takes too long. */
  async waitForEvaluation (evaluationId: string, { pollMs = POLL_MS, waitMs = WAIT_MS, ...options }: WaitOptions = {}): Promise<Answer<EvaluationProgress>> {
    const endsAt = Date.now() + waitMs
    for (;;) {
      const answer = await this.getEvaluation(evaluationId, options)
      if (answer.data.status === 'complete') return answer
      if (answer.data.status === 'error') throw new EvaluationError(evaluationId, 'evaluation_failed', answer.data.error ?? 'failed')
      if (Date.now() + pollMs > endsAt) throw new EvaluationError(evaluationId, 'evaluation_timeout', `not complete after ${waitMs} ms`)
      await delay(pollMs, undefined, options.signal === undefined ? {} : { signal: options.signal }).catch((err: unknown) => {
        options.signal?.throwIfAborted()
        throw err
      })
    }
  }

  /**
   * Submits, waits and redeems. The evaluation is made once, whatever is lost on the way: the submission has an idempotency key (default
   * a random UUID), and when the answer with the results was lost, the same submission gives a fresh token for the same evaluation.
   */
  async evaluateAndWait (body: EvaluateBody, options: SubmitOptions & WaitOptions = {}): Promise<Evaluated> {
    const { idempotencyKey = randomUUID(), pollMs: _poll, waitMs: _wait, ...plain } = options
    let { data: accepted } = await this.createEvaluation(body, { ...plain, idempotencyKey })
    const { data: progress } = await this.waitForEvaluation(accepted.evaluation_id, options)
    for (let renewals = 0; ; renewals++) {
      try {
        const { data: results, watermark } = await this.redeemResults(accepted.result_token, plain)
        return { evaluationId: accepted.evaluation_id, progress, results, watermark }
      } catch (err) {
        if (renewals >= RETRIES_MAX || !isTokenLost(err)) throw err
        accepted = (await this.createEvaluation(body, { ...plain, idempotencyKey })).data
      }
    }
  }

  async #get<Data> (operation: string, target: string, options?: RequestOptions): Promise<Answer<Data>> {
    return await this.#call({ operation, method: 'GET', target }, options)
  }

  async #post<Data> (operation: string, target: string, body: unknown, options?: RequestOptions): Promise<Answer<Data>> {
    return await this.#call({ operation, method: 'POST', target, body }, options)
  }

  async #call<Data> (call: Omit<Call, 'isSigned'> & { isSigned?: boolean }, options: RequestOptions = {}): Promise<Answer<Data>> {
    const { json, headers } = await this.#exchange.send({ isSigned: true, ...call, target: PREFIX + call.target }, options)
    if (!isObject(json) || !isObject(json['data'])) throw new ConnectionError(call.operation, 'not_understood', null)
    return { data: json['data'] as Data, watermark: headers.get('x-fb-watermark') ?? '', rateLimit: rateLimitOf(headers) }
  }

  /** What `console.log` shows: never the key. */
  [inspect.custom] (): string {
    return `FlowBeacon ${inspect(this.#shown)}`
  }

  /** What `JSON.stringify` shows: never the key. */
  toJSON (): { baseUrl: string, apiKey: string } {
    return { ...this.#shown }
  }
}

/** Its use was ours and the answer was lost, or it expired while we waited. */
function isTokenLost (err: unknown): boolean {
  return err instanceof RefusedError && ((err.code === 'result_token_used' && err.attempts > 1) || err.code === 'result_token_invalid')
}

function rateLimitOf (headers: Headers): Answer<unknown>['rateLimit'] {
  const [limit, remaining, reset] = ['limit', 'remaining', 'reset'].map((name) => headers.get(`x-ratelimit-${name}`))
  if (typeof limit !== 'string' || typeof remaining !== 'string' || typeof reset !== 'string') return null
  return { limit: Number(limit), remaining: Number(remaining), resetAt: new Date(Number(reset) * 1000) }
}

function refuseBrowser (): void {
  const isNode = typeof globalThis.process?.versions?.node === 'string'
  if (!isNode || 'document' in globalThis || 'WorkerGlobalScope' in globalThis) throw new TypeError('the FlowBeacon client runs on servers only: a key in a browser is everybody\'s')
}

function originOf (baseUrl: string): string {
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : null
  const isPlain = url !== null && url.pathname === '/' && url.search === '' && url.hash === '' && url.username === '' && url.password === ''
  if (!isPlain) throw new TypeError('baseUrl must be an origin, such as https://api.example.com')
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && LOOPBACK.has(url.hostname))) throw new TypeError('baseUrl must be https, or http on a loopback address')
  return url.origin
}

function wholeNumber (name: string, value: number, min: number): number {
  if (!Number.isSafeInteger(value) || value < min) throw new TypeError(`${name} must be a whole number of at least ${min}`)
  return value
}

/** One segment of a path. What could lead to another path is refused, not repaired. */
function segment (text: string): string {
  if (typeof text !== 'string' || text === '' || text === '.' || text === '..') throw new TypeError('an id must be a text')
  return encodeURIComponent(text)
}

function query (values: object): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(values)) if (value !== undefined) search.set(name, String(value))
  return search.size === 0 ? '' : `?${search.toString()}`
}
